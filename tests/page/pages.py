"""Made-up runs of the shape of real ones, the pages made of them, and a reader of what a page holds."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from itertools import product

import numpy as np
from PIL import Image

from prunemark.claims.schema import Claim
from prunemark.claims.verdicts import judge
from prunemark.formats.conditions import Conditions
from prunemark.formats.journal import Journal, Measured
from prunemark.formats.receipt import Receipt, command_of
from prunemark.formats.scores import Scores
from prunemark.metrics.roc import area, roc
from prunemark.page import render as page
from prunemark.page.supplement import Evidence
from prunemark.point import Point
from prunemark.results import landmarks, scores
from prunemark.results import table as results

RATES = ("0.5", "0.9")
CLAIM = {"says": "<Half> is lost.", "holds": [{"metric": "error", "head": "refit", "above": 0.5}], "needs": {"rate": 1}}
NO_CLAIMS = {"claims": []}
ONE = {"magnitude": {"method": "magnitude"}}
CLASSES = 4
IMAGES = 200
SIZES = {"weights": 1000, "nonzeros": 500, "macs": 5000, "dense_bytes": 4100, "sparse_bytes": 4120}
WATERMARKS = {"none": {"method": "none"}, "uchida": {"method": "uchida"}, "reversible": {"method": "reversible"}}
CHECKS = {"sha256": {"method": "sha256", "keys": 1}, "feature-digest": {"method": "feature-digest", "keys": 20}}
CONDITIONS = Conditions(
    runs=1,
    cpu=["a processor"],
    cpu_capability=["AVX2"],
    cores=["2"],
    training=[],
    python=["3.11.7"],
    versions=["numpy 2.0"],
    commits=["None"],
    code_differs_from_commit=False,
    seconds=1.25,
    seconds_by_stage={},
    scheme_seconds={},
    latency={},
    peak_memory_bytes=1,
    first_started=None,
)


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


def layers(rate, generator):
    """As many as a ResNet-18 has, of which as many weights went as the rate says, more or less."""
    totals = {f"backbone.layer{i // 5}.{i % 5}.weight": 500 * (i + 1) for i in range(21)}
    return {name: (int(generator.binomial(total, rate)), total) for name, total in totals.items()}


def grid(params):
    """Every scores.json that ``params`` asks for, from random predictions: damage grows with the rate."""
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
                    content["sizes"] = SIZES | {"layers": layers(float(rate), generator)}
                for name in ([watermark] if watermark != "none" else []) + names:
                    table += scores.check_rows(trials(params, name, altered, generator), altered)
                cell = Point(dataset, encoder, str(seed), watermark, str(key), pruner, rate, dataset)
                contents[cell] = Scores.model_validate(content | {"rows": table + size_rows(rate)})
        for control, right in (("untrained", 0.6), ("pixels", 0.7)):
            heads = {name: values for name, values in samples(labels, right, generator).items() if "frozen" not in name}
            cell = Point(dataset, encoder, str(seed), control, "0", probe=dataset).original
            contents[cell] = Scores.model_validate(
                {"schema": 1, "classes": CLASSES, "rows": scores.accuracy_rows(heads)}
            )
    return contents


def table_of(contents):
    return results.table((cell, content.rows) for cell, content in contents.items())


def render(params=None, conditions=None):
    """The page of ``params`` and the rows of its table."""
    params = params or asked()
    contents = grid(params)
    rows = table_of(contents)
    summaries = results.summarise(rows)
    found = landmarks.landmarks(rows, summaries, params)
    conditions = CONDITIONS if conditions is None else conditions
    judged = judge({"error": Claim.model_validate(CLAIM)}, rows, params)
    return page.render(rows, summaries, found, contents, params, conditions, judged, evidence(contents)), rows


def evidence(contents):
    """Receipts, journals, curves and images of the shape that a real run leaves, with hashes of names."""
    generator = np.random.default_rng(5)
    receipts, journals = {}, {}
    for cell in contents:
        for step in steps_of(cell):
            if step[1] not in receipts:
                receipts[step[1]] = receipt(*step, receipts)
                journals[step[1]] = journal()
    pixels = generator.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    images = [{"index": 9 * i, "label": i % CLASSES, "data": png(image)} for i, image in enumerate(pixels)]
    pictures = {cell.probe: {"classes": [f"class {i}" for i in range(CLASSES)], "images": images} for cell in contents}
    predictions = {cell: generator.integers(0, CLASSES, len(images)).tolist() for cell in contents}
    return Evidence(receipts, journals, curves(contents, generator), pictures, predictions)


def steps_of(cell):
    """(stage, folder, folders read, outputs) of every step of a cell's chain."""
    dataset, encoder, seed, watermark, key, pruner, rate, probe = cell
    raw, trained = f"data/raw/{dataset}", f"data/encoders/{dataset}/{encoder}/{seed}"
    yield "fetch", raw, [], ["images.safetensors", "dataset.json"]
    yield "train", trained, [raw], ["encoder.safetensors", "training.json"]
    place = f"{dataset}/{encoder}/{seed}/{watermark}/{key}"
    if watermark in ("pixels", "untrained"):
        yield "control", f"data/scores/{place}/original/0/{probe}", [raw, trained], ["samples.npz", "scores.json"]
        return
    marked = f"data/marked/{place}"
    yield "watermark", marked, [raw, trained], ["encoder.safetensors", "secret.safetensors", "calibration.json"]
    reads = [raw, marked]
    if rate != "0":
        pruned = f"data/pruned/{place}/{pruner}/{rate}"
        yield "prune", pruned, [raw, trained, marked], ["mask.pmk", "sparsity.json"]
        reads += [pruned, f"data/scores/{place}/original/0/{probe}"]
    yield "evaluate", f"data/scores/{place}/{pruner}/{rate}/{probe}", reads, ["samples.npz", "scores.json"]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def receipt(stage, folder, reads, outputs, before):
    """A receipt and the SHA-256 of its file."""
    inputs = {name: sha for other in reads for name, sha in before[other][0].outputs.items()}
    inputs |= {f"{other}/receipt.json": before[other][1] for other in reads}
    inputs |= {} if reads else {"an archive.tar.gz": sha256("archive")}
    parameters = {"data": reads[:1], "out": folder, "threads": 1, "set": {"temperature": 0.15, "name": "it's"}}
    parameters |= {"marked": reads[1]} if len(reads) > 1 else {}
    return Receipt(
        schema=1,
        stage=stage,
        command=command_of(stage, parameters),
        parameters=parameters,
        seed=0 if stage == "train" else None,
        inputs=inputs,
        outputs={f"{folder}/{name}": sha256(f"{folder}/{name}") for name in outputs},
        code={f"src/prunemark/{name}.py": sha256(name) for name in (*map("module{}".format, range(30)), stage)},
    ), sha256(folder)


def journal():
    return Journal(
        schema=2, receipt="", commit="c0ffee" * 6 + "c0ff", code_differs_from_commit=False, host="here", cores=2,
        cpu="a processor", cpu_capability="AVX2", python="3.11.7", versions={"numpy": "2.0", "torch": "2.6"},
        started="2026-01-01T00:00:00+00:00", seconds=1.25, peak_memory_bytes=1, measured=Measured(),
    )  # fmt: skip


def curves(contents, generator):
    found = {}
    for cell, content in contents.items():
        robust = any(row["metric"] == "VerSR" for row in content.rows)
        positives, negatives = generator.normal(2, 1, 20), generator.normal(0, 1, 400)
        corners = roc(positives, negatives, np.ones(400, dtype=int))
        curve = {
            "scheme": cell.watermark,
            "head": "",
            "robust": robust,
            "corners": corners,
            "at": [3, 15],
            "area": round(area(corners), 6),
        }
        found[cell] = [curve] if cell.watermark == "uchida" else []
    return found


def png(image):
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG")
    return base64.b64encode(out.getvalue()).decode()


class Markup(HTMLParser):
    """Every attribute of every tag."""

    def __init__(self, text):
        super().__init__()
        self.attributes = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]


class Shown:
    """One number of a table: where it stands, what it says and where it comes from."""

    def __init__(self, place, text, detail, flag, title, source):
        self.place, self.text, self.detail, self.flag, self.title = place, text, detail, flag, title
        self.source, self.whole = source, text + (f" {flag}" if flag else "") + detail


class Reader:
    """The data of a page, unpacked by a reading of its format that shares nothing with the code that packs it."""

    def __init__(self, text):
        self.data = json.loads(
            re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
        )
        self.rows = list(self.unpacked())
        self.groups = {}
        for line, row in enumerate(self.rows, start=2):
            self.groups.setdefault(tuple(row[name] for name in results.GROUP), []).append((line, row))
        self.places = list(self.groups)

    def unpacked(self):
        packed = self.data["rows"]
        names, columns = packed["names"], packed["columns"]
        for path, template, counts, facts in packed["cells"]:
            remaining = iter(facts)
            for kind, number in zip(packed["templates"][template], counts, strict=True):
                row = {name: names[part] for name, part in zip(columns["cell"], path, strict=True)}
                row |= {name: names[part] for name, part in zip(columns["kind"], packed["kinds"][kind], strict=True)}
                values = packed["counted"][number]
                row |= dict(zip(columns["counted"], values if isinstance(values, list) else [values], strict=False))
                if names.index(row["metric"]) in packed["with_facts"]:
                    row |= dict(zip(columns["facts"], packed["facts"][next(remaining)], strict=True))
                yield row

    def summary(self, number):
        """What results.summarise says of a group."""
        rows = [row for _, row in self.groups[self.places[number]]]
        return results.summarise([{k: v for k, v in row.items() if v is not None} for row in rows])[0]

    def title(self, source):
        """``results.csv line 2, 9: accuracy frozen, cell ...`` and the like."""
        if "line" in source:
            entry = dict(
                zip(self.data["landmarks"]["columns"], self.data["landmarks"]["lines"][source["line"] - 2], strict=True)
            )
            place = "/".join(filter(None, Point.from_row(entry)))
            return f"landmarks.csv line {source['line']}: {entry['what']}, {place}; {source.get('note', '')}"
        if "lines" in source:
            return f"results.csv lines {source['lines']}"
        if "journals" in source:
            return f"journal of {source['journals']}"
        group = self.groups[self.places[source["groups"][0]]]
        cells = ({row[name] for _, row in group} for name in results.CELL)
        path = "/".join(only.pop() if len(only) == 1 else "*" for only in cells)
        first = group[0][1]
        what = " ".join(first[name] for name in ("metric", "head", "check") if first[name])
        lines = ", ".join(str(line) for line, _ in group)
        column = f", column {source['column']}" if "column" in source else ""
        return f"results.csv line {lines}: {what}, cell {path}{column}" + (
            " minus" if source.get("how") == "minus" else ""
        )

    def shown(self):
        for table in self.data["shelf"]["tables"]:
            for group, _, lines in table["groups"]:
                for name, rate, beyond, *numbers in lines:
                    for number, (column, _, form) in zip(numbers, table["columns"], strict=True):
                        if number:
                            yield self.number(number, form, beyond, (table["label"], group, name, rate, column))

    def number(self, number, form, beyond, place):
        if isinstance(number, list):
            text, at, detail, *flag = number
            source = {"groups": [at - 1]} if at > 0 else self.data["shelf"]["sources"][-at - 1]
            return Shown(place, text, detail, "".join(flag), self.title(source), source)
        from prunemark.page.shelf import written

        summary = self.summary(number - 1)
        moot = "moot" if beyond and summary.place["metric"] in ("VerSR", "AuthSR") else ""
        return Shown(
            place, *written(summary, form), moot, self.title({"groups": [number - 1]}), {"groups": [number - 1]}
        )


def csv_rows(rows):
    return list(csv.DictReader(results.to_csv(rows).splitlines()))
