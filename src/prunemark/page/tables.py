"""Tables of the report page, one `Panel` per encoder and dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from prunemark import registry
from prunemark.formats.conditions import Conditions
from prunemark.page.numbers import Book, Number, Source, counts, false_positives, plural
from prunemark.point import Point
from prunemark.results.table import Summary, pruners

HEADS = {"frozen": "frozen head", "refit": "refitted head", "knn": "kNN"}
CONTROLS = {"pixels": "raw pixels", "untrained": "untrained initialisation"}
WHOLE = ",.0f"
TRIED = {
    "twin_accepted": "encoder before marking",
    "bfloat16_accepted": "intact, answering in bfloat16",
    "forger_accepted": "forged key on an unmarked encoder",
}


@dataclass(frozen=True)
class Line:
    """A table row: what it is about, and its numbers (``None``: does not apply)."""

    name: str
    rate: str
    numbers: list[Number | None]
    beyond: bool = False


@dataclass(frozen=True)
class Group:
    name: str
    notes: list[Number]
    lines: list[Line]


@dataclass(frozen=True)
class Column:
    """``form``: how its numbers are written, where that follows from their value: ``%`` of a share with k of n, ``+``
    of a difference in points, else ``.2f`` or the like, which the page's script knows."""

    title: str
    unit: str
    number: Callable[[Point], Number | None]
    form: str = "%"


class Panel:
    """All of one encoder on one dataset: its tables and its figures, in the order of params.yaml."""

    def __init__(self, book: Book, place: Point, asked: dict[str, Any], conditions: Conditions, number: int) -> None:
        self.book, self.asked, self.conditions, self.number = book, asked, conditions, number
        self.place, self.dataset, self.encoder, self.probe = place, place.dataset, place.encoder, place.probe
        self.title = f"{self.dataset} / {self.encoder}" + ("" if self.probe == self.dataset else f" on {self.probe}")
        self.watermarks = list(asked["watermarks"])
        self.pruners = list(pruners(asked))
        order = ["original", *self.pruners, *asked["alterations"]]
        here = dict.fromkeys(measure.point for measure in book.summaries if panel_of(measure.point) == place)
        self.controls = [self.origin(name) for name in CONTROLS if self.origin(name) in here]
        marked = [point for point in here if point.watermark in self.watermarks]
        self.points = sorted(
            marked, key=lambda p: (self.watermarks.index(p.watermark), order.index(p.pruner), float(p.rate))
        )
        self.rates = sorted({p.rate for p in marked if p.is_original or p.pruner in self.pruners}, key=float)
        self.checks = [name for name in asked["checks"] if any(book.success(point, name) for point in marked)]
        self.marks = [
            name for name in self.watermarks if any(book.success(p, name) for p in marked if p.watermark == name)
        ]

    def origin(self, watermark: str) -> Point:
        return self.place._replace(watermark=watermark).original

    @property
    def base(self) -> Point:
        """The trained encoder without a watermark, or with the first one where none is unmarked."""
        plain = [name for name in self.watermarks if method(self.asked, name) == "none"]
        return self.origin((plain or self.watermarks)[0])

    @property
    def trials(self) -> list[tuple[str, Summary]]:
        """Every scheme on every marked encoder before pruning."""
        pairs = [(name, scheme) for name in self.watermarks for scheme in (name, *self.checks)]
        found = [(scheme, self.book.success(self.origin(name), scheme)) for name, scheme in pairs]
        return [(scheme, summary) for scheme, summary in found if summary]

    def scheme_title(self, name: str) -> str:
        found = (self.book.success(point, name) for point in self.points)
        return f"{name} {next(summary.place['metric'] for summary in found if summary)}"

    def notes(self, watermark: str) -> list[Number]:
        """What stands beside every success rate: trials with both n's, the frozen threshold, false positives."""
        notes = []
        for name in (watermark, *self.checks):
            summary = self.book.success(self.origin(watermark), name)
            if summary:
                trials = f"{plural(summary.n or 0, 'key')} in {plural(summary.seeds, 'encoder')}"
                if not keyed(self.asked, name):
                    trials = f"deterministic, {plural(summary.n or 0, 'trial')} in {plural(summary.seeds, 'encoder')}"
                frozen = f"{name} {summary.place['metric']}: {trials}; threshold {summary.threshold:.6g}"
                found = false_positives(summary, len(self.asked["null_seeds"]))
                notes.append(Number(f"{frozen}; {found}", "", self.book.source(summary, "threshold")))
        return notes

    def groups(self, columns: list[Column], keep: Callable[[Point], bool], notes: bool = False) -> list[Group]:
        found = []
        for name in self.watermarks:
            points = [point for point in self.points if point.watermark == name and keep(point)]
            lines = [self.line(point, columns) for point in points]
            found += [Group(name, self.notes(name) if notes else [], lines)] if lines else []
        return found

    def line(self, point: Point, columns: list[Column]) -> Line:
        numbers = [column.number(point) for column in columns]
        return Line(point.pruner, point.rate, numbers, self.book.beyond(point))

    def main(self) -> dict[str, Any]:
        book = self.book
        columns = [Column("sparsity achieved", "% of weights", partial(book.share, metric="sparsity"))]
        columns += [
            Column(f"accuracy, {name}", "% of images", partial(book.share, metric="accuracy", head=head))
            for head, name in HEADS.items()
        ]
        columns.append(Column("agreement", "% of images", partial(book.share, metric="agreement", head="frozen")))
        if self.marks:
            columns.append(Column("own mark", "VerSR or AuthSR, % of trials", book.scheme))
            columns.append(Column("its statistic", "mean over keys", self.own_statistic))
            if any(self.own_refitted(point) for point in self.points):
                columns.append(Column("own mark, refitted head", "VerSR, % of trials", self.own_refitted))
        columns += [Column(self.scheme_title(c), "% of trials", partial(book.scheme, check=c)) for c in self.checks]
        return {"columns": columns, "groups": self.groups(columns, lambda point: True, notes=True)}

    def own_statistic(self, point: Point) -> Number | None:
        return self.book.fact(point, "statistic", point.watermark)

    def own_refitted(self, point: Point) -> Number | None:
        """The success of the point's own mark where its labels are seen through a head fitted after pruning."""
        return self.book.share(point, "VerSR", "refit", point.watermark)

    def before(self) -> dict[str, Any]:
        """The controls and every marked encoder before pruning, held against the trained, unmarked one."""
        book, base = self.book, self.base
        columns = []
        for head in ("refit", "knn"):
            columns.append(Column(HEADS[head], "% of images", partial(book.share, metric="accuracy", head=head)))
            columns.append(Column("difference", "points", partial(book.difference, base=base, head=head)))
        lines = []
        for point in (*self.controls, *(point for point in self.points if point.is_original)):
            name = CONTROLS.get(point.watermark, f"trained, watermark {point.watermark}")
            lines.append(Line(name, "", [column.number(point) for column in columns]))
        return {"columns": columns, "groups": [Group("", [], lines)], "words": self.gains()}

    def errors(self) -> dict[str, Any]:
        """What was fixed before pruning, scheme by scheme: thresholds, and how often each errs."""
        groups = []
        for watermark in self.watermarks:
            point = self.origin(watermark)
            used = [scheme for scheme in (watermark, *self.checks) if self.book.success(point, scheme)]
            lines = [Line(scheme, "", [c.number(point) for c in self.error_columns(scheme)]) for scheme in used]
            groups += [Group(watermark, [], lines)] if lines else []
        return {"columns": self.error_columns(""), "groups": groups}

    def error_columns(self, scheme: str) -> list[Column]:
        book, nulls = self.book, len(self.asked["null_seeds"])
        return [
            Column("frozen threshold", "mean over keys", partial(book.fact, name="threshold", check=scheme)),
            Column("statistic of the original", "mean over keys", partial(book.fact, name="statistic", check=scheme)),
            Column("false positives", "% of null encoders", partial(book.false_positives, nulls=nulls, check=scheme)),
            Column("wrong keys accepted", "% of wrong keys", partial(book.bounded, check=scheme)),
            Column("claimed false positives", "%, by law", partial(book.claimed, check=scheme)),
            Column("intact copies rejected", "% of benign copies", partial(book.false_rejections, check=scheme)),
            *(Column(title, "accepted?", partial(book.accepted, metric=m, check=scheme)) for m, title in TRIED.items()),
            Column("cost", "s per mark or key", partial(self.cost, scheme=scheme)),
        ]

    def cost(self, point: Point, scheme: str) -> Number | None:
        """What embedding the mark, or registering one key of the check, took, as the journals have it."""
        part = "" if scheme == point.watermark else f"/checks/{scheme}"
        seconds = self.conditions.scheme_seconds.get(f"{self.dataset}/{self.encoder}/{point.watermark}{part}")
        journals = f"marked/{self.dataset}/{self.encoder}/*/{point.watermark}/*{part}"
        return (
            None
            if seconds is None
            else Number(f"{seconds:.1f}", "", Source(journals=journals, note="mean of measured.scheme_seconds"))
        )

    def detection(self) -> dict[str, Any]:
        """The weakest alteration from which on every trial of a fragile scheme noticed, per pruner or alteration."""
        ways = list(dict.fromkeys(point.pruner for point in self.points if not point.is_original))
        columns = [Column(way, "weakest noticed", lambda point: None) for way in ways]
        groups = []
        for watermark in self.watermarks:
            lines = []
            for scheme in (watermark, *self.checks):
                found = self.book.success(self.origin(watermark), scheme)
                if found and found.place["metric"] == "AuthSR":
                    lines.append(Line(scheme, "", [self.noticed(watermark, scheme, way) for way in ways]))
            groups += [Group(watermark, [], lines)] if lines else []
        return {"columns": columns, "groups": groups}

    def noticed(self, watermark: str, scheme: str, way: str) -> Number | None:
        """The weakest strength from which on all trials answered "altered", and the share at the weakest tried."""
        points = [point for point in self.points if point.watermark == watermark and point.pruner == way]
        if falling(self.asked, way):
            points.reverse()
        pairs = [(p.rate, summary) for p in points if (summary := self.book.labelled(p, "TamperDR", scheme))]
        if not pairs:
            return None
        strengths, summaries = zip(*pairs, strict=True)
        missed = [i for i, summary in enumerate(summaries) if summary.value < 1]
        first = missed[-1] + 1 if missed else 0
        text = strengths[first] if first < len(pairs) else "none"
        detail = f"at {strengths[0]}: {counts(summaries[0])}"
        source = Source(tuple(summary.measure for summary in summaries), note="the weakest from which on all are 1")
        return Number(text, detail, source)

    def gains(self) -> list[Number]:
        """The trained encoder against each control, head by head, in words."""
        said = []
        for point in self.controls:
            for head in ("refit", "knn"):
                found = self.book.difference(self.base, point, head)
                if found:
                    points, side = found.text[1:], "above" if found.text.startswith("+") else "below"
                    words = f"{points} points {side} {CONTROLS[point.watermark]} ({HEADS[head]})"
                    said.append(Number(words, "", found.source))
        return said


def panel_of(point: Point) -> Point:
    """What all points of a panel share."""
    return Point(point.dataset, point.encoder, probe=point.probe)


def method(asked: dict[str, Any], scheme: str) -> str:
    """The method of a watermark or check."""
    name: str = asked[axis(asked, scheme)][scheme].get("method") or scheme
    return name


def axis(asked: dict[str, Any], scheme: str) -> str:
    return "checks" if scheme in asked["checks"] else "watermarks"


def falling(asked: dict[str, Any], way: str) -> bool:
    """Whether larger strengths of an alteration change less; a pruner's rates never do."""
    entry = asked["alterations"].get(way)
    return entry is not None and bool(registry.constants("alterations", entry.get("method") or way)["FALLING"])


def keyed(asked: dict[str, Any], scheme: str) -> bool:
    """Whether keys make distinct trials of a watermark or check."""
    return bool(registry.constants(axis(asked, scheme), method(asked, scheme))["KEYED"])
