"""REPRODUCIBILITY.md: the factual items of two checklists, answered from a run's own files or left open.

NeurIPS Paper Checklist (neurips.cc/public/guides/PaperChecklist) and REFORMS (Kapoor et al. 2024, Science Advances
10(18), reforms.cs.princeton.edu), by their items' numbers; the wording of what they ask is ours. An item that facts can
answer in part says what is left to the authors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunemark.evidence import facts as made
from prunemark.evidence.facts import Fact, Facts
from prunemark.evidence.run import Run

OPEN = "open: for the authors"


@dataclass(frozen=True)
class Item:
    """``left``: what no file of a run can say; the whole item where there are no ``sources`` of facts."""

    number: str
    asks: str
    sources: tuple[Callable[[Facts], list[Fact]], ...] = ()
    left: str = ""


NEURIPS = (
    Item("4", "Experimental result reproducibility", (made.receipts, made.commits, made.seeds)),
    Item("5", "Open access to data and code", (made.sources,), "where data and code can be had"),
    Item(
        "6",
        "Experimental setting/details",
        (made.splits, made.encoders, made.grid_asked, made.heads),
        "how the settings were chosen",
    ),
    Item("7", "Experiment statistical significance", (made.seeds, made.intervals, made.tests)),
    Item(
        "8",
        "Experiments compute resources",
        (made.hardware, made.compute),
        "the compute of runs that failed or are not reported",
    ),
    Item("12", "Licenses for existing assets", (made.licences, made.credits), "licences of all other assets"),
    Item("1-3, 9-11, 13-16", "claims, limitations, theory, ethics, impact, safeguards, new assets, people, LLM use"),
)
REFORMS = (
    Item("1a-1c", "population of the claim, why it, why machine learning"),
    Item("2a", "dataset, identified", (made.sources, made.credits), "a permanent link"),
    Item("2b", "code, identified", (made.commits, made.receipts), "a permanent link"),
    Item("2c", "computing infrastructure", (made.hardware, made.versions, made.compute), "the operating system"),
    Item("2d, 2e", "instructions and a script for all results", (made.receipts,), "instructions in the paper"),
    Item("3a", "sources of data", (made.sources, made.credits), "when and by whom it was collected and labelled"),
    Item("3b, 3c, 3g", "sampling frame, why this data, whether it represents the population"),
    Item("3d", "outcome variable", (made.classes,), "its distribution"),
    Item("3e", "number of samples", (made.splits,)),
    Item("3f", "missing data"),
    Item("4a", "samples left out", (made.splits, made.preprocessing), "why they were"),
    Item("4b", "corrupt samples"),
    Item("4c", "transformations of the data", (made.preprocessing,), "augmentations, which the objective's code makes"),
    Item("5a", "models", (made.encoders, made.grid_asked)),
    Item("5b", "why these models"),
    Item("5c", "evaluation and splits", (made.splits, made.heads)),
    Item("5d, 5e", "choice of models and of hyperparameters", (made.seeds, made.encoders), "how they were chosen"),
    Item("5f", "baselines", (made.controls,), "whether they are the right ones"),
    Item("6a", "training and test data apart", (made.splits, made.heads, made.before_pruning)),
    Item("6b, 6c", "duplicates over the splits, legitimate inputs"),
    Item("7a", "metrics", (made.metrics,), "why these"),
    Item("7b", "uncertainty", (made.seeds, made.intervals)),
    Item("7c", "statistical tests", (made.tests,), "whether their assumptions hold"),
    Item("8a", "evidence beyond this data", (made.downstream,), "what it says of other data"),
    Item("8b", "where the findings are not expected to hold"),
)
HEAD = """\
# Reproducibility

Answered by `prunemark checklist` from the files of a finished run; every answer names the file that it is taken from.
What those files cannot say is left open.
"""


def checklist(run: Run) -> str:
    """The whole page, in Markdown; equal runs give equal pages."""
    facts = Facts(run)
    parts = [HEAD]
    for title, items in (("NeurIPS Paper Checklist", NEURIPS), ("REFORMS", REFORMS)):
        parts.append(f"## {title}\n")
        parts += [answered(item, facts) for item in items]
    return "\n".join(parts)


def answered(item: Item, facts: Facts) -> str:
    found = [fact for source in item.sources for fact in source(facts)]
    lines = [f"- {fact.text} (`{fact.source}`)" for fact in found]
    left = f"{OPEN}: {item.left}" if item.left and found else OPEN
    lines += [f"- {left}"] if item.left or not found else []
    return "\n".join((f"### {item.number}. {item.asks}\n", *lines, ""))
