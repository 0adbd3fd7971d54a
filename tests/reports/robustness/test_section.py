"""Robustness on the page: means over seeds, intervals, what is lacking, files, and no trace where there is none."""

import csv
import io
import json
import re

import numpy as np
import pytest

from benchmark.evaluation import statistics
from benchmark.evaluation.statistics import bootstrap_interval
from benchmark.records import robustness as robustness_file
from benchmark.records import store
from benchmark.records.robustness import Condition, conditions
from reports import page
from reports.drawing import style
from reports.matrix import grouping as matrix
from reports.matrix.cache import cached
from reports.matrix.stored import Stored
from reports.robustness import figure, losses
from tests.support.beside import folder_of, measured, perturbed, put, without_pdf
from tests.support.latex import rows as latex_rows

NAMES = ["conmh", "itq"]
DROP = Condition("drop", 0.5)


@pytest.fixture
def pairs():
    return [measured(method, bits, seed) for method in NAMES for bits in (16, 32) for seed in (0, 1)]


@pytest.fixture
def root(tmp_path, pairs):
    """ConMH was perturbed at both lengths, ITQ at 32 bits for seed 0 alone."""
    results = put(tmp_path / "results", *pairs)
    for item, arrays in pairs:
        if item.identity.method == "conmh" or (item.identity.bits, item.identity.seed) == (32, 0):
            perturbed(results, item, arrays, 0.3 + 0.1 * item.identity.seed)
    return results


def read(root):
    found = store.scan(root)
    (group,) = matrix.build(found.records)
    stored = Stored(root, found.folders)
    return group, stored, losses.gather(group, stored)


def build(root, out):
    with without_pdf():
        return page.build(root, out).read_text(encoding="utf-8")


def line(lines, label, bits):
    (found,) = [one for one in lines if (one.row.label, one.bits) == (label, bits)]
    return found


def test_shares_are_means_over_seeds_of_each_seeds_own_share(root, pairs):
    _, _, lines = read(root)
    conmh = line(lines, "ConMH", 16)
    shares = []
    for item, _ in pairs[:2]:
        held = json.loads((folder_of(root, item) / robustness_file.FILE).read_text())
        place = conditions().index(DROP)
        clean, left = held["clean"]["strict"]["map@20"], held["perturbed"][place]["map"]["strict"]["map@20"]
        shares.append((clean - left) / clean)
    assert conmh.relative("strict", DROP) == pytest.approx(shares)
    group, stored, _ = read(root)
    ends = losses.intervals(group, lines, "strict", stored, None)
    shown = losses.table(lines, "strict", NAMES, ends, "ucf101")
    row = next(r for r in shown.rows if (r.label, r.bits) == ("ConMH", 16))
    cell = row.cells[shown.heads.index("drop 0.5")]
    assert cell.text == f"{100 * np.mean(shares):.1f} %" and cell.deviation == f"±{100 * np.std(shares, ddof=1):.1f}"
    assert cell.sure and shown.heads[-1] == "noise 1 σ"
    blind = row.cells[shown.heads.index("shuffle 1")]
    assert (blind.text, blind.interval, blind.sure) == ("0.0 %", "0.000 [0.000, 0.000]", False)


def test_intervals_are_over_queries_of_the_mean_over_seeds(root):
    group, stored, lines = read(root)
    found = losses.intervals(group, lines, "field", stored, None)
    conmh = line(lines, "ConMH", 32)
    table = np.mean([stored.perturbed_precisions(item, held, "field") for item, held in conmh.measured], axis=0)
    columns = [1 + conditions().index(c) for c in losses.reference()]
    low, high = bootstrap_interval(table[:, :1] - table[:, columns], seed=0)
    np.testing.assert_allclose(found["ConMH", 32], np.stack([low, high], axis=1), atol=1e-12)
    assert set(found) == {("ConMH", 16), ("ConMH", 32), ("ITQ", 32)}


def test_intervals_are_kept_and_a_damaged_file_is_made_again(root, tmp_path, monkeypatch):
    group, stored, lines = read(root)
    calls = []

    def counted(*args, **options):
        calls.append(1)
        return bootstrap_interval(*args, **options)

    monkeypatch.setattr(statistics, "bootstrap_interval", counted)
    first = losses.intervals(group, lines, "field", stored, tmp_path)
    assert losses.intervals(group, lines, "field", stored, tmp_path) == first and len(calls) == 1
    (path,) = tmp_path.glob("robustness-*.json")
    path.write_text(path.read_text().replace("0.", "1.", 1))
    assert losses.intervals(group, lines, "field", stored, tmp_path) == first and len(calls) == 2
    assert cached(None, "x", lambda: 3) == 3


def test_cells_without_it_are_shown_with_the_command(root, tmp_path):
    text = build(root, tmp_path / "out")
    assert text.count("<h3>Robustness</h3>") == 1
    commands = re.findall(r"<code>(python -m benchmark robustness [^<]*)</code>", text)
    base = "python -m benchmark robustness --methods itq --datasets ucf101"
    assert set(commands) == {f"{base} --bits 16 --seeds 0 1", f"{base} --bits 32 --seeds 1"}
    assert "not run: its queries were not perturbed" in text
    assert "ITQ, 32 bits lacks seed 1" in text


def test_what_is_of_replaced_codes_is_not_shown(root, pairs):
    item, _ = pairs[0]
    item.metrics["field"].metrics["map@20"] += 0.01
    store.write(folder_of(root, item), item)
    _, _, lines = read(root)
    ((_, reason),) = line(lines, "ConMH", 16).lacking
    assert reason == "robustness.json is of codes that were replaced since"


def test_a_page_without_robustness_has_no_trace_of_it(tmp_path, pairs):
    text = build(put(tmp_path / "results", *pairs), tmp_path / "out")
    assert "obustness" not in text and ".small-multiples" not in text
    assert not list((tmp_path / "out").glob("*/*robustness*"))
    assert not list((tmp_path / "out" / "cache").glob("robustness*"))


def test_files_say_what_the_page_says(root, tmp_path):
    build(root, tmp_path / "out")
    group, stored, lines = read(root)
    lost = line(lines, "ConMH", 16).losses("field", DROP)
    stem = tmp_path / "out" / "tables" / "robustness-ucf101-field"
    rows = list(csv.DictReader(io.StringIO(stem.with_suffix(".csv").read_text())))
    assert len(rows) == 3 * 20 * 8
    asked = {"row": "ConMH", "bits": "16", "perturbation": "drop", "strength": "0.5", "k": "20"}
    (found,) = [row for row in rows if asked.items() <= row.items()]
    assert float(found["loss"]) == np.mean(lost) and float(found["loss_deviation"]) == pytest.approx(
        np.std(lost, ddof=1)
    )
    assert (found["n"], found["seeds"]) == ("2", "0 1") and {row["k"] for row in rows} >= {"5", "100", "full"}
    ends = losses.intervals(group, lines, "field", stored, None)
    shown = losses.table(lines, "field", NAMES, ends, "ucf101")
    first = shown.rows[0]
    tex = latex_rows(stem.with_suffix(".tex").read_text())
    (cells,) = [cells for cells, _ in tex if cells[0] == "ConMH" and cells[1].startswith(first.clean.text)]
    assert (
        cells[2] == first.cells[0].text.replace("%", r"\%") + rf" {{\scriptsize $\pm${first.cells[0].deviation[1:]}}}"
    )
    assert any("not run" in " ".join(cells) for cells, _ in tex) and any("$\\sigma$" in cells[-1] for cells, _ in tex)
    text = stem.with_suffix(".md").read_text()
    assert f"| ConMH | 16 | {first.clean.text} {first.clean.deviation} | {first.cells[0].text}" in text
    assert "| ITQ | 16 | not run |" in text


def test_curves_begin_at_the_clean_queries_and_have_the_look_of_their_method(root):
    _, _, lines = read(root)
    at_16 = [one for one in lines if one.bits == 16]
    (curve,) = figure.curves(at_16, "field", "drop", NAMES)
    clean = line(lines, "ConMH", 16).maps("field", None)
    assert curve.x == [0.0, 0.25, 0.5, 0.75, 0.9] and curve.y[0] == np.mean(clean)
    assert curve.spread[0] == pytest.approx(np.std(clean, ddof=1)) and curve.y[-1] < curve.y[0]
    assert curve.look == style.look("conmh", NAMES)
    single = next(c for c in figure.curves(lines, "field", "noise", NAMES) if c.label == "ITQ")
    assert single.spread is None


def test_figures_are_files_and_panels_of_the_page(root, tmp_path):
    text = build(root, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out" / "figures").glob("*-robustness.*")}
    stems = [f"ucf101-{preset}-{bits}-robustness" for preset in ("field", "strict") for bits in (16, 32)]
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "pdf")}
    for stem in stems:
        assert text.count(f'aria-labelledby="alt-{stem}-') == 5
    alt = re.search(r'id="alt-ucf101-field-16-robustness-drop">([^<]*)<', text)[1]
    assert re.fullmatch(r"Dropped frames, UCF101, 16 bits, field protocol: mAP@20\. ConMH 0\.\d{3} clean, "
                        r"0\.\d{3} at 0\.9 of the frames\.", alt)  # fmt: skip
    drawn = (tmp_path / "out" / "figures" / f"{stems[0]}.svg").read_text()
    assert all(title in drawn for title in losses.TITLES.values())


def test_the_same_records_give_the_same_bytes(root, tmp_path):
    assert build(root, tmp_path / "a") == build(root, tmp_path / "b")


def test_zeros_have_no_sign():
    assert [losses.signed(v, 1) for v in (-0.04, 0.0, -0.06, 1.25)] == ["0.0", "0.0", "−0.1", "1.2"]
