"""The report page: a pure function of the results; self-contained, escaped, and true to the table."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from prunemark import landmarks, results, scores
from prunemark.claims.schema import Claim
from prunemark.claims.verdicts import judge
from prunemark.page import render as page
from prunemark.page.numbers import Book
from prunemark.page.speed import speeds
from prunemark.page.tables import Panel

RATES = ("0.5", "0.9")
CLAIM = {"says": "<Half> is lost.", "holds": [{"metric": "error", "head": "refit", "above": 0.5}], "needs": {"rate": 1}}
ONE = {"magnitude": {"method": "magnitude"}}
CLASSES = 4
IMAGES = 200
WATERMARKS = {"none": {"method": "none"}, "uchida": {"method": "uchida"}, "reversible": {"method": "reversible"}}
CHECKS = {"sha256": {"method": "sha256", "keys": 1}, "feature-digest": {"method": "feature-digest", "keys": 20}}
CONDITIONS = {
    "versions": ["numpy 2.0"],
    "cpu": ["a processor"],
    "commits": ["None"],
    "code_differs_from_commit": False,
    "scheme_seconds": {},
}


def asked(**changes):
    whole = {
        "datasets": {"fashion-mnist-mini": {"method": "fashion-mnist-mini", "set": {}}},
        "encoders": {"simclr-r18": {"objective": "simclr", "architecture": "resnet18", "set": {"temperature": 0.15}}},
        "seeds": [0],
        "null_seeds": [1000],
        "watermarks": WATERMARKS,
        "keys": 1,
        "checks": CHECKS,
        "downstream": [],
        "structured": {},
        "alterations": {},
        "pruners": {"magnitude": {"method": "magnitude", "scope": "global"}, "random": {"method": "random"}},
        "rates": [0, *map(float, RATES)],
        "threads": 1,
        "device": "auto",
        "utility_drop": 0.2,
    }
    return whole | changes


def predicted(labels, right, generator):
    found = labels.copy()
    wrong = generator.random(len(labels)) > right
    found[wrong] = (found[wrong] + generator.integers(1, CLASSES, wrong.sum())) % CLASSES
    return found


def samples(labels, right, generator):
    """Predictions under three heads, right with the probability given for a refitted head."""
    by_head = {"frozen": right * 0.9, "refit": right, "knn": right * 0.95}
    return (
        {"labels": labels}
        | {f"predicted_{head}": predicted(labels, share, generator) for head, share in by_head.items()}
        | {f"confidence_{head}": generator.uniform(0.3, 1, len(labels)) for head in ("frozen", "refit")}
    )


def trials(params, name, altered, generator):
    entry = params["checks"].get(name) or params["watermarks"][name]
    kind = {"uchida": "robust", "reversible": "reversible"}.get(entry["method"], "fragile")
    keys = entry.get("keys", 1)
    reached = np.ones(keys) if kind == "robust" or not altered else (generator.random(keys) > 0.97) * 1.0
    nulls = [False] * len(params["null_seeds"])
    return scores.CheckTrials(
        name,
        kind,
        "",
        reached,
        np.ones(keys),
        nulls,
        [False],
        0,
        20 * keys,
        0,
        4 * keys,
        [True],
        [kind == "robust"],
        1e-6,
    )


def size_rows(rate):
    kept = round(1000 * (1 - float(rate)))
    found = {"nonzeros": kept, "macs": 5000, "dense_bytes": 4100, "sparse_bytes": 120 + 8 * kept}
    found |= {"mask_bytes": 60} if rate != "0" else {}
    sparsity = scores.single("sparsity", "weights", 1 - kept / 1000, k=1000 - kept, n=1000)
    return [sparsity, *(scores.single(name, "bytes", value) for name, value in found.items())]


def grid(params):
    """Contents of every scores.json that ``params`` asks for, from random predictions: damage grows with the rate."""
    contents, rates = {}, [str(rate) for rate in params["rates"] if rate > 0]
    names = list(params["checks"])
    for dataset, encoder, seed in product(params["datasets"], params["encoders"], params["seeds"]):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, CLASSES, IMAGES)
        for watermark, key in product(params["watermarks"], range(params["keys"])):
            before = samples(labels, 0.9, generator)
            for pruner, rate in [("original", "0"), *product(params["pruners"], rates)]:
                altered = rate != "0"
                now = before if not altered else samples(labels, 0.9 - 0.75 * float(rate) ** 4, generator)
                table, content = scores.accuracy_rows(now), {"schema": 1, "classes": CLASSES}
                if altered:
                    more = {"cosine": np.full(IMAGES, 0.9), "cka_parts": np.array([1.0, 2.0, 2.0])}
                    table += scores.agreement_rows(now | more, before)
                    content["agreement_matrix"] = scores.matrix(now, before, CLASSES)
                    content["classes_right"] = scores.classes_right(now, before, CLASSES)
                for name in ([watermark] if watermark != "none" else []) + names:
                    table += scores.check_rows(trials(params, name, altered, generator), altered)
                cell = (dataset, encoder, str(seed), watermark, str(key), pruner, rate, dataset)
                contents[cell] = content | {"rows": table + size_rows(rate)}
        for control, right in (("untrained", 0.6), ("pixels", 0.7)):
            heads = {name: values for name, values in samples(labels, right, generator).items() if "frozen" not in name}
            cell = (dataset, encoder, str(seed), control, "0", "original", "0", dataset)
            contents[cell] = {"schema": 1, "classes": CLASSES, "rows": scores.accuracy_rows(heads)}
    return contents


def render(params=None, conditions=None):
    params = params or asked()
    contents = grid(params)
    rows = results.table(contents.items())
    summaries = results.summarise(rows)
    found = landmarks.landmarks(rows, summaries, params)
    judged = judge({"error": Claim.model_validate(CLAIM)}, rows, params)
    return page.render(
        rows, summaries, found, contents, params, CONDITIONS if conditions is None else conditions, judged
    ), rows


class Cells(HTMLParser):
    """Every table cell with its title, and every attribute of every tag."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.attributes, self.open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "td":
            self.cells.append([dict(attrs).get("title", ""), ""])
        self.open |= tag == "td"

    def handle_endtag(self, tag):
        self.open &= tag != "td"

    def handle_data(self, data):
        if self.open:
            self.cells[-1][1] += data


@pytest.fixture(scope="module")
def whole():
    return render()


def test_same_bytes_under_another_hash_seed_and_matplotlibrc(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import hashlib, test_render as t; "
    code += "print(hashlib.sha256(t.render(t.asked(pruners=t.ONE))[0].encode()).hexdigest())"
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.facecolor: red\nsvg.hashsalt: other\n")
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "MATPLOTLIBRC": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    for _ in range(2):
        assert run.stdout.strip() == hashlib.sha256(render(asked(pruners=ONE))[0].encode()).hexdigest()


def test_opens_offline(whole):
    text = whole[0]
    loading = [value for _, name, value in Cells(text).attributes if name in ("src", "href", "xlink:href", "data")]
    assert loading
    assert all(value.startswith("#") for value in loading)
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "@import" not in text
    assert "<link" not in text
    for _, name, value in Cells(text).attributes:
        assert not re.search("https?://", value) or (name.startswith("xmlns") and "www.w3.org" in value)


def test_figure_ids_are_unique(whole):
    ids = [value for _, name, value in Cells(whole[0]).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_names_are_escaped():
    name = "<script>alert(1)</script>"
    params = asked(encoders={name: asked()["encoders"]["simclr-r18"]}, pruners=ONE, checks={})
    text, _ = render(params)
    assert name not in text
    assert "&lt;script&gt;alert(1)" in text
    embedded = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(embedded)["cells"][0]["at"][0] == f"fashion-mnist-mini / {name}"


def test_every_number_names_its_row_and_equals_it(whole):
    text, rows = whole
    lines = results.to_csv(rows).splitlines()
    shown = [
        (re.search(r"^results.csv line (\d+): accuracy (\w+), cell (\S+),", title), number)
        for title, number in Cells(text).cells
        if title.startswith("results.csv line") and ": accuracy " in title and "minus" not in title
    ]
    main = {match[3] + match[2] for match, _ in shown}
    assert len(main) == 3 * 3 * (1 + 2 * len(RATES)) + 2 * 2
    for match, number in shown:
        row = rows[int(match[1]) - 2]
        assert number.startswith(f"{100 * row['value']:.1f}")
        assert match[3] == "/".join(row[name] for name in results.CELL)
        assert match[2] == row["head"]
        assert f",accuracy,images,{row['value']},{row['k']},{row['n']}," in lines[int(match[1]) - 1]


def test_a_mark_beyond_the_utility_gate_is_moot(whole):
    text, rows = whole
    refit = {
        tuple(row[name] for name in ("watermark", "pruner", "rate")): row["value"]
        for row in rows
        if row["metric"] == "accuracy" and row["head"] == "refit"
    }
    below = {key for key, value in refit.items() if value < refit[key[0], "original", "0"] - 0.2}
    assert {key[2] for key in below} == {"0.9"}
    for title, number in Cells(text).cells:
        if re.search(": (VerSR|AuthSR)", title) and ", column" not in title:
            cell = title.split("cell ")[1].split(",")[0].split("/")
            assert ("moot" in number) == ((cell[3], cell[5], cell[6]) in below)
        elif title.startswith("landmarks") and ": half-life" in title:
            place = title.split(", ")[1].split(";")[0].split("/")
            lasts = number.startswith(">")
            assert ("moot from 0.9" in number) == (lasts and (place[2], place[3], "0.9") in below)
        elif title:
            assert "moot" not in number


@pytest.mark.parametrize(("drop", "beyond"), [(0.2, {"0.9"}), (0.9, set())])
def test_the_gate_is_that_of_the_params(drop, beyond):
    text, _ = render(asked(utility_drop=drop, pruners=ONE))
    assert f"loses more than {100 * drop:g} points" in text
    rows = re.findall(r'<tr class="beyond"><th scope="row">\w+ <b>([0-9.]+)</b>', text)
    assert set(rows) == beyond


def test_every_number_of_the_results_says_over_how_many_seeds():
    for seeds, words in (([0], "1 seed"), ([0, 1], "2 seeds"), ([0, 1, 2, 3, 4], "5 seeds")):
        text, _ = render(asked(seeds=seeds, pruners=ONE, watermarks={"uchida": {"method": "uchida"}}))
        shown = [(title, number) for title, number in Cells(text).cells if title.startswith(("results", "landmarks"))]
        assert len(shown) > 100
        for title, number in shown:
            assert words in number or ": claimed_fpr" in title
        kind = {1: "]", 2: "range", 5: "bootstrap"}[len(seeds)]
        assert all(kind in number for title, number in shown if ": VerSR" in title and ", column" not in title)


def test_landmarks_are_those_of_their_line(whole):
    text, rows = whole
    lines = landmarks.to_csv(landmarks.landmarks(rows, results.summarise(rows), asked())).splitlines()
    read = list(csv.DictReader(lines))
    shown = [(re.match(r"landmarks.csv line (\d+): (\S+)", title), number) for title, number in Cells(text).cells]
    found = {int(match[1]): (match[2], number) for match, number in shown if match}
    assert sorted(found) == list(range(2, len(read) + 2))
    assert {row["what"] for row in read} == {"knee", "half-life"}
    for line, (what, number) in found.items():
        row = read[line - 2]
        assert what == row["what"]
        if row["value"]:
            assert float(re.match("(?:≥ )?([0-9.]+?)(?=\\[| ?moot|at|no|$)", number)[1]) == pytest.approx(
                float(row["value"]), rel=1e-3
            )
        else:
            assert number.startswith({"below": "< 0.5", "at": "> 0.9"}[row["note"].split()[0]])


def test_more_pruners_than_facets_can_be_read_are_lines():
    params = asked(
        pruners={f"p{i}": {"method": "magnitude"} for i in range(9)}, watermarks={"uchida": {"method": "uchida"}}
    )
    text, _ = render(params)
    plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    quantities = "accuracy, frozen head", "agreement with the original", "uchida VerSR", "sha256 AuthSR"
    assert len(plots) == 2
    for name in params["pruners"]:
        assert plots[0].count(f">{name}</text>") == 1
    assert all(plots[0].count(f">{quantity}</text>") == 1 for quantity in quantities)
    assert "pruned by p0" not in plots[0]


def test_the_matrix_has_counts_and_shares_of_the_row_and_the_classes(whole):
    text = whole[0]
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    cell = data["cells"][data["first"]]
    matrix = re.search(r'id="counts-of">(.*?)</tbody>', text, re.DOTALL)[1]
    shown = [tuple(map(int, found)) for found in re.findall(r">(\d+)<small>(\d+)</small>", matrix)]
    counts = np.array(cell["counts"])
    assert [count for count, _ in shown] == counts.flatten().tolist()
    shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    assert [share for _, share in shown] == pytest.approx(shares.flatten(), abs=0.5 + 1e-9)
    classes = re.search(r'id="classes-of">(.*?)</tbody>', text, re.DOTALL)[1].replace("\u2212", "-")
    table = np.array(
        [[int(n) for n in re.findall(r"<td>([-+]?\d+)</td>", line)] for line in classes.split("</tr>")[:-1]]
    )
    frozen, refit = cell["right"]["frozen"], cell["right"]["refit"]
    assert table[:, [0, 1, 2, 4, 5]].T.tolist() == [
        frozen["n"], frozen["original"], frozen["pruned"], refit["original"], refit["pruned"],
    ]  # fmt: skip
    assert (table[:, 3] == table[:, 2] - table[:, 1]).all()
    assert (table[:, 6] == table[:, 5] - table[:, 4]).all()
    assert table[:, 0].sum() == counts.sum() == IMAGES


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
    text, _ = render(asked(**({"pruners": ONE} | changes)), {"scheme_seconds": {}})
    assert text.rstrip().endswith("</html>")
    assert "None" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_both_ns_where_keys_are_clustered():
    text, rows = render(asked(seeds=[0, 1], keys=2, watermarks={"uchida": {"method": "uchida"}}, pruners=ONE))
    assert "uchida VerSR: 4 keys in 2 encoders" in text
    assert "feature-digest AuthSR: 80 keys in 2 encoders" in text
    assert "range" in text
    embedded = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL).group(1)
    assert {(cell["seed"], cell["key"]) for cell in json.loads(embedded)["cells"]} == {("0", "0")}
    assert len(rows) > 100


def test_what_is_noticed_is_the_weakest_from_which_on_all_was():
    params = asked(alterations={"quantise": {"method": "quantise"}, "noise": {"method": "noise"}})
    share = {"quantise": {"8": 3, "6": 20, "4": 20}, "noise": {"0.01": 3, "0.1": 20, "1": 20}}
    place = ("fashion-mnist-mini", "simclr-r18", "0", "none", "0")
    rows = scores.check_rows(trials(params, "feature-digest", False, np.random.default_rng(0)), altered=False)
    contents = {(*place, "original", "0", place[0]): {"classes": CLASSES, "rows": rows}}
    for way, strengths in share.items():
        for strength, noticed in strengths.items():
            row = scores.share("TamperDR", "keys", noticed, 20, check="feature-digest")
            contents[(*place, way, strength, place[0])] = {"classes": CLASSES, "rows": [row]}
    table = results.table(contents.items())
    book = Book(table, results.summarise(table), {place[0]: CLASSES}, 0.05)
    panel = Panel(book, (*place[:2], place[0]), params, CONDITIONS, 0)
    assert [panel.noticed("none", "feature-digest", way).text for way in share] == ["6", "0.1"]
    assert [panel.noticed("none", "feature-digest", way).detail[:11] for way in share] == ["at 8: 3 of ", "at 0.01: 3 "]


def test_a_claim_is_held_against_the_wrong_keys(whole):
    cells = dict(Cells(whole[0]).cells)
    claims = {title: text for title, text in cells.items() if ": claimed_fpr" in title}
    assert claims
    assert all("needs 2,995,731 clean trials" in text for text in claims.values())


def timed(form, seconds):
    return {f"{form}, float32": {batch: [0.9 * seconds, seconds, 1.1 * seconds] for batch in ("1", "256")}}


def test_times_stand_beside_the_originals_and_a_mask_does_all_macs():
    cells = {"original/0": timed("masked", 0.002), "magnitude/0.5": timed("masked", 0.003) | timed("shrunk", 0.001)}
    facts = {"cpu": "a processor", "host": "here", "threads": 1, "cells": cells}
    latency = {"fashion-mnist-mini/simclr-r18/magnitude": facts}
    params = asked(pruners=ONE)
    contents = grid(params)
    rows = results.table(contents.items())
    book = Book(rows, results.summarise(rows), {"fashion-mnist-mini": CLASSES}, 0.2)
    place = ("fashion-mnist-mini", "simclr-r18", "fashion-mnist-mini")
    found = speeds(Panel(book, place, params, CONDITIONS | {"latency": latency}, 0))
    lines = [(line.name, line.rate, [number.text for number in line.numbers]) for line in found["groups"][0].lines]
    assert lines == [
        ("original, float32", "0", ["100", "2", "100", "2", "100"]),
        ("magnitude, masked, float32", "0.5", ["100", "3", "150", "3", "150"]),
        ("magnitude, shrunk, float32", "0.5", ["100", "1", "50", "1", "50"]),
    ]
    assert not found["half"]
    text, _ = render(params, CONDITIONS | {"latency": latency})
    assert "does all of the" in " ".join(text.split())
    assert "speed-up" not in text
    assert "Several machines" not in text


def test_times_of_several_machines_are_not_said_to_compare():
    params = asked(pruners={"magnitude": {"method": "magnitude"}, "random": {"method": "random"}})
    cells = {"original/0": timed("masked", 0.002)}
    latency = {
        f"fashion-mnist-mini/simclr-r18/{pruner}": {"cpu": "a processor", "host": host, "threads": 1, "cells": cells}
        for pruner, host in (("magnitude", "here"), ("random", "there"))
    }
    text = " ".join(render(params, CONDITIONS | {"latency": latency})[0].split())
    assert "measured on a processor (here) with 1 thread of PyTorch; a processor (there) with 1 thread" in text
    assert "Several machines" in text


def test_scopes_asked_for_are_explained_and_no_others(whole):
    text = whole[0]
    assert "<i>global</i>: all weights together." in text
    assert "each layer by itself" not in text
