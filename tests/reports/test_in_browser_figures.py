"""The page in a headless browser: figures, records, gallery, keyboard, paper, phone, accessibility."""

import csv
import io
import re

import numpy as np
import pytest

from tests.support.driving import FILLED, MAP, RECORDS, choose, copied


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
    text = dialog.text_content()
    held = [r for r in RECORDS if (r.identity.method, r.identity.dataset, r.identity.bits) == ("itq", "ucf101", 32)]
    assert "ITQ, 32 bits on UCF101" in text
    for record in held:
        assert repr(float(record.metrics["field"].metrics["map@20"])) in text and record.key in text
        assert record.rerun.replace(":default", "") in text
    assert "iterations" in text and "5106cc6f51" in text and "fit 31.7 s" in text
    dialog.locator("summary", has_text="Environment E1").first.click()
    assert "torch" in dialog.text_content()
    shown.keyboard.press("Escape")
    assert dialog.is_hidden() and link.evaluate("(link) => link === document.activeElement")
    shown.locator(f"{MAP} [data-row=bth] td.hole a").click()
    assert "it ran out of 5 % & more_of $ {all}" in dialog.text_content()


def test_stale_and_missing_cells_are_grey_and_say_what_fills_them(open_page):
    shown = open_page()
    cell = shown.locator(f'{MAP} [data-row=sh] td[data-bits="16"][data-k="5"]')
    assert "stale" in cell.text_content()
    grey = shown.locator(f"{MAP} td.hole.none").first
    assert "python -m benchmark run --methods" in grey.text_content()
    grounds = [place.evaluate("(cell) => getComputedStyle(cell).backgroundColor") for place in (cell, grey)]
    assert grounds[0] == grounds[1] != "rgba(0, 0, 0, 0)"
    missing = shown.locator("section[aria-labelledby=holes]").text_content()
    assert "--rerun stale" in missing and "--methods sh" in missing


FOCUSED = """() => {
    const here = document.activeElement;
    const seen = getComputedStyle(here).outlineStyle !== "none" && here.getBoundingClientRect().width > 0;
    return `${here.tagName} ${here.name ?? ""} ${seen}`;
}"""


def test_the_keyboard_alone_reaches_and_works_everything(open_page):
    shown = open_page()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the results"
    reached = set()
    for _ in range(60):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate(FOCUSED))
        if shown.evaluate("document.activeElement.closest('th[data-k]') !== null"):
            break
    assert any(words.startswith("INPUT protocol") for words in reached) and any("SUMMARY" in words for words in reached)
    assert all(words.endswith("true") for words in reached), reached
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
    wide = """() => [...document.querySelectorAll("table")].filter((t) => t.offsetParent && t.scrollWidth > 1040)
        .map((t) => t.id || t.caption.textContent)"""
    assert shown.evaluate(wide) == []


def test_without_scripts_everything_is_there(open_page):
    shown = open_page(java_script_enabled=False)
    for name in (MAP, "#map-ucf101-strict", "#map-moving-digits-field"):
        assert shown.locator(name).is_visible()
    assert shown.locator("#view").is_hidden() and shown.locator(".tools").first.is_hidden()
    assert shown.locator(f"{MAP} button").count() == 0 and shown.locator(".legend .entry").first.is_visible()


def test_two_methods_are_compared_on_demand(open_page):
    shown = open_page()
    form = shown.locator("[data-preset=field] form.pair").first
    first, second = form.locator("select").all()
    first.select_option("itq")
    second.select_option("conmh")
    assert shown.url.endswith("?compare=itq,conmh")
    cells = shown.locator("[data-preset=field] table.pairwise").nth(1).locator("tbody tr").nth(2).locator("td")
    assert cells.count() == 8
    held = {name: np.mean([arrays["ap_field"] for record, arrays in FILLED
                           if (record.identity.method, record.identity.dataset, record.identity.bits)
                           == (name, "ucf101", 64)], axis=0) for name in ("itq", "conmh")}  # fmt: skip
    gap = held["itq"][:, 2].mean() - held["conmh"][:, 2].mean()
    text = cells.nth(2).text_content()
    assert text.startswith(f"{gap:+.3f}".replace("-", "−")) and "p " in text and " to " in text
    choose(shown, "k", "5", "20")
    assert (
        shown.locator("[data-preset=field] table.pairwise").nth(1).locator("tbody tr").first.locator("td").count() == 2
    )
    again = open_page("?compare=conmh,itq")
    turned = again.locator("[data-preset=field] table.pairwise").nth(1).locator("tbody tr").nth(2).locator("td")
    assert turned.nth(2).text_content().startswith(f"{-gap:+.3f}".replace("-", "−"))


def test_an_interval_over_queries_on_demand(open_page):
    shown = open_page("?under=interval&k=20")
    cell = shown.locator(f'{MAP} [data-row=itq] td[data-bits="64"][data-k="20"]')
    low, high = (float(text) for text in cell.locator("small").text_content().replace("–", " ").split())
    assert low < float(cell.locator("a").text_content()) < high
    line = next(line for line in csv.DictReader(io.StringIO(copied(shown, "csv"))) if line["method"] == "ITQ")
    assert (round(float(line["64 bits mAP@20 low"]), 3), round(float(line["64 bits mAP@20 high"]), 3)) == (low, high)


def test_gallery_and_clouds_follow_the_choice(open_page):
    shown = open_page()
    section = shown.locator("section[data-dataset=ucf101]")
    gallery = section.locator(".gallery")
    assert gallery.locator(".query").count() == 8 and gallery.locator("tr[data-row=itq]").count() == 8
    picture = gallery.locator(".pic").first
    assert "data:image/png" in picture.evaluate("(element) => getComputedStyle(element).backgroundImage")
    assert picture.get_attribute("role") == "img" and picture.get_attribute("aria-label")
    for card in gallery.locator(".card").all()[:10]:
        words, good = card.text_content(), "good" in card.get_attribute("class").split()
        assert ("✓" in words, "✗" in words, "not relevant" in words) == (good, not good, not good)
        assert re.search(r"d \d+ *class \d", " ".join(words.split())), words
    other = shown.locator("section[data-dataset=moving-digits] .gallery")
    assert other.locator(".query.bare").count() == 8 and other.locator(".pic").count() == 0
    assert "There are no pictures of these videos here" in other.text_content()
    assert section.locator(".clouds figure").count() == 4
    choose(shown, "methods", "itq", "lsh")
    assert (
        gallery.locator("tr[data-row=conmh]").first.is_hidden()
        and gallery.locator("tr[data-row=itq]").first.is_visible()
    )
    assert section.locator(".clouds figure:visible").count() == 2
    choose(shown, "bits", "16")
    assert gallery.is_hidden()
