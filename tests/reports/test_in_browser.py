"""The page in a headless browser: its tables, what is chosen, linked, sorted and copied."""

import csv
import io

from playwright.sync_api import expect

from tests.support.driving import MAP, RECORDS, choose, column, copied, heads
from tests.support.latex import rows as latex_rows


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
    assert "bits 16 64" in shown.locator("#chosen").text_content()
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
    expect(shown.locator("#status")).to_contain_text("link copied")
    assert shown.evaluate("navigator.clipboard.readText()") == shown.url


def test_nonsense_in_the_address_is_ignored(open_page):
    shown = open_page("?bits=7,<b>&sort=64@x&under=all&protocol=none&hide=%00&compare=a,b&k=")
    assert len(heads(shown)) == 24 and "?" not in shown.url


def test_marks_are_those_of_the_rows_that_are_shown(open_page, address):
    marks = """(table) => [...document.querySelectorAll(`${table} td[data-v]`)].map((cell) => [
        cell.classList.contains("best"), cell.classList.contains("second"),
        cell.querySelector(":scope > .mark")?.textContent ?? ""])"""
    plain = open_page(java_script_enabled=False)
    shown = open_page()
    assert shown.evaluate(marks, MAP) == plain.locator(MAP).evaluate(f"() => ({marks})('{MAP}')")
    choose(shown, "methods", "itq", "lsh", "sh")
    best = shown.locator(f'{MAP} td.best[data-bits="64"][data-k="20"]')
    second = shown.locator(f'{MAP} td.second[data-bits="64"][data-k="20"]')
    numbers = sorted((float(text) for _, text in column(shown)), reverse=True)
    assert [float(best.locator("a").text_content()), float(second.locator("a").text_content())] == numbers[:2]


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
