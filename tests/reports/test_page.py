"""The page against the records it was made from."""

import csv
import io
import json
import re
import statistics
from itertools import pairwise

import pytest

from reports import page
from reports.drawing.style import CUTS, PALETTE, metric_key, slug
from tests.support.fakes import METHODS, full_matrix, make, store
from tests.support.pages import Page, built, rows_of, shown

FIGURES = 2 * (4 * 3 + 3)
"""Figures of one dataset: 2 presets; 4 kinds at 3 code lengths, and mAP against bits at 3 K."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """4 methods x 3 bits x 2 seeds x 2 datasets, built once."""
    root = tmp_path_factory.mktemp("whole")
    records = full_matrix()
    path, parsed = built(root, *records)
    return records, path, parsed


def of(records, method, dataset, bits):
    found = [r for r in records if (r.identity.method, r.identity.dataset, r.identity.bits) == (method, dataset, bits)]
    assert len(found) == 2
    return found


def test_every_number_of_the_tables_is_the_mean_of_the_records(whole):
    records, _, parsed = whole
    checked = 0
    for dataset, title in (("ucf101", "UCF101"), ("moving_digits", "Moving digits")):
        tables = parsed.maps(title)
        assert len(tables) == 2
        for preset, table in zip(("field", "strict"), tables, strict=True):
            rows = rows_of(table)
            assert list(rows) == ["ConMH", "ITQ", "LSH", "SH", "ceiling"]
            for method, (label, _) in METHODS.items():
                cells = iter(rows[label])
                for bits in (16, 32, 64):
                    for cut in CUTS:
                        found = of(records, method, dataset, bits)
                        values = [r.metrics[preset].metrics[metric_key("map", cut)] for r in found]
                        want = f"{sum(values) / 2:.3f}", f"±{statistics.stdev(values):.3f}"
                        cell = next(cells)
                        assert (shown(cell), cell["text"][-6:]) == want
                        assert float(cell["data-v"]) == statistics.fmean(values)
                        assert float(cell["data-d"]) == statistics.stdev(values)
                        checked += 1
    assert checked == 2 * 2 * 4 * 3 * len(CUTS)


def test_best_is_bold_and_second_underlined_in_every_column(whole):
    _, _, parsed = whole
    rows = rows_of(parsed.maps("UCF101")[0])
    for column in range(3 * len(CUTS)):
        numbers = {label: float(shown(cells[column])) for label, cells in rows.items() if label != "ceiling"}
        order = sorted(numbers, key=numbers.get, reverse=True)
        marks = {label: cells[column]["marks"] for label, cells in rows.items()}
        assert marks.pop(order[0]) == {"best"}
        assert marks.pop(order[1]) == {"second"}
        assert set().union(*marks.values()) == set()
        assert rows[order[0]][column]["text"].split("±")[0].endswith(" best")


def test_ceiling_row_says_what_a_perfect_ranking_reaches(whole):
    _, _, parsed = whole
    cells = [cell["text"] for cell in rows_of(parsed.maps("UCF101")[0])["ceiling"]]
    assert cells == ["1.000", "1.000", "1.000", "1.000", "1.000", "0.775", "0.620", "0.124"] * 3


def test_csv_holds_unrounded_numbers(whole):
    records, path, _ = whole
    lines = list(csv.DictReader((path.parent / "tables" / "map-ucf101-strict.csv").open()))
    assert len(lines) == 4 * 3 * len(CUTS)
    line = next(x for x in lines if (x["method"], x["bits"], x["k"]) == ("itq", "32", "full"))
    values = [r.metrics["strict"].metrics["map"] for r in of(records, "itq", "ucf101", 32)]
    assert (float(line["mean"]), float(line["deviation"])) == (statistics.fmean(values), statistics.stdev(values))
    assert (line["n"], line["seeds"], line["state"]) == ("2", "0 1", "done")
    lines = list(csv.DictReader((path.parent / "tables" / "records.csv").open()))
    held = {r.key: r for r in records}
    assert {line["key"] for line in lines} == set(held)
    for line in lines:
        metrics = held[line["key"]].metrics["field"].metrics
        assert all(float(line[f"field.map@{k}"]) == metrics[f"map@{k}"] for k in (5, 10, 100))
        assert float(line["field.precision@radius2"]) == metrics["precision@radius2"]


def test_page_says_what_was_run(whole):
    _, _, parsed = whole
    assert "48 done, 0 failed , 0 damaged , 0 not run" in parsed.text
    assert "UCF101: fewer videos than published (subset)" in parsed.text
    assert "Moving digits: fewer" not in parsed.text
    data = next(t for t in parsed.tables if t["class"] == "data" and "ucf101" in t["caption"])
    assert [c["text"] for c in data["rows"][3]][:5] == ["query", "299", "3\u202f783", "25 × 4096", "subset"]
    assert "8 classes, one label per video" in data["caption"]


def test_provenance_lists_every_record(whole):
    records, _, parsed = whole
    keys = {f"r-{slug(r.identity.dataset)}-{r.key}" for r in records}
    assert keys <= set(parsed.ids)
    rows = [r for t in parsed.tables for r in t["rows"]]
    place = next(i for i, r in enumerate(rows) if any(c["text"] == records[0].key for c in r))
    row, (more,) = rows[place], rows[place + 1]
    cells = [c["text"] for c in row[:12]]
    assert cells[:5] == ["ConMH", "16", "0", "done", "40"]
    assert cells[5:11] == ["240", "31.7 s", "2\u202f635", "700 MiB", "5106cc6f51", "E1"]
    assert "python -m benchmark run --methods conmh --datasets ucf101 --bits 16 --seeds 0" in more["text"]
    settings = " ".join(parsed.text[parsed.text.index("Settings of ConMH on UCF101") :].split()[:12])
    assert "mask_ratio 0.5" in settings and "#c-ucf101-conmh" in parsed.references
    assert "main: 40 epochs, 240 steps, 31.5 s; total 2.5000 → 0.7100" in more["text"]
    assert "bit balance" in more["text"] and "0.0312" in more["text"]
    assert "Environment E1: 48 records" in parsed.text


def test_page_is_self_contained_and_its_files_exist(whole):
    _, path, parsed = whole
    for reference in parsed.references:
        assert not re.match(r"(?i)\s*(https?:|//|data:|file:)", reference), reference
        if reference.startswith("#"):
            assert reference[1:] in parsed.ids, reference
        else:
            assert (path.parent / reference).is_file(), reference
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"url\(\s*['\"]?(?!#)", text)
    assert "@import" not in text and "<link" not in text
    figures = {p.name for p in (path.parent / "figures").iterdir()}
    assert len(figures) == 2 * (2 * FIGURES + 2 * 2)
    assert sum(reference.startswith("figures/") for reference in parsed.references) == len(figures)


def test_page_is_accessible_in_structure(whole):
    _, _, parsed = whole
    assert ("html", {"lang": "en"}) in parsed.tags
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(table["caption"].strip() for table in parsed.tables)
    for table in parsed.tables:
        assert all("scope" in row[0] for row in table["rows"] if len(row) > 1)
    drawings = [attrs for tag, attrs in parsed.tags if tag == "svg" and "aria-hidden" not in attrs]
    assert len(drawings) == 2 * FIGURES + 2 * 2
    assert all(a["role"] == "img" and a["aria-labelledby"] in parsed.ids for a in drawings)
    assert "mAP at K, UCF101, 64 bits, field protocol. ConMH 0." in parsed.text
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert all(a.get("tabindex") == "0" for _, a in parsed.tags if a.get("class") == "scroll")
    view = next(attrs for tag, attrs in parsed.tags if tag == "form" and attrs.get("id") == "view")
    assert "hidden" in view, "without the script nothing can be chosen, and both protocols are shown"
    assert [a["data-preset"] for _, a in parsed.tags if "data-preset" in a] == ["field", "strict"] * 3


def test_inline_figures_follow_the_colours_of_the_page(whole):
    _, path, _ = whole
    text = path.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    assert not any(colour in body for colour in PALETTE)
    rules = text[: text.index("</style>")]
    assert all(f"stroke: var(--m{place})" in rules for place in range(4)) and "fill: currentColor" in rules
    used = set(re.findall(r'class="(s[0-9a-f]{6})"', body))
    assert used and all(f".{name}{{" in rules for name in used)
    assert "<metadata" not in body


def test_two_builds_are_identical_to_the_byte(tmp_path):
    records = [make(m, bits=b, seed=s) for m in ("conmh", "lsh") for b in (16,) for s in (0, 1)]
    first, _ = built(tmp_path, *records)
    second = page.build(tmp_path / "results", tmp_path / "again")
    files = {p.relative_to(first.parent): p.read_bytes() for p in first.parent.rglob("*") if p.is_file()}
    again = {p.relative_to(second.parent): p.read_bytes() for p in second.parent.rglob("*") if p.is_file()}
    assert len(files) == 1 + 1 + 7 + 2 * 2 * 4 + 2 * 2
    assert files == again


def test_a_later_build_takes_away_what_it_no_longer_makes_and_nothing_else(tmp_path):
    path, _ = built(tmp_path, make(bits=16), make(bits=32))
    mine = path.parent / "figures" / "mine.svg"
    mine.write_text("<svg/>")
    old = path.parent / "figures" / "ucf101-field-32-map-k.svg"
    assert old.exists()
    (tmp_path / "outside.csv").write_text("kept")
    names = json.loads((path.parent / page.MANIFEST).read_text())
    (path.parent / page.MANIFEST).write_text(json.dumps([*names, "../outside.csv"]))
    for record in (tmp_path / "results").glob("ucf101/conmh/32/*/record.json"):
        record.unlink()
    page.build(tmp_path / "results", path.parent)
    assert not old.exists() and mine.exists() and (tmp_path / "outside.csv").exists()


def test_titles_are_escaped(tmp_path):
    title = '<script>alert("x")</script>&$a_1$'
    path, parsed = built(tmp_path, make("evil", bits=16, title=title, dataset_title="A & <b>B</b>"))
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<b>B</b>" not in text
    assert title in rows_of(parsed.maps("A & <b>B</b>")[0])
    assert "&lt;script&gt;alert" in (path.parent / "figures" / "ucf101-field-16-map-k.svg").read_text()


def test_no_records_still_make_a_page(tmp_path):
    (tmp_path / "results").mkdir()
    path = page.build(tmp_path / "results", tmp_path / "out")
    parsed = Page(path.read_text(encoding="utf-8"))
    assert "holds no readable record" in parsed.text and "0 done" in parsed.text
    assert parsed.tables == []
    assert page.build(tmp_path / "nowhere", tmp_path / "out2").is_file()


def test_csv_keeps_fields_with_commas(tmp_path):
    path, _ = built(tmp_path, make("odd", bits=16, title='A, "B"'))
    text = (path.parent / "tables" / "records.csv").read_text()
    assert next(csv.DictReader(io.StringIO(text)))["row"] == 'A, "B"'


def test_a_method_looks_the_same_on_every_page_of_a_checkout(tmp_path):
    cards = dict.fromkeys(("bth", "conmh", "itq", "sh"), ())
    colours = []
    for name, records in (("few", [make("itq", bits=16)]), ("more", [make(m, bits=16) for m in METHODS])):
        path = page.build(store(tmp_path / name, *records), tmp_path / f"{name}-out", cards=cards)
        text = path.read_text(encoding="utf-8")
        colours.append(
            re.search(r'data-row="itq"><th scope="row"><span class="key" style="background: var\((--m\d)\)', text)[1]
        )
    assert colours[0] == "--m2"
    assert colours[1] == "--m2", "lsh, which no card names, comes after it"
