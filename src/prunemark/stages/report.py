"""Make the results table, the summary and the page from scores and journals; no weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunemark import registry
from prunemark.claims.file import read_claims
from prunemark.claims.schema import Claim
from prunemark.claims.verdicts import judge
from prunemark.disk.files import canonical_json, write_bytes
from prunemark.disk.tensors import read_arrays
from prunemark.formats.conditions import SCHEMA, Conditions, Timed
from prunemark.formats.journal import Journal, Measured, journal_path
from prunemark.formats.receipt import RECEIPT
from prunemark.formats.scores import Scores
from prunemark.formats.written import Number, read
from prunemark.page import render as page
from prunemark.point import Point
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import ReportRequest
from prunemark.results import landmarks
from prunemark.results import table as results
from prunemark.results.table import Summary
from prunemark.stages.page_supplement import evidence, inputs

FIRST = ("accuracy_frozen", "accuracy_refit", "agreement_frozen")


def report(
    request: ReportRequest, scores: list[Path], others: list[Path], earlier: list[Path], asked: dict[str, Any]
) -> None:
    """Report on the scores folders ``scores``, in the order given. ``others``: folders without scores, such as
    those of latencies, that it stands on too.

    ``earlier`` are all folders of the stages before, whose journals give the conditions; ``asked`` is the content of
    params.yaml.
    """
    recorder, claims = Recorder("report", request.out, request.parameters()), request.claims
    for folder in scores:
        recorder.reads(folder / RECEIPT, folder / "scores.json")
    recorder.reads(*(folder / RECEIPT for folder in others))
    recorder.reads(*inputs([*scores, *others], scores))
    recorder.reads(*journals(earlier), claims)
    files = compose(scores, asked, read_claims(claims, asked), conditions(earlier))
    for name, content in files.items():
        write_bytes(request.out / name, content.encode())
    recorder.wrote(*files)
    described = tuple((kind, method) for _, kind, method in registry.named_in(asked))
    recorder.measured = Measured(docstrings=registry.docstrings(described))
    recorder.finish()


def compose(scores: list[Path], asked: dict[str, Any], claims: dict[str, Claim], stated: Conditions) -> dict[str, str]:
    """Every file of the report by name: a pure function of the scores folders and what they were made from, params,
    claims and conditions, so that the audit can make them again and compare.
    """
    contents = {Point.from_path(folder): read(folder / "scores.json", Scores) for folder in scores}
    rows = results.table((point, content.rows) for point, content in contents.items())
    summaries = results.summarise(rows)
    behind = evidence([*scores, *timed_folders(stated)], {Point.from_path(folder): folder for folder in scores})
    found_landmarks = landmarks.landmarks(rows, summaries, asked)
    judged = judge(claims, rows, asked)
    return {
        "results.csv": results.to_csv(rows),
        "landmarks.csv": landmarks.to_csv(found_landmarks),
        "claims.json": canonical_json(judged),
        "metrics.json": canonical_json(results.metrics(summaries)),
        "conditions.json": canonical_json(stated.content()),
        "plots/curves.csv": curves(summaries, asked),
        "plots/confusion.csv": confusion(scores, asked),
        "report.html": page.render(rows, summaries, found_landmarks, contents, asked, stated, judged, behind),
    }


def timed_folders(stated: Conditions) -> list[Path]:
    """The folders whose latencies the conditions hold."""
    places = (place.split("/") for place in stated.latency)
    return [Path(Point(dataset, encoder, pruner=pruner).folder) for dataset, encoder, pruner in places]


def journals(folders: list[Path]) -> list[Path]:
    return [path for path in map(journal_path, folders) if path.is_file()]


def conditions(folders: list[Path]) -> Conditions:
    """Where and with what the numbers were made, as the journals of all earlier stage runs state it."""
    entries = [read(path, Journal) for path in journals(folders)]

    def distinct(name: str) -> list[str]:
        return sorted({str(getattr(entry, name)) for entry in entries})

    packages = sorted({(name, version) for entry in entries for name, version in entry.versions.items()})
    return Conditions(
        schema=SCHEMA,
        runs=len(entries),
        cpu=distinct("cpu"),
        cpu_capability=distinct("cpu_capability"),
        cores=distinct("cores"),
        training=sorted({f"on {entry.measured.training}" for entry in entries if entry.measured.training}),
        python=distinct("python"),
        versions=[f"{name} {version}" for name, version in packages],
        commits=distinct("commit"),
        code_differs_from_commit=any(entry.code_differs_from_commit for entry in entries),
        seconds=round(sum(entry.seconds for entry in entries), 1),
        seconds_by_stage=seconds_by_stage(entries),
        scheme_seconds=scheme_seconds(entries),
        latency=latency(entries),
        peak_memory_bytes=max((entry.peak_memory_bytes for entry in entries), default=0),
        first_started=min((entry.started for entry in entries), default=None),
    )


def seconds_by_stage(entries: list[Journal]) -> dict[str, Number]:
    """Processor-bound wall time of all runs of a stage, in seconds, by the name of its folder."""
    total: dict[str, Number] = {}
    for entry in entries:
        _, stage, *_ = entry.receipt.split("/")
        total[stage] = total.get(stage, 0) + entry.seconds
    return {stage: round(seconds, 1) for stage, seconds in sorted(total.items())}


def scheme_seconds(entries: list[Journal]) -> dict[str, Number]:
    """Seconds that embedding a watermark, or registering one key of a check, took: the mean over seeds and keys, by
    dataset/encoder/watermark or dataset/encoder/watermark/checks/check."""
    taken: dict[str, list[Number]] = {}
    for entry in entries:
        if entry.measured.scheme_seconds is not None:
            folder = Path(entry.receipt).parent
            point = Point.from_path(folder)
            check = folder.relative_to(point.folder)
            place = Path(point.dataset, point.encoder, point.watermark, check).as_posix()
            taken.setdefault(place, []).append(entry.measured.scheme_seconds)
    return {place: round(sum(values) / len(values), 2) for place, values in sorted(taken.items())}


def latency(entries: list[Journal]) -> dict[str, Timed]:
    """What `prunemark.stages.latency` measured, by dataset/encoder/pruner, with the processor it ran on."""
    timed = {}
    for entry in entries:
        if entry.measured.latency is not None and entry.measured.threads is not None:
            point = Point.from_path(Path(entry.receipt))
            facts = Timed(cpu=entry.cpu, host=entry.host, threads=entry.measured.threads, cells=entry.measured.latency)
            timed[f"{point.dataset}/{point.encoder}/{point.pruner}"] = facts
    return dict(sorted(timed.items()))


def curves(summaries: list[Summary], asked: dict[str, Any]) -> str:
    """For ``dvc plots``: accuracy and agreement against rate, for the first of every other axis."""
    first = {"watermark": next(iter(asked["watermarks"])), "encoder": next(iter(asked["encoders"]))}
    pruner = next(iter(results.pruners(asked)))
    points: dict[str, dict[str, Any]] = {}
    for point in summaries:
        at = point.place
        name = f"{at['metric']}_{at['head']}"
        if all(at[k] == v for k, v in first.items()) and at["pruner"] in (pruner, "original") and name in FIRST:
            points.setdefault(at["rate"], {})[name] = point.value
    rates = sorted(points, key=float)
    lines = [",".join((rate, *(str(points[rate].get(name, 1.0)) for name in FIRST))) for rate in rates]
    lines.insert(0, ",".join(("rate", *FIRST)))
    return "\n".join(lines) + "\n"


def confusion(scores: list[Path], asked: dict[str, Any]) -> str:
    """For ``dvc plots``: the original's and the pruned encoder's prediction per test image, at the middle cell."""
    pruner, watermark = next(iter(results.pruners(asked))), next(iter(asked["watermarks"]))
    points = map(Point.from_path, scores)
    fitting = [point for point in points if (point.watermark, point.pruner) == (watermark, pruner)]
    lines = ["original,pruned"]
    if fitting:
        chosen = fitting[len(fitting) // 2]
        folders = [Path(point.folder) for point in (chosen.original, chosen)]
        pairs = [read_arrays(folder / "samples.npz")["predicted_frozen"] for folder in folders]
        lines += [f"{before},{now}" for before, now in zip(*pairs, strict=True)]
    return "\n".join(lines) + "\n"
