"""The page in a headless browser: what a reader does with it, by mouse and by keyboard."""

import csv
import io
import os
import re

import pytest

from reports import page as report
from tests.reports import browser
from tests.reports.fakes import full_matrix, make, store

sync_api = pytest.importorskip("playwright.sync_api")

MAP = "#map-ucf101-field"


@pytest.fixture(scope="module")
def chromium():
    path = browser.find()
    if path is None:
        if os.environ.get(browser.REQUIRED):
            pytest.fail("no Chromium; 'python tests/reports/browser.py' installs one")
        pytest.skip("no Chromium; 'python tests/reports/browser.py' installs one")
    with sync_api.sync_playwright() as started:
        running = started.chromium.launch(executable_path=path, args=browser.SWITCHES)
        yield running
        running.close()


RECORDS = [
    *full_matrix(),
    make("bth", bits=16, failed="it ran out of 5 % & more_of $ {all}"),
    make("new_one", bits=32, title="New|One"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    old = {r.key for r in RECORDS if r.identity.method == "sh"}
    cards = {"conmh": [("paper", ["A paper"]), ("cost", ["little"])]}
    path = report.build(
        store(root / "results", *RECORDS), root / "out", stale=lambda record: record.key in old, cards=cards
    )
    return path.as_uri()


@pytest.fixture
def open_page(chromium, address):
    """Open the page with a query; every message of the console and every request but for the page is a failure."""
    opened, noise = [], []

    def opener(query="", **options):
        context = chromium.new_context(viewport={"width": 1300, "height": 900}, **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        shown = context.new_page()
        shown.on("console", lambda message: noise.append(message.text))
        shown.on("pageerror", lambda error: noise.append(str(error)))
        shown.on("request", lambda request: request.is_navigation_request() or noise.append(request.url[:100]))
        shown.goto(address + query)
        opened.append(context)
        return shown

    yield opener
    for context in opened:
        context.close()
    assert noise == []


def column(shown, bits=64, k=20, table=MAP):
    """Labels and numbers of a column in the order in which they stand."""
    script = """([table, bits, k]) => [...document.querySelectorAll(`${table} tbody tr`)].filter((row) => row.offsetParent)
        .map((row) => [row.cells[0].textContent.trim(), row.querySelector(`td[data-bits="${bits}"][data-k="${k}"] a`)?.textContent ?? null])"""
    return [tuple(pair) for pair in shown.evaluate(script, [table, str(bits), str(k)])]


def heads(shown, table=MAP):
    script = """(table) => [...document.querySelectorAll(`${table} thead th[data-k]`)].filter((head) => head.offsetParent)
        .map((head) => `${head.dataset.bits}@${head.dataset.k}`)"""
    return shown.evaluate(script, table)


def choose(shown, name, *values):
    shown.locator("#choose").evaluate("(details) => { details.open = true; }")
    for box in shown.locator(f'#view input[name="{name}"]').all():
        box.set_checked(box.get_attribute("value") in values)


def copied(shown, kind, table=MAP):
    shown.locator(f'[data-tools="{table[1:]}"] [data-copy="{kind}"]').click()
    shown.wait_for_function("document.getElementById('said').textContent.includes('copied')")
    return shown.evaluate("navigator.clipboard.readText()")


def sort_button(shown, bits=64, k=20):
    return shown.locator(f'{MAP} th[data-bits="{bits}"][data-k="{k}"] button')


def test_a_press_on_a_column_sorts_by_it_and_the_third_gives_the_order_back(open_page):
    shown = open_page()
    before = column(shown)
    numbers = [(label, float(text)) for label, text in before if text]
    sort_button(shown).click()
    falling = column(shown)
    assert [pair for pair in falling if pair[1]] == [
        (label, f"{n:.3f}") for label, n in sorted(numbers, key=lambda pair: -pair[1])
    ]
    assert [text for _, text in falling[-2:]] == [None, None], "rows without a number stay at the end"
    head = shown.locator(f'{MAP} th[data-bits="64"][data-k="20"]')
    assert head.get_attribute("aria-sort") == "descending" and shown.url.endswith("?sort=64@20")
    sort_button(shown).click()
    rising = column(shown)
    assert [pair for pair in rising if pair[1]] == [pair for pair in falling if pair[1]][::-1]
    assert rising[-1][1] is None and shown.url.endswith("?sort=64@20&order=asc")
    sort_button(shown).click()
    assert column(shown) == before and head.get_attribute("aria-sort") is None and "?" not in shown.url
    shown.locator(f"{MAP} th[data-sort=method] button").click()
    assert [label for label, _ in column(shown)] == sorted((label for label, _ in before), key=str.lower)


def test_columns_rows_and_datasets_are_chosen_and_the_address_says_so(open_page):
    shown = open_page()
    choose(shown, "bits", "16", "64")
    choose(shown, "k", "5", "full")
    choose(shown, "methods", "conmh", "sh", "bth")
    choose(shown, "datasets", "ucf101")
    assert heads(shown) == ["16@5", "16@full", "64@5", "64@full"]
    assert [label for label, _ in column(shown)] == ["bth", "ConMH", "SH"]
    assert shown.locator("#moving-digits").is_hidden() and shown.locator("#ucf101").is_visible()
    assert shown.locator(f"{MAP} th[colspan]").first.get_attribute("colspan") == "2"
    assert shown.locator(f'{MAP} [data-row="bth"] td.hole').first.get_attribute("colspan") == "2"
    assert shown.url.split("?")[1] == "datasets=ucf101&bits=16,64&k=5,full&methods=bth,conmh,sh"
    assert "bits 16 64" in shown.locator("#chosen").inner_text()
    last = shown.locator('#view input[name="datasets"][value="ucf101"]')
    last.click()
    assert last.is_checked(), "one of each stays"
    shown.locator("#all").click()
    assert len(heads(shown)) == 24 and "?" not in shown.url


def test_a_link_opens_the_same_view(open_page):
    query = "?bits=64&k=5,20,full&methods=conmh,itq,lsh&protocol=strict&under=nothing&sort=64@full&order=asc&hide=itq"
    shown = open_page(query)
    assert "?" + shown.url.split("?")[1] == query
    table = "#map-ucf101-strict"
    assert heads(shown, table) == ["64@5", "64@20", "64@full"] and shown.locator(MAP).is_hidden()
    assert [label for label, _ in column(shown, table=table)] == ["LSH", "ITQ", "ConMH"]
    assert shown.locator(f"{table} td small:visible").all_inner_texts() == []
    assert shown.locator('[data-preset=strict] svg [data-series="itq"]').first.is_hidden()
    shown.locator("#choose").evaluate("(details) => { details.open = true; }")
    shown.locator("#link").click()
    shown.wait_for_function("document.getElementById('said').textContent.includes('link copied')")
    assert shown.evaluate("navigator.clipboard.readText()") == shown.url


def test_nonsense_in_the_address_is_ignored(open_page):
    shown = open_page("?bits=7,<b>&sort=64@x&under=all&protocol=none&hide=%00&compare=a,b&k=")
    assert len(heads(shown)) == 24 and "?" not in shown.url


def test_marks_are_those_of_the_rows_that_are_shown(open_page, address):
    marks = """(table) => [...document.querySelectorAll(`${table} td[data-v]`)].map((cell) =>
        [cell.classList.contains("best"), cell.classList.contains("second"), cell.querySelector(":scope > .mark")?.textContent ?? ""])"""
    plain = open_page(java_script_enabled=False)
    shown = open_page()
    assert shown.evaluate(marks, MAP) == plain.locator(MAP).evaluate(f"() => ({marks})('{MAP}')")
    choose(shown, "methods", "itq", "lsh", "sh")
    best = shown.locator(f'{MAP} td.best[data-bits="64"][data-k="20"]')
    second = shown.locator(f'{MAP} td.second[data-bits="64"][data-k="20"]')
    numbers = sorted((float(text) for _, text in column(shown)), reverse=True)
    assert [float(best.locator("a").inner_text()), float(second.locator("a").inner_text())] == numbers[:2]


def latex_rows(text):
    """Parse LaTeX strictly and return the cells of each row of the table, with the columns that each spans."""
    from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker

    nodes, _, _ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = [node for node in nodes if isinstance(node, LatexEnvironmentNode)]
    body = "".join(node.latex_verbatim() for node in table.nodelist)
    body = body.split("}", 1)[1] if body.startswith("{") else body
    body = re.sub(r"\\(toprule|midrule|bottomrule)|\\cmidrule\(lr\)\{[\d-]+\}", "", body)
    rows = []
    for line in body.split("\\\\"):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line)]
        if any(cells):
            spans = [int(found[1]) if (found := re.match(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells]
            rows.append((cells, sum(spans)))
    return rows


def test_copy_as_latex_is_what_is_shown(open_page):
    shown = open_page("?bits=32,64&k=5,20&sort=64@20")
    text = copied(shown, "tex")
    assert text.startswith("% mAP@K on UCF101; fewer videos than published (subset). Protocol field")
    rows = latex_rows(text)
    assert {width for _, width in rows} == {5}
    labels = [label for label, _ in column(shown)]
    body = {cells[0]: cells[1:] for cells, _ in rows[2:]}
    assert list(body) == [label.replace("|", r"\textbar{}") for label in labels] + ["ceiling"]
    for label, number in column(shown):
        if number:
            assert number in body[label][3]
    assert "\\textbf{" in body[labels[0]][3] and "\\underline{" in body[labels[1]][3]
    assert body["bth"] == [r"\multicolumn{2}{c}{\textit{not run}}"] * 2
    assert "$\\pm$" in body["ConMH"][0]


def test_copy_as_csv_holds_the_unrounded_means_of_the_records(open_page):
    shown = open_page("?bits=64&k=5,full&methods=conmh,itq,new-one")
    lines = list(csv.DictReader(io.StringIO(copied(shown, "csv"))))
    assert [line["method"] for line in lines] == ["ConMH", "ITQ", "New|One", "ceiling"]
    for line, method in zip(lines, ("conmh", "itq"), strict=False):
        held = [
            r for r in RECORDS if (r.identity.method, r.identity.dataset, r.identity.bits) == (method, "ucf101", 64)
        ]
        values = [r.metrics["field"].metrics["map@5"] for r in held]
        assert float(line["64 bits mAP@5"]) == sum(values) / 2 and line["64 bits mAP@5 n"] == "2"
        assert float(line["64 bits mAP deviation"]) > 0
    assert lines[2]["64 bits mAP"] == "not run"


def test_copy_as_markdown_and_saved_files(open_page):
    shown = open_page("?bits=32&k=5&under=nothing")
    rows = [line for line in copied(shown, "md").splitlines() if line.startswith("|")]
    assert rows[:2] == ["| method | 32 bits @5 |", "| --- | ---: |"]
    assert [row.split("|")[1].strip() for row in rows[2:6]] == ["bth", "ConMH", "ITQ", "LSH"]
    assert "| bth | not run |" in rows and any(row.startswith("| New\\|One | ") for row in rows)
    assert sum("**" in row for row in rows) == sum("<u>" in row for row in rows) == 1
    with shown.expect_download() as download:
        shown.locator('[data-tools="map-ucf101-field"] [data-save="tex"]').click()
    assert download.value.suggested_filename == "map-ucf101-field.tex"
    with open(download.value.path()) as stream:
        assert latex_rows(stream.read())[-1][0] == ["ceiling", "1.000"]


def test_a_legend_hides_isolates_and_follows_the_keyboard(open_page):
    shown = open_page()
    entry = shown.locator("[data-preset=field] .legend button[data-line=itq]").first
    line = shown.locator("[data-preset=field] svg [data-series=itq]").first
    other = shown.locator("[data-preset=field] svg [data-series=lsh]").first
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false" and line.is_hidden() and other.is_visible()
    assert shown.url.endswith("?hide=itq")
    entry.click()
    assert line.is_visible() and "?" not in shown.url
    entry.dblclick()
    assert line.is_visible() and other.is_hidden()
    entry.dblclick()
    assert other.is_visible() and "?" not in shown.url
    entry.focus()
    shown.keyboard.press("Enter")
    assert line.is_hidden()
    shown.keyboard.press("Enter")
    shown.keyboard.press("Shift+Enter")
    assert line.is_visible() and other.is_hidden()
    assert shown.locator("table.map").first.is_visible(), "a legend touches no table"


def test_a_number_leads_to_its_records(open_page):
    shown = open_page()
    link = shown.locator(f'{MAP} [data-row=itq] td[data-bits="32"][data-k="20"] a')
    link.click()
    dialog = shown.locator("#record")
    text = dialog.inner_text()
    held = [r for r in RECORDS if (r.identity.method, r.identity.dataset, r.identity.bits) == ("itq", "ucf101", 32)]
    assert text.startswith("Close") or "ITQ, 32 bits on UCF101" in text
    for record in held:
        assert repr(float(record.metrics["field"].metrics["map@20"])) in text and record.key in text
        assert record.rerun in text
    assert "iterations" in text and "5106cc6f51" in text and "fit 31.7 s" in text
    dialog.locator("summary", has_text="Environment E1").first.click()
    assert "torch" in dialog.inner_text()
    shown.keyboard.press("Escape")
    assert dialog.is_hidden() and link.evaluate("(link) => link === document.activeElement")
    shown.locator(f"{MAP} [data-row=bth] td.hole a").click()
    assert "it ran out of 5 % & more_of $ {all}" in dialog.inner_text()


def test_stale_and_missing_cells_are_grey_and_say_what_fills_them(open_page):
    shown = open_page()
    cell = shown.locator(f'{MAP} [data-row=sh] td[data-bits="16"][data-k="5"]')
    assert "stale" in cell.inner_text()
    grey = shown.locator(f"{MAP} td.hole.none").first
    assert "python -m benchmark run --methods" in grey.inner_text()
    grounds = [place.evaluate("(cell) => getComputedStyle(cell).backgroundColor") for place in (cell, grey)]
    assert grounds[0] == grounds[1] != "rgba(0, 0, 0, 0)"
    missing = shown.locator("section[aria-labelledby=holes]").inner_text()
    assert "--rerun stale" in missing and "--methods sh" in missing


def test_the_keyboard_alone_reaches_and_works_everything(open_page):
    shown = open_page()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the results"
    reached = set()
    for _ in range(60):
        shown.keyboard.press("Tab")
        reached.add(
            shown.evaluate("""() => { const a = document.activeElement; const box = a.getBoundingClientRect();
            const style = getComputedStyle(a); return `${a.tagName} ${a.name ?? ""} ${style.outlineStyle !== "none"} ${box.width > 0}` }""")
        )
        if shown.evaluate("document.activeElement.closest('th[data-k]') !== null"):
            break
    assert any(words.startswith("INPUT protocol") for words in reached) and any("SUMMARY" in words for words in reached)
    assert all(words.endswith("true true") for words in reached), reached
    shown.keyboard.press("Enter")
    assert "sort=16@5" in shown.url
    shown.locator("#view input[name=protocol][value=field]").focus()
    shown.keyboard.press("ArrowRight")
    assert "protocol=strict" in shown.url and shown.locator(MAP).is_hidden()
    shown.locator("#choose > summary").focus()
    shown.keyboard.press("Enter")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Space")
    assert "datasets=ucf101" in shown.url


@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 1300), ("light", 380)])
def test_axe_finds_nothing(open_page, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    shown = open_page("?bits=16,64&k=5,20", color_scheme=scheme)
    shown.set_viewport_size({"width": width, "height": 900})
    shown.locator("#choose").evaluate("(details) => { details.open = true; }")
    found = Axe().run(shown).response["violations"]
    shown.locator(f"{MAP} td a").first.click()
    found += Axe().run(shown, context="#record").response["violations"]
    assert [(item["id"], item["impact"], item["nodes"][0]["html"]) for item in found] == []


def test_a_phone_scrolls_tables_and_never_the_page(open_page):
    shown = open_page()
    shown.set_viewport_size({"width": 380, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 380


def test_paper_gets_both_protocols_and_no_controls(open_page):
    shown = open_page("?methods=conmh,itq")
    shown.emulate_media(media="print")
    assert shown.locator("#view").is_hidden() and shown.locator(".tools").first.is_hidden()
    assert shown.locator(MAP).is_visible() and shown.locator("#map-ucf101-strict").is_visible()
    assert shown.locator(f"{MAP} [data-row=lsh]").is_hidden(), "what was chosen is what is printed"
    shown.set_viewport_size({"width": 1030, "height": 700})
    wide = """() => [...document.querySelectorAll("table")].filter((t) => t.offsetParent && t.scrollWidth > 1040).map((t) => t.id || t.caption.textContent)"""
    assert shown.evaluate(wide) == []


def test_without_scripts_everything_is_there(open_page):
    shown = open_page(java_script_enabled=False)
    for name in (MAP, "#map-ucf101-strict", "#map-moving-digits-field"):
        assert shown.locator(name).is_visible()
    assert shown.locator("#view").is_hidden() and shown.locator(".tools").first.is_hidden()
    assert shown.locator(f"{MAP} button").count() == 0 and shown.locator(".legend .entry").first.is_visible()
