"""Every relative link of a Markdown page leads to a file, and its #part to a heading of it; lines fit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "data/README.md")
PAGES = sorted([*(ROOT / name for name in FILES), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
WIDEST = 120


def prose(text: str) -> str:
    """The text without its blocks of code and quoted words."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page.read_text())) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The parts of a page that a link can name, as forges write them: words in lower case, joined by hyphens."""
    titles = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, part = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not part or part in anchors(target), link


def test_every_page_of_docs_is_in_its_index() -> None:
    index = ROOT / "docs/README.md"
    assert {page.name for page in index.parent.glob("*.md")} - {index.name} <= set(links(index))
    assert len(index.read_text().splitlines()) <= 40


def test_what_is_linked_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git here")
    tracked = {(ROOT / name).resolve() for name in listed.stdout.splitlines()}
    for page in PAGES:
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            assert target.is_dir() or target in tracked, f"{page.name}: {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != ROOT / "README.md"], ids=lambda page: page.name)
def test_lines_fit(page: Path) -> None:
    """But for blocks of code, and the README, whose tables are wider."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert [line for line in text.splitlines() if len(line) > WIDEST] == []
