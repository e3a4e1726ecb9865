"""Folders of the tiny grid that the tests of the audit alter."""

MARKED = "data/marked/tiny/simclr/0/reversible/0"
MASKS = "data/pruned/tiny/simclr/0/reversible/0"
PRUNED = f"{MASKS}/magnitude/0.5"
CELLS = "data/scores/tiny/simclr/0/reversible/0"
SCORES, ORIGINAL = f"{CELLS}/magnitude/0.5/tiny", f"{CELLS}/original/0/tiny"
JOURNAL = f"data/journal/{SCORES.removeprefix('data/')}.json"
REPORT = "data/report"
