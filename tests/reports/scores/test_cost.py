"""Quality against cost: means over seeds, a hole where a record holds no number, and one figure."""

from __future__ import annotations

from reports import page
from reports.matrix import grouping as matrix
from reports.scores import cost
from tests.support.fakes import full_matrix, make, store


def group(*records):
    (found,) = matrix.build(records)
    return found


def changed(record, **timing):
    return record.model_copy(update={"timing": {**record.timing, **timing}})


def test_cells_are_means_over_seeds():
    records = [
        changed(make(seed=0, level=0.6), fit=10.0, prepare=1.0, encode_videos_per_second=100.0),
        changed(make(seed=1, level=0.7), fit=20.0, prepare=3.0, encode_videos_per_second=300.0),
    ]
    (row,) = cost.table_rows(group(*records), "field", ["conmh"])
    cells = dict(zip([head for head, _ in cost.HEADS], row.cells, strict=True))
    assert (cells["bits"], cells["mAP@20"], cells["epochs"]) == ("64", "0.628", "40")
    assert (cells["fit"], cells["encode"], cells["code"]) == ("17.0 s", "200", "8")
    assert cells["parameters"].replace("\u202f", ",") == "1,234,567"
    assert (cells["peak memory"], cells["bit balance"], cells["zeros"]) == ("700 MiB", "0.031", "0.000")


def test_what_a_record_does_not_hold_is_a_dash_and_no_point():
    record = make().model_copy(update={"timing": {}, "diagnostics": {"bit_balance": float("nan")}})
    found = group(record)
    (row,) = cost.table_rows(found, "field", ["conmh"])
    assert row.cells[3:5] == ["—", "—"] and row.cells[8:] == ["—"] * 4
    assert cost.draw(found, "field", ["conmh"]) is None


def test_failed_and_missing_cells_have_no_row():
    found = group(make(bits=32, failed="no memory"), make(bits=64))
    assert [row.cells[0] for row in cost.table_rows(found, "field", ["conmh"])] == ["64"]


def test_times_of_several_machines_are_told_apart(tmp_path):
    other = make(seed=1).model_copy(update={"environment": {"processor": "another"}})
    assert cost.machines(group(make(), other)) == 2
    text = page.build(store(tmp_path / "r", make(), other), tmp_path / "o").read_text(encoding="utf-8")
    assert "these records are of 2 machines" in text


def test_the_figure_says_in_words_what_it_shows():
    found = next(g for g in matrix.build(full_matrix()) if g.name == "ucf101")
    drawing = cost.draw(found, "field", matrix.methods([found]))
    assert drawing.name == "ucf101-field-cost" and drawing.pdf.startswith(b"%PDF")
    assert "ITQ 0.5" in drawing.alt and "after 31.7 s (64 bits)" in drawing.alt
