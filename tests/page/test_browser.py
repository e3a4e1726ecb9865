"""The page in a real browser: nothing fails or leaves the file, numbers reach their cards, choices change what is shown.

Screenshots are kept in the folder that ``PRUNEMARK_SCREENSHOTS`` names, else in pytest's own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pages import CLASSES, CONDITIONS, NO_CLAIMS, ONE, Reader, asked, evidence, grid, render, table_of

from prunemark.results import table as results

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on the path")
SIZES = {"desktop": (1280, 900), "phone": (375, 812)}
PARAMS = asked(seeds=[0, 1], watermarks={"none": {"method": "none"}, "uchida": {"method": "uchida"}})
CARD = """async (href) => {
  const moved = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
  if (location.hash !== href) { location.hash = href; await moved; }
  const table = document.querySelector("#card-body table");
  const cells = (row) => [...row.children].map((cell) => cell.textContent);
  return {
    open: document.getElementById("card").open, title: document.getElementById("card-title").textContent,
    facts: [...document.querySelectorAll("#card-body > dl > *")].map((part) => part.textContent),
    rows: table ? [...table.rows].map(cells) : [], command: document.querySelector("#card-body .command code")?.textContent,
  };
}"""
TABLES = """() => [...document.querySelectorAll("[data-table] td:not(.none)")].map((cell) => [
  cell.querySelector("a").textContent, cell.querySelector("small")?.textContent ?? "",
  cell.querySelector("em")?.textContent ?? "", cell.querySelector("a").getAttribute("href")])"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page as a file, its text and its rows."""
    text, rows = render(PARAMS)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(text)
    return path, text, rows


class Tab:
    """A page in a tab, with what it complained of and asked for."""

    def __init__(self, browser, path, size="desktop", scheme="light", address=""):
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page, self.faults, self.requests = self.context.new_page(), [], []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.faults.append(said.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + address)
        self.wait("drawn")

    def wait(self, what):
        self.page.wait_for_selector(f"html[data-{what}]", state="attached")

    def text(self, selector):
        return self.page.locator(selector).text_content()


@pytest.fixture
def tab(browser, written):
    tabs = []

    def open_tab(path=written[0], **how):
        tabs.append(Tab(browser, path, **how))
        return tabs[-1]

    yield open_tab
    for one in tabs:
        one.context.close()


def test_nothing_fails_and_no_request_leaves_the_file(tab, written):
    opened = tab()
    assert opened.faults == []
    assert {url for url in opened.requests if not url.startswith("data:")} == {written[0].as_uri()}
    charts = sum(len(figure["charts"]) for figure in Reader(written[1]).data["shelf"]["figures"])
    assert opened.page.locator("[data-figure] svg").count() == charts > 10
    assert opened.page.locator("#explore-curves svg").count() == 1


def test_nothing_fails_in_the_page_of_the_default_run(tab):
    """A real run has metrics that no made-up one has."""
    assert tab(path=Path(__file__).parents[2] / "examples/default/report.html").faults == []


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_the_script_writes_numbers_as_python_does(tab, tmp_path, seeds):
    text, _ = render(asked(seeds=list(range(seeds)), keys=2, watermarks={"uchida": {"method": "uchida"}}))
    (tmp_path / "page.html").write_text(text)
    shown = tab(path=tmp_path / "page.html").page.evaluate(TABLES)
    expected = [(number.text, number.detail, number.flag) for number in Reader(text).shown()]
    assert len(expected) > 200
    assert [tuple(cell[:3]) for cell in shown] == expected


def test_every_number_reaches_its_card_and_the_card_its_rows(tab, written):
    page, rows = tab().page, written[2]
    links = page.evaluate(
        """() => [...new Set([...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute("href")))]"""
    )
    cards = [link for link in links if link[1] in "snrc" and link[2:].isdigit()]
    assert len(cards) > 300
    summaries = results.summarise(rows)
    for href in cards:
        card = page.evaluate(CARD, href)
        assert card["open"], href
        assert card["command"].startswith("snakemake --cores 1 --forcerun data/scores/"), href
        head, *lines = card["rows"] or [[]]
        assert bool(lines) == (href[1] != "c"), href
        for line in lines:
            entry = dict(zip(head, line, strict=True))
            row = rows[int(entry["line"]) - 2]
            for name in ("value", "k", "n", "ci_low", "ci_high", "statistic", "threshold", "fpr"):
                assert (float(entry[name]) if entry.get(name) else None) == row.get(name)
            assert (entry["seed"], entry["key"], entry["metric"]) == (row["seed"], row["key"], row["metric"])
        if href[1] == "s":
            summary = summaries[int(href[2:])]
            facts = dict(zip(card["facts"][::2], card["facts"][1::2], strict=True))
            assert float(facts["value"].split(",")[0]) == summary.value
            assert (
                card["title"].endswith(f": {summary.value:g}") or float(card["title"].split(": ")[1]) == summary.value
            )
            assert len(lines) == summary.encoders
            if summary.low is not None:
                low, high = facts["interval"][1:].split("]")[0].split(", ")
                assert (float(low), float(high)) == (summary.low, summary.high)
    reader = Reader(written[1])
    sources = reader.data["shelf"]["sources"]
    for number in reader.shown():
        if "column" in number.source or number.source.get("how") == "minus":
            shown = float(page.evaluate(CARD, f"#n{sources.index(number.source)}")["title"].split(": ")[-1])
            text = float(number.text.replace("\u2212", "-"))
            assert text == pytest.approx(
                shown if number.source.get("column") in ("statistic", "threshold") else 100 * shown, abs=0.051
            )


def test_a_card_holds_the_chain_as_the_receipts_have_it(tab):
    page, contents = tab().page, grid(PARAMS)
    receipts = evidence(contents).receipts
    cell = next(number for number, cell in enumerate(contents) if cell[3:7] == ("uchida", "0", "magnitude", "0.9"))
    page.evaluate(CARD, f"#c{cell}")
    page.evaluate("document.querySelectorAll('#card details details').forEach((step) => (step.open = true))")
    page.locator("#card details details details summary").last.wait_for()
    page.evaluate("document.querySelectorAll('#card details details details').forEach((code) => (code.open = true))")
    page.locator("#card details details details ul").last.wait_for()
    text = page.locator("#card-body").text_content()
    folders = [f"data/{part}" for part in (
        "raw/fashion-mnist-mini", "encoders/fashion-mnist-mini/simclr-r18/0", "marked/fashion-mnist-mini/simclr-r18/0/uchida/0",
        "pruned/fashion-mnist-mini/simclr-r18/0/uchida/0/magnitude/0.9",
        "scores/fashion-mnist-mini/simclr-r18/0/uchida/0/original/0/fashion-mnist-mini",
        "scores/fashion-mnist-mini/simclr-r18/0/uchida/0/magnitude/0.9/fashion-mnist-mini",
    )]  # fmt: skip
    steps = page.locator("#card details details > summary b").locator("..").all_text_contents()
    assert [step.split()[1] for step in steps] == folders
    commands = page.locator("#card .command code").all_text_contents()
    for folder in folders:
        receipt, digest = receipts[folder]
        assert receipt.command in commands
        assert f"tags.`prunemark.receipt_sha256` = '{digest}'" in commands
        for hashes in (receipt.inputs, receipt.outputs, receipt.code):
            assert hashes
            for name, sha in hashes.items():
                assert f"{name}{sha}" in text
    assert "c0ffee" in text
    assert "its code is that of this commit" in text


def test_an_address_opens_its_card_and_back_closes_it(tab):
    opened = tab(address="#s3")
    page = opened.page
    assert page.locator("#card").is_visible()
    page.reload()
    opened.wait("drawn")
    assert page.locator("#card").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#card").is_visible()
    link = page.locator("[data-table='0'] td a").first
    link.focus()
    page.keyboard.press("Enter")
    assert page.locator("#card").is_visible()
    assert page.evaluate("document.activeElement.id") == "card-title"
    page.go_back()
    page.locator("#card").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.getAttribute('href')") == link.get_attribute("href")


def test_a_command_can_be_copied(tab):
    page = tab(address="#s3").page
    button = page.locator("#card .copy").first
    button.click()
    page.locator("#card .copy", has_text="copied").wait_for()
    page.evaluate("document.querySelector('#card').prepend(document.createElement('textarea'))")
    page.locator("#card textarea").focus()
    page.keyboard.press("Control+V")
    assert page.locator("#card textarea").input_value() == page.locator("#card .command code").first.inner_text()


def test_a_section_is_where_its_link_leads(tab):
    page = tab(size="phone").page
    for section in ("claims", "explore", "conditions"):
        page.locator(f"nav a[href='#{section}']").first.click()
        page.wait_for_timeout(200)
        top = page.evaluate("(name) => document.getElementById(name).getBoundingClientRect().top", section)
        bottom = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        assert abs(top) < 3 or bottom


def test_filters_and_slider_change_what_is_shown(tab):
    page, contents = tab().page, grid(PARAMS)
    select = {
        name: page.locator("#explore-controls label", has_text=name).first.locator("select")
        for name in ("watermark", "pruner", "seed and key", "beside")
    }
    slider = page.locator("#explore-controls input[type=range]")

    def matrix():
        cells = page.locator("#explore-matrix tbody td a").all_text_contents()
        return [int(count) for count in cells]

    seen = set()
    for watermark, pruner, copy in (("none", "magnitude", "seed 0, key 0"), ("uchida", "random", "seed 1, key 0")):
        select["watermark"].select_option(watermark)
        select["pruner"].select_option(pruner)
        select["seed and key"].select_option(copy)
        for position, rate in enumerate(("0", "0.5", "0.9")):
            slider.fill(str(position))
            cell = (
                "fashion-mnist-mini",
                "simclr-r18",
                copy[5],
                watermark,
                "0",
                pruner if position else "original",
                rate,
                "fashion-mnist-mini",
            )
            shown = page.locator("#explore-cell").inner_text()
            assert f"watermark {watermark}" in shown
            assert f"rate {rate}, seed {copy[5]}, key 0" in shown
            if position:
                expected = contents[cell].agreement_matrix
                assert matrix() == [count for row in expected for count in row]
                classes = page.locator("#explore-classes tbody td").all_text_contents()
                assert [int(n) for n in classes[::7]] == contents[cell].classes_right["frozen"].n
            else:
                assert not page.locator("#explore-matrix").is_visible()
            numbers = tuple(page.locator("#explore-numbers td a").all_text_contents())
            accuracy = next(
                row for row in contents[cell].rows if row["metric"] == "accuracy" and row["head"] == "refit"
            )
            assert f"{100 * accuracy['value']:.1f}" in numbers
            seen.add(numbers)
            assert page.locator("#explore-images img").count() == 12
    assert len(seen) == 6
    page.locator("#explore-roc svg").wait_for()
    select["beside"].select_option("magnitude")
    page.locator("#explore-curves svg").nth(1).wait_for()


def test_a_pruner_without_the_rate_chosen_is_not_replaced_by_another(tab, tmp_path):
    from prunemark.page import render as made

    params = asked(pruners=ONE | {"two-four": {"method": "magnitude"}}, watermarks={"none": {"method": "none"}})
    contents = {cell: found for cell, found in grid(params).items() if cell[5:7] != ("two-four", "0.9")}
    rows = table_of(contents)
    text = made.render(rows, results.summarise(rows), [], contents, params, CONDITIONS, NO_CLAIMS)
    (tmp_path / "page.html").write_text(text)
    page = tab(path=tmp_path / "page.html").page
    slider, cell = page.locator("#explore-controls input[type=range]"), page.locator("#explore-cell")

    def choose(name, value):
        page.locator("#explore-controls label", has_text=name).first.locator("select").select_option(value)

    choose("pruner", "magnitude")
    slider.fill("2")
    assert "by magnitude at rate 0.9" in cell.inner_text()
    choose("pruner", "two-four")
    assert "by two-four at rate 0.5" in cell.inner_text()
    choose("beside", "magnitude")
    assert page.locator("#explore-none").inner_text() == "two-four was not asked for at rate 0.9."
    assert not page.locator("#explore-shown").is_visible()
    slider.fill("0")
    assert "the original at rate 0" in cell.inner_text()
    slider.fill("2")
    choose("beside", "none")
    choose("pruner", "magnitude")
    assert "by magnitude at rate 0.9" in cell.inner_text()


def test_what_is_moot_in_tables_is_moot_when_explored(tab):
    page = tab().page
    page.locator("#explore-controls label", has_text="watermark").locator("select").select_option("uchida")
    slider = page.locator("#explore-controls input[type=range]")
    slider.fill("1")
    assert "moot" not in page.locator("#explore-numbers").inner_text()
    slider.fill("2")
    assert page.locator("#explore-numbers tr", has_text="VerSR").locator("em").inner_text() == "moot"


def test_a_point_of_a_chart_says_its_number_and_opens_its_card(tab, written):
    page = tab().page
    chart = page.locator("[data-figure='0'] .chart", has_text="accuracy, refitted head")
    chart.scroll_into_view_if_needed()
    point = chart.locator(".mark-symbol path[d]").last
    point.hover()
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for()
    said = tip.inner_text()
    point.click()
    page.locator("#card").wait_for()
    number = int(page.evaluate("location.hash").removeprefix("#s"))
    summary = results.summarise(written[2])[number]
    assert (summary.place["metric"], summary.place["head"]) == ("accuracy", "refit")
    assert f"{100 * summary.value:.1f} %" in said
    assert f"[{100 * summary.low:.1f}, {100 * summary.high:.1f}], 2 seeds, range" in said


def test_lines_that_are_ticked_are_in_colour(tab):
    page = tab().page
    figure = page.locator("figure").first
    colours = "() => new Set([...document.querySelectorAll(\"[data-figure='0'] .mark-line path\")].map((p) => p.getAttribute('stroke'))).size"
    before = page.evaluate(colours)
    figure.locator("input[type=checkbox]").first.uncheck()
    page.wait_for_timeout(300)
    assert page.evaluate(colours) == before
    assert page.locator("[data-figure='0'] .mark-line path[stroke='var(--faint)']").count() > 0


@pytest.mark.parametrize(
    ("size", "scheme"),
    [("desktop", "light"), ("phone", "dark"), *(pytest.param(*way, marks=pytest.mark.slow)
                                                for way in (("desktop", "dark"), ("phone", "light")))],
)  # fmt: skip
def test_no_fault_of_accessibility_and_no_scrolling_aside(tab, tmp_path, size, scheme):
    opened = tab(size=size, scheme=scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    shots = Path(os.environ.get("PRUNEMARK_SCREENSHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    for address in ("", "#s3"):
        page.evaluate("(address) => { location.hash = address; }", address)
        page.screenshot(path=shots / f"{size}-{scheme}{'-card' if address else ''}.png", full_page=not address)
        found = axe.Axe().run(page).response["violations"]
        assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"][:200]) for fault in found] == []
    page.evaluate("document.querySelectorAll('#card details').forEach((one) => (one.open = true))")
    assert page.evaluate("document.getElementById('card').scrollWidth <= document.getElementById('card').clientWidth")


def test_printed_it_has_charts_and_tables_and_no_controls(tab, tmp_path):
    page = tab(size="phone", scheme="dark").page
    page.emulate_media(media="print")
    assert not page.locator("#explore-controls").is_visible()
    assert not page.locator("nav").first.is_visible()
    assert page.locator("[data-figure='0'] svg").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 1030, "height": 700})
    widths = page.evaluate("[...document.querySelectorAll('section table')].map((table) => table.scrollWidth)")
    assert max(widths) <= 1030
    pdf = page.pdf(path=Path(os.environ.get("PRUNEMARK_SCREENSHOTS", tmp_path)) / "printed.pdf")
    assert pdf.startswith(b"%PDF")


def test_hostile_names_stay_text(tab, tmp_path):
    name = "</script><img src=x onerror=document.title='hit'><b>"
    text, _ = render(asked(encoders={name: asked()["encoders"]["simclr-r18"]}, pruners=ONE, checks={}))
    (tmp_path / "hostile.html").write_text(text)
    opened = tab(path=tmp_path / "hostile.html", address="#s3")
    assert opened.faults == []
    assert opened.page.title() == "prunemark report"
    assert name in opened.text("#card-body")
    assert name in opened.text("#explore-cell")
    assert opened.page.locator("b b, img[src=x]").count() == 0


def test_without_scripts_it_says_where_the_numbers_are(browser, written):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written[0].as_uri())
    assert "results.csv" in page.locator("noscript").inner_text()
    context.close()


def test_a_run_without_classes_or_receipts_opens(tab, tmp_path):
    """A page can be made where there is nothing but scores."""
    from prunemark.page import render as made

    params = asked(pruners=ONE, rates=[0])
    contents = grid(params)
    rows = table_of(contents)
    summaries = results.summarise(rows)
    (tmp_path / "bare.html").write_text(made.render(rows, summaries, [], contents, params, CONDITIONS, NO_CLAIMS))
    opened = tab(path=tmp_path / "bare.html", address="#s3")
    assert opened.faults == []
    assert "No receipt" in opened.text("#card-body")
    assert CLASSES
