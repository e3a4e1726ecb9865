"""All figures of every scored cell."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError

from prunemark.disk.files import read_json
from prunemark.errors import PrunemarkError
from prunemark.plan.folders import Step
from prunemark.provenance.recompute.kept import label_breaks, original_breaks, threshold_breaks
from prunemark.provenance.recompute.kept_files import KeptFiles
from prunemark.provenance.recompute.own_formulas import holm
from prunemark.provenance.recompute.predictions import Arrays, accuracies, comparisons
from prunemark.provenance.recompute.reported_figures import Figure, Figures, Place, number
from prunemark.provenance.recompute.schemes import scheme_figures
from prunemark.provenance.recompute.sizes import layer_breaks, size_figures, what_is_left
from prunemark.provenance.recompute.summaries import Cell, Known
from prunemark.receipts.chain import Break

DAMAGED = (PrunemarkError, SafetensorError, OSError, KeyError, ValueError, TypeError, IndexError)


def recomputed_cells(steps: list[Step]) -> tuple[Known, list[Break]]:
    """The figures of all cells, and what does not fit together among the files that they come from."""
    known: Known = {}
    breaks: list[Break] = []
    files = KeptFiles()
    for step in steps:
        folder = Path(step.folder)
        try:
            if "calibration.json" in step.folder.names and read_json(folder / "calibration.json")["kind"] != "control":
                breaks += threshold_breaks(folder)
            if "scores.json" in step.folder.names:
                figures, faults = cell_figures(step, files)
                cell = Cell(*folder.parts[-len(Cell._fields) :])
                known |= {(cell, place): figure for place, figure in figures.items()}
                breaks += faults
        except DAMAGED as error:
            breaks.append(Break(str(step.folder), f"cannot be recomputed: {type(error).__name__}: {error}"))
    return known | adjusted(known), breaks


def cell_figures(step: Step, files: KeptFiles) -> tuple[Figures, list[Break]]:
    folder, given = Path(step.folder), step.parameters
    samples, data = files.samples(folder), Path(given["data"])
    faults = list(label_breaks(folder, data, samples["labels"], files.labels(data)))
    figures = accuracies(samples)
    if step.command == "control":
        return figures, faults
    marked, pruned = Path(given["marked"]), Path(given["pruned"]) if "pruned" in given else None
    if pruned:
        figures |= comparisons(samples, files.samples(Path(given["original"])))
    else:
        faults += original_breaks(folder, samples)
    schemes = {marked.parent.name: marked, **{Path(check).name: Path(check) for check in given["check"]}}
    faults += unread(folder, samples, schemes, downstream=folder.name != folder.parts[2])
    figures |= scheme_figures(samples, schemes, bool(pruned))
    left = what_is_left(files.encoder(marked), pruned)
    if pruned and left.mask is not None:
        faults += layer_breaks(folder, pruned, left.mask)
    return figures | size_figures(files.encoder(marked), pruned, left), faults


def unread(folder: Path, samples: Arrays, schemes: dict[str, Path], downstream: bool) -> list[Break]:
    """Schemes that should have been read and of which no statistic was kept; downstream those that see labels alone."""
    found = []
    for name, where in schemes.items():
        scheme = read_json(where / "calibration.json")
        asked = scheme["kind"] != "control" and (scheme["level"] == "LABELS" or not downstream)
        if asked and not any(key.startswith(f"statistic/{name}/") for key in samples):
            found.append(Break(f"{folder}/samples.npz", f"holds no statistic of {name}"))
    return found


def adjusted(known: Known) -> Known:
    """Holm's values over all rates of one pruner on one marked encoder, through one head."""
    families: dict[tuple[Cell, str], list[tuple[Cell, float]]] = {}
    for (cell, place), figure in known.items():
        if place.metric == "mcnemar_p":
            families.setdefault((cell._replace(rate=""), place.head), []).append((cell, figure["value"]))
    found: dict[tuple[Cell, Place], Figure] = {}
    for (_, head), members in families.items():
        values = holm([p for _, p in members])
        for (cell, _), value in zip(members, values, strict=True):
            found[cell, Place("mcnemar_p_holm", head)] = number("p-value", value)
    return found
