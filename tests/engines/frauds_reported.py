"""Ways to alter what is reported, each with the break that it must be: ``way`` or ``way: where``."""

from __future__ import annotations

import re
from pathlib import Path

import forge
from edits import Edit, edit_receipt, hash_anew, replaced
from places import REPORT, SCORES

TABLE, PAGE = f"{REPORT}/results.csv", f"{REPORT}/report.html"
AGAIN = "does not come out again"


def weaken_a_claim_and_hash_anew(folder: Path) -> None:
    forge.weaken_a_claim(folder)
    digest = forge.sha256_file(folder / "claims.yaml")
    edit_receipt(folder / REPORT, lambda content: content["inputs"].update({"claims.yaml": digest}))


def remove_claims(folder: Path) -> None:
    (folder / "claims.yaml").unlink()


def forget_claims(folder: Path) -> None:
    edit_receipt(folder / REPORT, lambda content: content["inputs"].pop("claims.yaml"))


def first_number(folder: Path) -> str:
    """The text of the first agreement in results.csv."""
    lines = (folder / TABLE).read_text().splitlines()
    columns = lines[0].split(",")
    row = next(line.split(",") for line in lines if ",agreement," in line)
    return row[columns.index("value")]


def edited_number(name: str, rehash: bool) -> Edit:
    def fraud(folder: Path) -> None:
        number = first_number(folder)
        shown = number if name.endswith(".csv") else f"{float(number) * 100:.1f}"
        replaced(name, shown, shown[:-1] + ("7" if shown[-1] != "7" else "3"), rehash)(folder)

    return fraud


def round_again(folder: Path) -> None:
    """One digit less of one number, and the hash of the table made to agree."""
    number = next(n for n in (folder / TABLE).read_text().split(",") if len(n) == 12 and n.startswith("0."))
    replaced(TABLE, number, f"{float(number):.8g}", rehash=True)(folder)


def edit_a_charts_value(folder: Path) -> None:
    """The number behind a point, in the data that the page's script draws from."""
    text = (folder / PAGE).read_text()
    start = text.index('<script type="application/json" id="data">')
    number = first_number(folder)
    assert number in text[start:]
    better = f"{(1 + float(number)) / 2:.10g}"
    (folder / PAGE).write_text(text[:start] + text[start:].replace(number, better, 1))
    hash_anew(folder, PAGE)


def exchange_points(folder: Path) -> None:
    """In the first chart the pruned encoder has the original's point, and the original has its."""
    text = (folder / PAGE).read_text()
    found = re.search(r'"lines":\[\["magnitude",\[\[0,(\d+),(\d)\],\[1,(\d+),(\d)\]', text)
    assert found
    assert found[1] != found[3]
    line = f'"lines":[["magnitude",[[0,{found[3]},{found[2]}],[1,{found[1]},{found[4]}]'
    (folder / PAGE).write_text(text.replace(found[0], line, 1))
    hash_anew(folder, PAGE)


FRAUDS: dict[str, tuple[Edit, str]] = {
    "an edited number: results.csv": (edited_number(TABLE, False), f"{TABLE}: "),
    "an edited number: results.csv, hashed anew": (edited_number(TABLE, True), f"{TABLE}: {AGAIN}"),
    "an edited number: the page": (edited_number(PAGE, False), f"{PAGE}: "),
    "an edited number: the page, hashed anew": (edited_number(PAGE, True), f"{PAGE}: {AGAIN}"),
    "an edited number: a score, hashed anew": (
        replaced(f"{SCORES}/scores.json", '"k": ', '"k": 1', rehash=True),
        f"{SCORES}/scores.json: {AGAIN}",
    ),
    "an edited number: a landmark, hashed anew": (
        replaced(f"{REPORT}/landmarks.csv", ",knee,", ",Knee,", rehash=True),
        f"{REPORT}/landmarks.csv: does not come out again from scores, receipts and journals; made from the same scores as "
        "results.csv, none of whose numbers depends on it",
    ),
    "a re-rounded number": (round_again, f"{TABLE}: {AGAIN}"),
    "a chart's data edited inside the HTML: a value": (edit_a_charts_value, f"{PAGE}: {AGAIN}"),
    "a chart's data edited inside the HTML: two points": (exchange_points, f"{PAGE}: {AGAIN}"),
    "a changed verdict: claims.json": (
        replaced(f"{REPORT}/claims.json", '"verdict": "refuted"', '"verdict": "supported"'),
        f"{REPORT}/claims.json: {AGAIN}",
    ),
    "a changed verdict: claims.json, hashed anew": (
        replaced(f"{REPORT}/claims.json", '"verdict": "refuted"', '"verdict": "supported"', rehash=True),
        f"{REPORT}/claims.json: {AGAIN}",
    ),
    "a changed verdict: the page, hashed anew": (
        replaced(PAGE, "\u2717 refuted", "\u2713 supported", rehash=True),
        f"{PAGE}: {AGAIN}",
    ),
    "a weakened predicate: claims.yaml": (forge.weaken_a_claim, "claims.yaml: sha256 is"),
    "a weakened predicate: claims.yaml, hashed anew": (
        weaken_a_claim_and_hash_anew,
        f"{REPORT}/claims.json: {AGAIN}",
    ),
    "a weakened predicate: claims.yaml removed": (remove_claims, "claims.yaml: missing"),
    "a weakened predicate: claims.yaml no input any more": (
        forget_claims,
        f"{REPORT}/receipt.json: does not name its input claims.yaml",
    ),
}
