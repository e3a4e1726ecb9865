"""Which step would run, and why; and what a build says before it starts."""

from __future__ import annotations

from repository import Repository

SCORES = "data/scores/tiny/simclr/0/reversible/0/magnitude/0.5/tiny"


def answer(repository: Repository, *which: str) -> list[str]:
    return repository.run("prunemark", "why-rerun", *which).splitlines()


def test_nothing_would_run_after_a_build(copy: Repository) -> None:
    line, *more = answer(copy)
    assert line.startswith("nothing would run: ")
    assert more[0] == "the last build ran 1 of them:"
    assert more[1].startswith("  data/report: ")


def test_an_edited_file_is_named_with_the_old_and_the_new_and_where_to_see_them(copy: Repository) -> None:
    path = "src/prunemark/methods/pruners/magnitude.py"
    copy.edit(path, "weight.detach().abs()", "weight.abs().detach()")
    planned = sum(copy.planned().values())
    lines = answer(copy)
    assert lines[0] == f"{planned} steps: {planned} because {path} changed meaning"
    assert any(line.startswith(f"  {path} changed meaning, ") and " -> " in line for line in lines)
    commit = copy.git("rev-parse", "HEAD").strip()[:12]
    assert f"  $ git diff {commit} -- {path}" in lines
    assert path in copy.git("diff", "--name-only", commit, "--", path)
    assert answer(copy, "train")[0] == "nothing would run: all of 2 are as params.yaml and the code ask"
    assert "the other" in answer(copy, SCORES)[-1]
    printed = copy.run("prunemark", "build")
    assert f"prunemark: {planned} steps: {planned} because {path} changed meaning" in printed
    nothing, ran, cell = answer(copy, SCORES)
    assert (nothing, ran) == (
        "nothing would run: all of 1 are as params.yaml and the code ask",
        "the last build ran 1 of them:",
    )
    assert cell == f"  {SCORES}: stands on a step that runs: {path} changed meaning"


def test_a_parameter_a_missing_output_and_an_edited_claim_are_named(copy: Repository) -> None:
    (copy.folder / SCORES / "samples.npz").unlink()
    copy.edit("claims.yaml", "at_most: 0.05}", "at_most: 0.04}")
    lines = answer(copy)
    assert lines[0].endswith("because outputs are missing")
    assert f"  {SCORES}/samples.npz is missing" in lines
    assert "  input claims.yaml changed" in lines
    copy.edit("params.yaml", "epochs: 2", "epochs: 3")
    assert "  parameter epochs 2 -> 3" in answer(copy, "train")


def test_a_printed_docstring_is_named(copy: Repository) -> None:
    copy.edit("src/prunemark/methods/pruners/magnitude.py", "Magnitude pruning:", "Pruning by magnitude:")
    assert answer(copy) == [
        "1 step: 1 because the docstring of pruners/magnitude.py changed",
        "data/report",
        "  the docstring of pruners/magnitude.py changed",
    ]


def test_an_unknown_name_is_one_line(copy: Repository) -> None:
    done = copy.attempt("prunemark", "why-rerun", "nonsense")
    assert done.returncode == 2
    assert done.stdout.startswith("prunemark: 'nonsense': neither a stage (fetch, train, ")
    assert done.stdout.count("\n") == 1
