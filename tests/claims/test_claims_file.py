"""Every fault of claims.yaml is one line that names the key, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prunemark.claims.file import read_claims
from prunemark.claims.sentences import predicate
from prunemark.claims.verdicts import judge
from prunemark.errors import PrunemarkError
from prunemark.plan.params_file import read_params

ROOT = Path(__file__).parents[2]
GOOD = """\
notices:
  says: Every fragile scheme notices.
  for: [every scheme, some rate]
  where: {kind: [weights], pruner: [magnitude], rate: {above: 0.01, at_most: 0.5}}
  holds:
    - {metric: AuthSR, minus: original, below: 0, at_least: -1}
    - {metric: accuracy, head: frozen, significantly: worse}
  needs: {scheme: 1, rate: 2}
"""
WORDS = (
    "In every dataset, encoder, watermark and pruner, for every scheme, some rate (pruners of weights, pruner magnitude, "
    "rate above 0.01 and at most 0.5): AuthSR minus the original\u2019s is at least \u22121 and below 0 and accuracy through the frozen head is "
    "significantly worse than the original\u2019s (exact McNemar, Holm over the rates, 5 %). Needs 1 scheme, 2 rates."
)


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    return read_params(ROOT / "params.yaml").model_dump(mode="json")


def read(tmp_path: Path, text: str, asked: dict[str, Any]):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    return read_claims(path, asked)


def test_a_claim_is_read_and_said_in_words(tmp_path, asked):
    (claim,) = read(tmp_path, GOOD, asked).values()
    assert predicate(claim) == WORDS
    assert [dimension for _, dimension in claim.order][-2:] == ["scheme", "rate"]
    assert len(claim.order) == 7


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("below: 1485582", "is below 1,485,582."),
        ("at_most: 0.2499999", "is at most 0.2499999."),
        ("above: -0.0", "is above 0."),
        ("above: -1234.5", "is above \u22121,234.5."),
        ("below: 1.0e+16", "is below 1e+16."),
    ],
)
def test_the_number_that_is_said_is_the_one_that_decides(tmp_path, asked, given, words):
    (claim,) = read(tmp_path, GOOD.replace("below: 0, at_least: -1", given), asked).values()
    assert f"AuthSR minus the original\u2019s {words.removesuffix('.')} and accuracy" in predicate(claim)


def test_the_readmes_example_is_read_and_decided(tmp_path, kept_rows, kept_params):
    text = next(part for part in (ROOT / "README.md").read_text().split("```yaml\n") if "says:" in part).split("```")[0]
    found = judge(read(tmp_path, text, kept_params), kept_rows, kept_params)
    assert [claim["verdict"] for claim in found["claims"]] == ["supported"]


def test_a_file_may_make_no_claim(tmp_path, asked):
    assert read(tmp_path, "# none\n", asked) == {}


FAULTS = [
    ("says: Every", "said: Every", "notices.says: missing"),
    ("  needs:", "  wants:", "notices.wants: unknown key; allowed: for, holds, needs, says, where"),
    ("pruner: [mag", "pruners: [mag", "notices.where.pruners: unknown key; allowed: dataset, encoder, kind, "),
    ("above: 0.01", "over: 0.01", "notices.where.rate.over: unknown key; allowed: above, at_least, at_most, below"),
    ("significantly:", "surely:", "notices.holds.1.surely: unknown key; allowed: above, "),
    ("[magnitude]", "[lamp]", "notices.where.pruner: 'lamp' is not one of magnitude, random"),
    ("kind: [weights]", "kind: [channels]", "notices.where.pruner: 'magnitude' is not one of none"),
    ("kind: [weights]", "kind: [weights, weights]", "notices: where.kind: 'weights' is not allowed twice: each once"),
    ("[magnitude]", "[random, magnitude, random]", "notices: where.pruner: 'random' is not allowed twice: each once"),
    ("kind: [weights]", "kind: [bits]", "notices.where.kind.0: 'bits' is not allowed: it should be 'weights', "),
    (
        "minus: original",
        "minus: lamp",
        "notices.holds.minus: 'lamp' is not one of original, previous rate, magnitude, ",
    ),
    ("some rate]", "most rate]", "notices.for.1: 'most rate' is not allowed: "),
    ("some rate]", "some scheme]", "notices: for: scheme is not allowed twice"),
    ("below: 0, at_least: -1", "head: frozen", "notices: no comparison: one of above, at_least, below, at_most, "),
    ("at_least: -1", "at_least: 0", "notices: between 0 and 0 is not allowed: nothing lies there"),
    (
        "above: 0.01, at_most",
        "at_least: 0.6, at_most",
        "notices: between 0.6 and 0.5 is not allowed: nothing lies there",
    ),
    ("at_least: -1", "at_least: -1, above: -1", "notices: above and at_least together are not allowed"),
    ("at_least: -1", "at_least: much", "notices.holds.0.at_least: 'much' is not allowed: it should be a valid number"),
    ("at_least: -1", "at_least: .nan", "notices.holds.0.at_least: 'nan' is not allowed: it should be a finite number"),
    ("significantly: worse", "significantly: worse, above: 0", "notices: significantly is not allowed beside minus"),
    ("accuracy, head: frozen,", "error, head: frozen,", "notices: significantly is not allowed with error"),
    ("rate: 2}", "rate: 0}", "notices.needs.rate: '0' is not allowed: "),
    ("rate: 2}", "seeds: 2}", "notices.needs.seeds: 'seeds' is not allowed: "),
    ("notices:", "Notices it:", "Notices it: 'Notices it' is not allowed: a name should match pattern"),
    ("notices:", "notices: [", "not YAML: "),
    (GOOD, "[1, 2]", "the whole: '[1, 2]' is not allowed: it should be a valid dictionary"),
    (GOOD, "eval: '__import__(\"os\")'", "eval: '__import__(\"os\")' is not allowed: "),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_faults_are_one_line(tmp_path, asked, old, new, message):
    assert GOOD.count(old)
    with pytest.raises(PrunemarkError) as error:
        read(tmp_path, GOOD.replace(old, new, 1), asked)
    said = str(error.value).removeprefix(f"{tmp_path}/")
    assert said.startswith(f"claims.yaml: {message}"), said
    assert "\n" not in said


def test_a_file_that_is_not_there_is_said(tmp_path, asked):
    with pytest.raises(PrunemarkError, match="no such file"):
        read_claims(tmp_path / "claims.yaml", asked)


@pytest.mark.parametrize(
    "params", ["params.yaml", "params-cifar10.yaml", "tests/engines/tiny.yaml", *(
        str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("examples/*/params.yaml"))
    )],
)  # fmt: skip
def test_the_shipped_claims_fit_every_params_file(params):
    assert read_claims(ROOT / "claims.yaml", read_params(ROOT / params).model_dump(mode="json"))
