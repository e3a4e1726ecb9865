"""Numbers of the report page: each with its k of n, its interval, and where it comes from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunemark.metrics.intervals import trials_needed, upper_bound
from prunemark.point import Point
from prunemark.results.scores import Row
from prunemark.results.table import Measure, Summary, beyond

SUCCESS = ("VerSR", "AuthSR")
INTERVALS = {"range": "range", "bootstrap": "bootstrap", "newcombe": "paired"}


@dataclass(frozen=True)
class Source:
    """Where a number comes from: groups of rows of results.csv (`prunemark.results.table.Measure`), of which the second
    is subtracted (``minus``) or divides (``share``) where ``how`` says so; or lines of results.csv; or a line of
    landmarks.csv; or what journals measured, by the parts of their folders after data/, where ``*`` stands for any.
    ``column``: of results.csv, where that is not ``value``; ``note``: what was done with it.
    """

    groups: tuple[Measure, ...] = ()
    column: str = "value"
    line: int = 0
    lines: tuple[int, ...] = ()
    journals: str = ""
    how: str = ""
    note: str = ""


@dataclass(frozen=True)
class Number:
    """One number of a table: its text, k of n and interval, and where it comes from."""

    text: str
    detail: str
    source: Source
    flag: str = ""


class Book:
    """Every summary and the table rows behind it, by point, check, head and metric."""

    def __init__(self, rows: list[Row], summaries: list[Summary], classes: dict[str, int], utility_drop: float) -> None:
        self.summaries = {summary.measure: summary for summary in summaries}
        self.rows: dict[Measure, list[tuple[int, Row]]] = defaultdict(list)
        for line, row in enumerate(rows, start=2):
            self.rows[Measure.of(row)].append((line, row))
        self.classes, self.utility_drop = classes, utility_drop

    def get(self, point: Point, metric: str, head: str = "", check: str = "") -> Summary | None:
        return self.summaries.get(Measure(point, check, head, metric))

    def success(self, point: Point, check: str) -> Summary | None:
        """How often ``check`` succeeded: VerSR if it is robust, AuthSR if fragile; of labels, the frozen head's."""
        found = (self.get(point, metric, head, check) for metric in SUCCESS for head in ("", "frozen"))
        return next((summary for summary in found if summary), None)

    def beyond(self, point: Point) -> bool:
        """Whether the refitted head lost more accuracy than the utility gate allows, against the same encoder's
        original; means over seeds."""
        before, now = self.get(point.original, "accuracy", "refit"), self.get(point, "accuracy", "refit")
        return before is not None and now is not None and beyond(before.value, now.value, self.utility_drop)

    def moot(self, point: Point, summary: Summary) -> bool:
        """Whether this is a verdict on a watermark in an encoder beyond the gate."""
        return summary.place["metric"] in SUCCESS and self.beyond(point)

    def source(self, summary: Summary, column: str = "value", note: str = "") -> Source:
        return Source((summary.measure,), column, note=note)

    def share(self, point: Point, metric: str, head: str = "", check: str = "") -> Number | None:
        summary = self.get(point, metric, head, check)
        return None if summary is None else self.percent(summary, point)

    def percent(self, summary: Summary, point: Point) -> Number:
        flag = "moot" if self.moot(point, summary) else ""
        return Number(f"{100 * summary.value:.1f}", counts(summary), self.source(summary), flag)

    def scheme(self, point: Point, check: str = "") -> Number | None:
        """The success of a check, or of the point's own watermark."""
        summary = self.success(point, check or point.watermark)
        return None if summary is None else self.percent(summary, point)

    def plain(self, point: Point, metric: str, form: str, head: str = "") -> Number | None:
        summary = self.get(point, metric, head)
        if summary is None:
            return None
        return Number(format(summary.value, form), ends(summary, form), self.source(summary))

    def change(self, point: Point, head: str) -> Number | None:
        """Points of accuracy that pruning gave (+) or took."""
        summary = self.get(point, "accuracy_change", head)
        return None if summary is None else Number(signed(summary.value), counts(summary), self.source(summary))

    def fact(self, point: Point, name: str, check: str) -> Number | None:
        """A scheme's threshold or statistic."""
        summary = self.success(point, check)
        if summary is None:
            return None
        return Number(f"{getattr(summary, name):.6g}", seeds(summary), self.source(summary, name))

    def false_positives(self, point: Point, nulls: int, check: str) -> Number | None:
        summary = self.success(point, check)
        if summary is None or summary.fpr is None or summary.fpr_upper is None:
            return None
        detail = f"{round(summary.fpr * nulls)} of {nulls}, at most {100 * summary.fpr_upper:.3g} %, {seeds(summary)}"
        return Number(f"{100 * summary.fpr:.1f}", detail, self.source(summary, "fpr"))

    def false_rejections(self, point: Point, check: str) -> Number | None:
        found = self.labelled(point, "AuthFRR", check) or self.labelled(point, "VerFRR", check)
        return None if found is None else self.percent(found, point)

    def bounded(self, point: Point, check: str) -> Number | None:
        """Wrong keys accepted, with the one-sided bound."""
        found = self.labelled(point, "wrong_key_rate", check)
        if found is None:
            return None
        k, n = found.k or 0, found.n or 0
        detail = f"{k:,} of {n:,}, at most {100 * upper_bound(k, n):.2g} %, {seeds(found)}"
        return Number(f"{100 * found.value:.3g}", detail, self.source(found))

    def claimed(self, point: Point, check: str) -> Number | None:
        """The false positive rate that a threshold's law promises; how many clean trials support it, where there are
        fewer."""
        found, tried = (self.labelled(point, metric, check) for metric in ("claimed_fpr", "wrong_key_rate"))
        if found is None:
            return None
        supported = tried is not None and upper_bound(tried.k or 0, tried.n or 1) <= found.value
        detail = "supported by wrong keys" if supported else f"needs {trials_needed(found.value):,} clean trials"
        return Number(f"{100 * found.value:.2g}", detail, self.source(found))

    def labelled(self, point: Point, metric: str, check: str) -> Summary | None:
        """A metric of a check; where it sees labels, through the frozen head."""
        return self.get(point, metric, "", check) or self.get(point, metric, "frozen", check)

    def accepted(self, point: Point, metric: str, check: str) -> Number | None:
        """Whether what a scheme should refuse, or may, was accepted: in words for one encoder, else a share."""
        summary = self.labelled(point, metric, check)
        if summary is None:
            return None
        text = {0.0: "no", 1.0: "yes"}.get(summary.value, f"{100 * summary.value:.0f} %")
        return Number(text, counts(summary) if summary.encoders > 1 else seeds(summary), self.source(summary))

    def p_value(self, point: Point, metric: str, head: str) -> Number | None:
        """One test per encoder; their p-values are neither averaged nor combined."""
        summary = self.get(point, metric, head)
        if summary is None:
            return None
        values = sorted(row["value"] for _, row in self.rows[summary.measure])
        text = f"{values[0]:.2g}" if len(values) == 1 else f"{values[0]:.2g} to {values[-1]:.2g}"
        tests = "" if len(values) == 1 else f"{len(values)} tests, "
        return Number(text, tests + plural(summary.seeds, "seed"), self.source(summary))

    def difference(self, point: Point, base: Point, head: str) -> Number | None:
        """Points of accuracy above (+) or below the trained, unmarked encoder."""
        ours, theirs = self.get(point, "accuracy", head), self.get(base, "accuracy", head)
        if ours is None or theirs is None or point == base:
            return None
        text = signed(ours.value - theirs.value)
        return Number(text, plural(ours.seeds, "seed"), Source((ours.measure, theirs.measure), how="minus"))


def counts(summary: Summary) -> str:
    """``k of n [low, high], 1 seed``, in percent, saying so where the interval is not Wilson's."""
    trials = "" if summary.k is None or summary.n is None else f"{summary.k:,} of {summary.n:,}"
    ends = ""
    if summary.low is not None and summary.high is not None:
        ends = f"[{100 * summary.low:.1f}, {100 * summary.high:.1f}]".replace("-", "\u2212")
    return ", ".join(part for part in (f"{trials} {ends}".strip(), seeds(summary)) if part)


def ends(summary: Summary, form: str) -> str:
    """``[low, high], 2 seeds`` of a number that is no share."""
    interval = "" if summary.low is None else f"[{summary.low:{form}}, {summary.high:{form}}], "
    return interval + seeds(summary)


def seeds(summary: Summary) -> str:
    """Over how many trained encoders a number goes, and of what kind its interval is; marked copies under several keys
    are named where they are more."""
    copies = plural(summary.encoders, "copy", "copies") if summary.encoders > summary.seeds else ""
    kind = INTERVALS.get(summary.interval, "")
    return ", ".join(part for part in (plural(summary.seeds, "seed"), copies, kind) if part)


def signed(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def plural(n: int, noun: str, nouns: str = "") -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {nouns or noun + 's'}"


def false_positives(summary: Summary, nulls: int) -> str:
    if summary.fpr is None or summary.fpr_upper is None:
        return "false positive rate not measured"
    found = f"false positives {round(summary.fpr * nulls)} of {plural(nulls, 'null encoder')}"
    return f"{found}, so at most {100 * summary.fpr_upper:.3g} % (one-sided 95 %)"
