"""The report page: a pure function of the results; self-contained, escaped, and true to the table."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import CLASSES, CONDITIONS, IMAGES, ONE, RATES, Markup, Reader, asked, grid, render, table_of, trials

from prunemark.formats.conditions import Timed
from prunemark.page.numbers import Book
from prunemark.page.render import FOLDER, SCRIPTS
from prunemark.page.speed import speeds
from prunemark.page.tables import Panel, panel_of
from prunemark.point import Point
from prunemark.results import landmarks, scores
from prunemark.results import table as results


@pytest.fixture(scope="module")
def whole():
    return render()


@pytest.fixture(scope="module")
def reader(whole):
    return Reader(whole[0])


def test_same_bytes_under_another_hash_seed():
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import hashlib, pages as t; "
    code += "print(hashlib.sha256(t.render(t.asked(pruners=t.ONE))[0].encode()).hexdigest())"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    for _ in range(2):
        assert run.stdout.strip() == hashlib.sha256(render(asked(pruners=ONE))[0].encode()).hexdigest()


def test_opens_offline(whole):
    text = whole[0]
    loading = [value for _, name, value in Markup(text).attributes if name in ("src", "href", "xlink:href", "data")]
    assert loading
    assert all(value.startswith("#") for value in loading)
    style = (FOLDER / "page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    assert "<link" not in text
    assert "default-src 'none'" in text
    for _, _, value in Markup(text).attributes:
        assert not re.search("https?://", value)


@pytest.mark.parametrize("name", [*SCRIPTS, "page.css"])
def test_what_is_inlined_cannot_end_its_element_and_is_small(name):
    text = (FOLDER / name).read_text()
    assert "</" not in text
    assert "innerHTML" not in text
    assert len(text.splitlines()) < 250


def test_every_script_is_inlined():
    assert {path.name for path in FOLDER.glob("*.js")} == set(SCRIPTS)


def test_ids_are_unique(whole):
    ids = [value for _, name, value in Markup(whole[0]).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_names_are_escaped():
    name = "<script>alert(1)</script>"
    params = asked(encoders={name: asked()["encoders"]["simclr-r18"]}, pruners=ONE, checks={})
    text, _ = render(params)
    assert name not in text
    assert "&lt;script&gt;alert(1)" in text
    assert {row["encoder"] for row in Reader(text).rows} == {name}


def test_the_page_holds_the_table_row_by_row(whole, reader):
    read = csv.DictReader(results.to_csv(whole[1]).splitlines())
    assert len(reader.rows) == len(whole[1])
    for given, row in zip(reader.rows, read, strict=True):
        for name, text in row.items():
            if name in ("value", "k", "n", "ci_low", "ci_high", "statistic", "threshold", "fpr", "fpr_upper"):
                assert given.get(name) == (float(text) if text else None)
            elif name != "schema":
                assert given[name] == text


def test_every_number_names_its_row_and_equals_it(whole, reader):
    rows = whole[1]
    lines = results.to_csv(rows).splitlines()
    shown = [
        (re.search(r"^results.csv line (\d+): accuracy (\w+), cell (\S+)$", number.title), number)
        for number in reader.shown()
        if number.title.startswith("results.csv line") and ": accuracy " in number.title and "minus" not in number.title
    ]
    main = {match[3] + match[2] for match, _ in shown}
    assert len(main) == 3 * 3 * (1 + 2 * len(RATES)) + 2 * 2
    for match, number in shown:
        row = rows[int(match[1]) - 2]
        assert number.text == f"{100 * row['value']:.1f}"
        assert match[3] == "/".join(row[name] for name in results.CELL)
        assert match[2] == row["head"]
        assert f",accuracy,images,{row['value']},{row['k']},{row['n']}," in lines[int(match[1]) - 1]
        _, group, name, rate, column = number.place
        if group:
            assert (group, name, rate) == (row["watermark"], row["pruner"], row["rate"])
            assert (
                column
                == {"frozen": "accuracy, frozen head", "refit": "accuracy, refitted head", "knn": "accuracy, kNN"}[
                    row["head"]
                ]
            )


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2, 3, 4]])
def test_summaries_that_the_page_leaves_out_follow_from_its_rows(seeds):
    """Value, low and high of every group: kept, or by the rule that page/rows.js has."""
    text, rows = render(asked(seeds=seeds, keys=2, pruners=ONE, watermarks={"uchida": {"method": "uchida"}}))
    reader, kept = Reader(text), Reader(text).data["summaries"]["kept"]
    for number, summary in enumerate(results.summarise(rows)):
        group = [row for _, row in reader.groups[reader.places[number]]]
        if str(number) in kept:
            found = kept[str(number)]
        elif len(group) == 1:
            found = [group[0].get(name) for name in ("value", "ci_low", "ci_high")]
        else:
            means = [np.mean([row["value"] for row in group if row["seed"] == str(seed)]) for seed in seeds]
            found = [np.mean(means), *((min(means), max(means)) if 1 < len(seeds) < 5 else (None, None))]
        for ours, theirs in zip(found, (summary.value, summary.low, summary.high), strict=True):
            assert ours == (theirs if theirs is None else pytest.approx(theirs, rel=1e-9, abs=1e-12))


def test_a_mark_beyond_the_utility_gate_is_moot(whole, reader):
    refit = {
        tuple(row[name] for name in ("watermark", "pruner", "rate")): row["value"]
        for row in whole[1]
        if row["metric"] == "accuracy" and row["head"] == "refit"
    }
    below = {key for key, value in refit.items() if value < refit[key[0], "original", "0"] - 0.2}
    assert {key[2] for key in below} == {"0.9"}
    judged = 0
    for number in reader.shown():
        if re.search(": (VerSR|AuthSR)", number.title) and ", column" not in number.title:
            cell = number.title.split("cell ")[1].split("/")
            assert (number.flag == "moot") == ((cell[3], cell[5], cell[6]) in below)
            judged += 1
        elif number.title.startswith("landmarks") and ": half-life" in number.title:
            place = number.title.split(", ")[1].split(";")[0].split("/")
            lasts = number.text.startswith(">")
            assert (number.flag == "moot from 0.9") == (lasts and (place[2], place[3], "0.9") in below)
        else:
            assert "moot" not in number.whole
    assert judged > 20


@pytest.mark.parametrize(("drop", "beyond"), [(0.2, {"0.9"}), (0.9, set())])
def test_the_gate_is_that_of_the_params(drop, beyond):
    text, _ = render(asked(utility_drop=drop, pruners=ONE))
    assert f"loses more than {100 * drop:g} points" in text
    tables = Reader(text).data["shelf"]["tables"]
    lines = [line for table in tables for _, _, lines in table["groups"] for line in lines]
    assert {rate for _, rate, is_beyond, *_ in lines if is_beyond} == beyond


def test_every_number_of_the_results_says_over_how_many_seeds():
    for seeds, words in (([0], "1 seed"), ([0, 1], "2 seeds"), ([0, 1, 2, 3, 4], "5 seeds")):
        text, _ = render(asked(seeds=seeds, pruners=ONE, watermarks={"uchida": {"method": "uchida"}}))
        shown = [number for number in Reader(text).shown() if number.title.startswith(("results", "landmarks"))]
        assert len(shown) > 100
        for number in shown:
            assert words in number.detail or ": claimed_fpr" in number.title
        kind = {1: "]", 2: "range", 5: "bootstrap"}[len(seeds)]
        success = [number for number in shown if ": VerSR" in number.title and ", column" not in number.title]
        assert success
        assert all(kind in number.detail for number in success)


def test_landmarks_are_those_of_their_line(whole, reader):
    rows = whole[1]
    lines = landmarks.to_csv(landmarks.landmarks(rows, results.summarise(rows), asked())).splitlines()
    read = list(csv.DictReader(lines))
    shown = [(re.match(r"landmarks.csv line (\d+): (\S+),", number.title), number) for number in reader.shown()]
    found = {int(match[1]): (match[2], number.text) for match, number in shown if match}
    assert sorted(found) == list(range(2, len(read) + 2))
    assert {row["what"] for row in read} == {"knee", "half-life"}
    for line, (what, text) in found.items():
        row = read[line - 2]
        assert what == row["what"]
        if row["value"]:
            assert float(text.removeprefix("\u2265 ")) == pytest.approx(float(row["value"]), rel=1e-3)
        else:
            assert text == {"below": "< 0.5", "at": "> 0.9"}[row["note"].split()[0]]


def test_a_figure_has_every_quantity_and_a_line_per_pruner():
    params = asked(
        pruners={f"p{i}": {"method": "magnitude"} for i in range(9)}, watermarks={"uchida": {"method": "uchida"}}
    )
    reader = Reader(render(params)[0])
    curves, sizes = reader.data["shelf"]["figures"]
    quantities = {"accuracy, frozen head", "accuracy, refitted head", "accuracy, kNN", "agreement with the original"}
    titles = [chart["title"] for chart in curves["charts"]]
    assert set(titles) == quantities | {"uchida VerSR", "sha256 AuthSR", "feature-digest AuthSR"}
    assert [line for line, _ in sizes["charts"][0]["lines"]] == list(params["pruners"])
    for chart in curves["charts"]:
        assert [line for line, _ in chart["lines"]] == list(params["pruners"])
        for pruner, points in chart["lines"]:
            for rate, number, _ in points:
                place = dict(zip(results.GROUP, reader.places[number], strict=True))
                assert place["pruner"] == ("original" if curves["rates"][rate] == "0" else pruner)
                assert place["rate"] == curves["rates"][rate]
                words = {"frozen": "frozen head", "refit": "refitted head", "knn": "kNN"}
                said = {"accuracy": f"accuracy, {words.get(place['head'])}", "agreement": "agreement with the original"}
                assert chart["title"] == said.get(place["metric"], f"{place['check']} {place['metric']}")


def test_cells_have_matrix_and_classes_of_their_scores(reader):
    cells, contents = reader.data["cells"], grid(asked())
    assert len(cells["cells"]) == len(contents)
    matrices = 0
    for found, (cell, content) in zip(cells["cells"], contents.items(), strict=True):
        assert ("matrix" in found) == (cell[5] != "original")
        if "matrix" in found:
            assert np.array(found["matrix"]).reshape(CLASSES, CLASSES).tolist() == content.agreement_matrix
            for head, lists in found["right"].items():
                kept = [cells["lists"][number] for number in lists]
                assert kept == [getattr(content.classes_right[head], name) for name in ("n", "original", "pruned")]
            assert sum(found["matrix"]) == IMAGES
            matrices += 1
    assert matrices == 3 * 2 * len(RATES)


def test_conditions_are_stated_as_found(whole):
    assert "<dt>versions</dt><dd>numpy 2.0</dd>" in whole[0]
    assert "unknown for runs without a commit" in whole[0]


def test_small_counts_are_said_in_words(whole):
    text = whole[0]
    assert "1 key in 1 encoder: 1 of 1 means 20.7\u2013100 %" in text
    assert "sha256 AuthSR: deterministic, so one trial per marked encoder" in text
    assert "20 keys in 1 encoder: 20 of 20 means 83.9\u2013100 %" in text
    assert "1 null encoder: even 0 of 1 false positives still allows a false positive rate up to 95 %" in text
    assert "1 seed:" in text


def test_the_three_controls_stand_beside_each_other(whole):
    text, rows = whole
    value = {
        (row["watermark"], row["head"]): row["value"]
        for row in rows
        if row["metric"] == "accuracy" and row["rate"] == "0"
    }
    for name, shown in (("pixels", "raw pixels"), ("untrained", "untrained initialisation")):
        for head, words in (("refit", "refitted head"), ("knn", "kNN")):
            assert f"{100 * (value['none', head] - value[name, head]):.1f} points above {shown} ({words})" in text


def test_admissions_come_from_the_modules(whole):
    text = whole[0]
    assert 'reversible (watermarks): <em class="flag">partly a reconstruction' in text
    assert 'feature-digest (checks): <em class="flag">a baseline of our own' in text
    assert "Embedded after training" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": {}},
        {"null_seeds": []},
        {"watermarks": {"none": {"method": "none"}}, "checks": {}},
        {"rates": [0]},
        {"watermarks": {"mark": {"method": "uchida"}}, "pruners": {"m": {"method": "magnitude"}}},
        {"seeds": [0, 1, 2, 3, 4], "keys": 2, "watermarks": {"uchida": {"method": "uchida"}}},
        {
            "encoders": {name: {"objective": "simclr", "architecture": "resnet50", "set": {}} for name in ("a", "b")},
            "watermarks": {"none": {"method": "none"}},
        },
    ],
    ids=["no checks", "no nulls", "none alone", "no rates", "other names", "seeds and keys", "two encoders"],
)
def test_renders_what_is_there(changes):
    text, _ = render(asked(**({"pruners": ONE} | changes)))
    assert text.rstrip().endswith("</html>")
    assert "None" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_both_ns_where_keys_are_clustered():
    text, rows = render(asked(seeds=[0, 1], keys=2, watermarks={"uchida": {"method": "uchida"}}, pruners=ONE))
    reader = Reader(text)
    notes = [note for _, notes, _ in reader.data["shelf"]["tables"][0]["groups"] for note, _ in notes]
    assert any(note.startswith("uchida VerSR: 4 keys in 2 encoders") for note in notes)
    assert any(note.startswith("feature-digest AuthSR: 80 keys in 2 encoders") for note in notes)
    assert any("2 seeds, 4 copies, range" in number.detail for number in reader.shown())
    assert len(reader.rows) == len(rows) > 100


def test_what_is_noticed_is_the_weakest_from_which_on_all_was():
    params = asked(alterations={"quantise": {"method": "quantise"}, "noise": {"method": "noise"}})
    share = {"quantise": {"8": 3, "6": 20, "4": 20}, "noise": {"0.01": 3, "0.1": 20, "1": 20}}
    place = Point("fashion-mnist-mini", "simclr-r18", "0", "none", "0", probe="fashion-mnist-mini")
    rows = scores.check_rows(trials(params, "feature-digest", False, np.random.default_rng(0)), altered=False)
    contents = {place.original: rows}
    for way, strengths in share.items():
        for strength, noticed in strengths.items():
            row = scores.share("TamperDR", "keys", noticed, 20, check="feature-digest")
            contents[place.under(way, strength)] = [row]
    table = results.table(contents.items())
    book = Book(table, results.summarise(table), {place.probe: CLASSES}, 0.05)
    panel = Panel(book, panel_of(place), params, CONDITIONS, 0)
    assert [panel.noticed("none", "feature-digest", way).text for way in share] == ["6", "0.1"]
    assert [panel.noticed("none", "feature-digest", way).detail[:11] for way in share] == ["at 8: 3 of ", "at 0.01: 3 "]


def test_a_claim_is_held_against_the_wrong_keys(whole):
    claims = [number.detail for number in Reader(whole[0]).shown() if ": claimed_fpr" in number.title]
    assert claims
    assert all(detail == "needs 2,995,731 clean trials" for detail in claims)


def timed(form, seconds):
    return {f"{form}, float32": {batch: (0.9 * seconds, seconds, 1.1 * seconds) for batch in ("1", "256")}}


def test_times_stand_beside_the_originals_and_a_mask_does_all_macs():
    cells = {"original/0": timed("masked", 0.002), "magnitude/0.5": timed("masked", 0.003) | timed("shrunk", 0.001)}
    facts = Timed(cpu="a processor", host="here", threads=1, cells=cells)
    latency = {"fashion-mnist-mini/simclr-r18/magnitude": facts}
    params = asked(pruners=ONE)
    rows = table_of(grid(params))
    book = Book(rows, results.summarise(rows), {"fashion-mnist-mini": CLASSES}, 0.2)
    place = Point("fashion-mnist-mini", "simclr-r18", probe="fashion-mnist-mini")
    found = speeds(Panel(book, place, params, CONDITIONS.model_copy(update={"latency": latency}), 0))
    lines = [(line.name, line.rate, [number.text for number in line.numbers]) for line in found["groups"][0].lines]
    assert lines == [
        ("original, float32", "0", ["100", "2", "100", "2", "100"]),
        ("magnitude, masked, float32", "0.5", ["100", "3", "150", "3", "150"]),
        ("magnitude, shrunk, float32", "0.5", ["100", "1", "50", "1", "50"]),
    ]
    assert not found["half"]
    text, _ = render(params, CONDITIONS.model_copy(update={"latency": latency}))
    assert "does all of the" in " ".join(text.split())
    assert "speed-up" not in text
    assert "Several machines" not in text


def test_times_of_several_machines_are_not_said_to_compare():
    params = asked(pruners={"magnitude": {"method": "magnitude"}, "random": {"method": "random"}})
    cells = {"original/0": timed("masked", 0.002)}
    latency = {
        f"fashion-mnist-mini/simclr-r18/{pruner}": Timed(cpu="a processor", host=host, threads=1, cells=cells)
        for pruner, host in (("magnitude", "here"), ("random", "there"))
    }
    text = " ".join(render(params, CONDITIONS.model_copy(update={"latency": latency}))[0].split())
    assert "measured on a processor (here) with 1 thread of PyTorch; a processor (there) with 1 thread" in text
    assert "Several machines" in text


def test_scopes_asked_for_are_explained_and_no_others(whole):
    text = whole[0]
    assert "<i>global</i>: all weights together." in text
    assert "each layer by itself" not in text
