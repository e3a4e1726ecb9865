"""What receipts, journals, params.yaml and the report's table state of a run, as sentences with the file they are from.

Nothing is said that a file does not hold; what a file would hold that is not there gives no sentence.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from prunemark.evidence.run import Run
from prunemark.formats.receipt import Receipt
from prunemark.results.table import BOOTSTRAP_SEEDS

RESULTS = "data/report/results.csv"
JOURNALS = "data/journal/**"
RECEIPTS = "data/**/receipt.json"
PARAMS = "params.yaml"
UNTIL_MARKED = ("fetch", "train", "watermark", "check")


@dataclass(frozen=True)
class Fact:
    """A sentence and the file, or the pattern of files, that it is taken from."""

    text: str
    source: str


class Facts:
    """The parts of a run that sentences are made of."""

    def __init__(self, run: Run) -> None:
        self.run, self.params = run, run.params
        self.entries = list(run.journals.values())
        text = run.carried.get(RESULTS, b"").decode()
        self.rows = list(csv.DictReader(io.StringIO(text)))

    def of_stage(self, *stages: str) -> dict[str, Receipt]:
        return {folder: receipt for folder, receipt in self.run.receipts.items() if receipt.stage in stages}

    def datasets(self) -> dict[str, dict[str, Any]]:
        """dataset.json by its path, where it is there."""
        names = [f"{folder}/dataset.json" for folder in self.of_stage("fetch")]
        return {name: json.loads(self.run.carried[name]) for name in names if name in self.run.carried}

    def distinct(self, name: str) -> list[str]:
        return sorted({str(value) for entry in self.entries if (value := getattr(entry, name)) not in ("", None)})


def listed(values: Any) -> str:
    return ", ".join(map(str, values)) or "none"


def settings(values: dict[str, Any]) -> str:
    return listed(f"{name} {value}" for name, value in values.items() if value not in ("", None, {}))


def sources(facts: Facts) -> list[Fact]:
    found = []
    for folder, receipt in facts.of_stage("fetch").items():
        pins = listed(f"{name} (sha256 {digest})" for name, digest in receipt.inputs.items())
        found.append(Fact(f"`{receipt.parameters['dataset']}` is made of {pins}.", f"{folder}/receipt.json"))
    return found


def credits(facts: Facts) -> list[Fact]:
    return [Fact(f"`{d['name']}`: {d['credit']}.", name) for name, d in facts.datasets().items()]


def licences(facts: Facts) -> list[Fact]:
    return [Fact(f"`{d['name']}`: {d['licence']}.", name) for name, d in facts.datasets().items()]


def splits(facts: Facts) -> list[Fact]:
    found = []
    for name, d in facts.datasets().items():
        counts = listed(f"{split} {count:,}" for split, count in d["counts"].items())
        pins = listed(f"{split} {digest[:12]}" for split, digest in d["splits_sha256"].items())
        found.append(Fact(f"`{d['name']}`, images: {counts}; sha256 of the index of each: {pins}.", name))
    if not found:
        for dataset, entry in facts.params.datasets.items():
            text = f"`{dataset}`: {entry.heldout} training images held out, {entry.keypool} for keys."
            found.append(Fact(text, PARAMS))
    return found


def classes(facts: Facts) -> list[Fact]:
    return [
        Fact(f"`{d['name']}`: one of {len(d['classes'])} classes ({listed(d['classes'])}).", name)
        for name, d in facts.datasets().items()
    ]


def preprocessing(facts: Facts) -> list[Fact]:
    found = []
    for name, d in facts.datasets().items():
        sizes = f"{d['image_size']} x {d['image_size']} pixels"
        found.append(
            Fact(f"`{d['name']}`: {sizes}; per channel mean {d['mean']}, standard deviation {d['std']}.", name)
        )
        found.append(Fact(f"`{d['name']}` was fetched with: {settings(d['settings'])}.", name))
    return found


def encoders(facts: Facts) -> list[Fact]:
    found = []
    for name, entry in facts.params.encoders.items():
        given = entry.model_dump(mode="json")
        own = settings(given.pop("set"))
        found.append(Fact(f"`{name}`: {settings(given)}; {own}.", PARAMS))
    return found


def grid_asked(facts: Facts) -> list[Fact]:
    params = facts.params
    pruners = listed(f"{name} ({listed(params.rates_of(name))})" for name in params.every_pruner)
    checks = listed(f"{name} ({entry.keys})" for name, entry in params.checks.items())
    return [
        Fact(f"Watermarks: {listed(params.watermarks)}; keys of each: {params.keys}. Checks (keys): {checks}.", PARAMS),
        Fact(f"Pruners (rates): {pruners}. Alterations: {listed(params.alterations)}.", PARAMS),
    ]


def seeds(facts: Facts) -> list[Fact]:
    params = facts.params
    text = f"Seeds of encoders: {listed(params.seeds)} (n = {len(params.seeds)})"
    return [Fact(f"{text}; of independent null encoders: {listed(params.null_seeds)}.", PARAMS)]


def heads(facts: Facts) -> list[Fact]:
    scored = facts.of_stage("evaluate")
    counts = sorted({str(receipt.parameters["head-images"]) for receipt in scored.values()}, key=int)
    code = "src/prunemark/stages/split_data.py"
    return [
        Fact(f"{len(scored)} encoders were scored, heads and kNN banks on {listed(counts)} images.", RECEIPTS),
        Fact("These images are the first of the train split; accuracy is that of the test split.", code),
    ]


def before_pruning(facts: Facts) -> list[Fact]:
    """What fixes thresholds, heads and keys reads nothing pruned and no score."""
    early = facts.of_stage(*UNTIL_MARKED)
    late = [path for r in early.values() for path in r.inputs if path.startswith(("data/pruned/", "data/scores/"))]
    read = f"the {len(early)} receipts of {listed(UNTIL_MARKED)}"
    if late:
        return [Fact(f"{len(late)} inputs of {read} are pruned encoders or scores.", RECEIPTS)]
    text = f"No input of {read} is a pruned encoder or a score: thresholds and frozen heads were fixed before pruning."
    return [Fact(text, RECEIPTS)]


def metrics(facts: Facts) -> list[Fact]:
    found: dict[str, set[str]] = {}
    for row in facts.rows:
        found.setdefault(row["metric"], set()).add(row["unit"])
    text = listed(f"{name} ({' / '.join(sorted(units))})" for name, units in sorted(found.items()))
    return [Fact(f"{len(facts.rows):,} numbers; metrics and their units: {text}.", RESULTS)] if found else []


def intervals(facts: Facts) -> list[Fact]:
    sizes: dict[str, list[int]] = {}
    for row in facts.rows:
        if row["ci_low"]:
            sizes.setdefault(row["unit"], []).append(int(row["n"] or 0))
    if not sizes:
        return []
    ns = {
        unit: f"n = {min(found)}" + (f" to {max(found)}" if len(set(found)) > 1 else "")
        for unit, found in sizes.items()
    }
    text = "; ".join(f"{len(sizes[unit]):,} over {unit} ({ns[unit]})" for unit in sorted(sizes))
    count, spread = (
        len(facts.params.seeds),
        "bootstrap, 95 %" if len(facts.params.seeds) >= BOOTSTRAP_SEEDS else "range",
    )
    return [
        Fact(f"95 % intervals: {text}.", RESULTS),
        Fact(
            "Those of shares are Wilson's, those of paired differences Newcombe's.", "src/prunemark/results/scores.py"
        ),
        Fact(f"Over {count} seeds: {spread if count > 1 else 'no spread'}.", "src/prunemark/results/table.py"),
    ]


def tests(facts: Facts) -> list[Fact]:
    raw = sum(row["metric"] == "mcnemar_p" for row in facts.rows)
    adjusted = sum(row["metric"] == "mcnemar_p_holm" for row in facts.rows)
    text = f"{raw:,} exact McNemar tests, original against pruned on the same images; {adjusted:,} adjusted by Holm."
    return [Fact(text, RESULTS)] if raw else []


def receipts(facts: Facts) -> list[Fact]:
    text = "each with its command, parameters, and the SHA-256 of its inputs, outputs and code"
    return [Fact(f"{len(facts.run.receipts)} stage runs left a receipt, {text}.", RECEIPTS)]


def commits(facts: Facts) -> list[Fact]:
    if not facts.run.commits:
        return []
    differs = sum(bool(entry.code_differs_from_commit) for entry in facts.entries)
    text = f"Commit {listed(facts.run.commits)}; in {differs} of {len(facts.entries)} stage runs code differed from it."
    return [Fact(text, JOURNALS)]


def versions(facts: Facts) -> list[Fact]:
    packages = sorted({f"{name} {version}" for entry in facts.entries for name, version in entry.versions.items()})
    if not facts.entries:
        return []
    text = f"Python {listed(facts.distinct('python'))}; {listed(packages)}."
    return [Fact(text, JOURNALS), Fact("The pinned version of every package.", "constraints.txt")]


def hardware(facts: Facts) -> list[Fact]:
    if not facts.entries:
        return []
    trained = sorted({entry.measured.training for entry in facts.entries if entry.measured.training})
    peak = max(entry.peak_memory_bytes for entry in facts.entries)
    text = f"Processor: {listed(facts.distinct('cpu'))} ({listed(facts.distinct('cpu_capability'))}), cores: "
    text += f"{listed(facts.distinct('cores'))}, hosts: {len(facts.distinct('host'))}; training on {listed(trained)}; "
    return [Fact(f"{text}largest memory of a stage run: {peak / 2**20:,.0f} MiB.", JOURNALS)]


def compute(facts: Facts) -> list[Fact]:
    total: dict[str, float] = {}
    for folder, entry in facts.run.journals.items():
        stage = facts.run.receipts[folder].stage
        total[stage] = total.get(stage, 0) + entry.seconds
    if not total:
        return []
    by_stage = listed(f"{stage} {seconds:,.1f}" for stage, seconds in total.items())
    text = f"{sum(total.values()):,.1f} seconds over {len(facts.entries)} stage runs ({by_stage})"
    return [Fact(f"{text}; PyTorch threads of each: {facts.params.threads}.", JOURNALS)]


def controls(facts: Facts) -> list[Fact]:
    marks = sorted({row["watermark"] for row in facts.rows})
    names = [name for name in ("untrained", "pixels", "none") if name in marks]
    names += [name for name, entry in facts.params.every_pruner.items() if entry.method == "random"]
    return [Fact(f"Controls in the same table: {listed(names)}.", RESULTS)] if facts.rows else []


def downstream(facts: Facts) -> list[Fact]:
    probes = listed(facts.params.downstream)
    return [Fact(f"Trained on {listed(facts.params.pretrained)}; probed on other datasets: {probes}.", PARAMS)]
