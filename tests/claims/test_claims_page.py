"""The claims of the page: every verdict in words, every figure true to claims.json, nothing told by colour alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunemark.claims.file import read_claims
from prunemark.claims.verdicts import judge
from prunemark.page.claims import claim_cards

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def judged(kept_rows, kept_params):
    return judge(read_claims(ROOT / "claims.yaml", kept_params), kept_rows, kept_params)


def section(judged) -> str:
    folder = ROOT / "src/prunemark/page"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.globals["link"] = lambda number: Markup('<a data-lines="{}">{}</a>').format(
        number.source.lines, number.text
    )
    return environment.get_template("claims.html.j2").render(claims=claim_cards(judged))


def test_every_claim_has_its_heading_and_its_verdict_in_words(judged):
    text = section(judged)
    signs = {"supported": "✓", "refuted": "✗", "not decidable": "?"}
    for claim in judged["claims"]:
        sign = signs[claim["verdict"]]
        assert f'<a href="#claim-{claim["name"]}">{claim["says"]}</a> <b>{sign}&nbsp;{claim["verdict"]}</b>' in text
        assert f'<h3 id="claim-{claim["name"]}">{claim["says"]}</h3>\n<p><b>{sign} {claim["verdict"]}.</b>' in text
    assert "color" not in text
    assert "style" not in text


def test_every_figure_is_that_of_claims_json(judged):
    rows = re.findall(r'<td><a data-lines="([^"]*)">(\S+) ([^<]+)</a><small>', section(judged))
    figures = [f for claim in judged["claims"] for point in claim["decisive"] for f in point["figures"]]
    assert len(rows) == len(figures) > 20
    for (lines, number, unit), figure in zip(rows, figures, strict=True):
        assert lines == str(tuple(figure["lines"]))
        scale = 100 if unit in ("points", "%") else 1
        shown = float(number.replace("\u2212", "-").replace(",", ""))
        assert shown == pytest.approx(scale * figure["value"], abs=0.0501)


def test_open_claims_say_what_would_decide_them(judged):
    text = section(judged)
    for claim in judged["claims"]:
        assert (f"What would decide it: {claim['needed']}." in text) == (claim["verdict"] == "not decidable")


def test_points_that_could_not_be_compared_are_counted(judged):
    claim = judged["claims"][0]
    assert "; 1,200 could not be compared.</small>" in section(
        {"claims": [claim | {"points": claim["points"] | {"not compared": 1200}}]}
    )
    assert "could not be compared.</small>" not in section({"claims": [claim]})


def test_sentences_are_escaped_and_a_file_without_claims_says_so(judged):
    claim = judged["claims"][0] | {"says": "<script>alert(1)</script>"}
    assert "<script>" not in section({"claims": [claim]})
    assert "makes none" in section({"claims": []})
