"""The README's table of ways to cheat is the one that is tested: every way stands there, and nothing that is not tried."""

from __future__ import annotations

from collections.abc import Iterable

import frauds_accepted
import frauds_chained
import frauds_recomputed
import frauds_replayed
import frauds_reported
import frauds_signed

from repository import ROOT

CAUGHT_BY = {
    "audit": (
        frauds_chained.FRAUDS,
        frauds_reported.FRAUDS,
        frauds_chained.TRACKED,
        frauds_accepted.EDITED,
        frauds_accepted.FRAUDS,
    ),
    "--recompute": (frauds_recomputed.FRAUDS, frauds_recomputed.FORMULAS),
    "--replay": (frauds_replayed.FRAUDS, frauds_accepted.UNREPLAYED),
    "--from-clone": (frauds_signed.CLONED,),
    "--signed-by": (frauds_signed.FRAUDS,),
}
ENOUGH = 25


def ways(tables: Iterable[Iterable[str]]) -> list[str]:
    """The ways in their order; what follows a colon tells several tests of one way apart."""
    return list(dict.fromkeys(name.partition(": ")[0] for table in tables for name in table))


def test_the_readme_names_every_way_to_cheat_beside_the_level_that_catches_it() -> None:
    text = (ROOT / "README.md").read_text()
    for level, tables in CAUGHT_BY.items():
        assert f"| `{level}` | {'; '.join(ways(tables))} |\n" in text


def test_there_are_enough_of_them() -> None:
    assert len({way for tables in CAUGHT_BY.values() for way in ways(tables)}) >= ENOUGH
