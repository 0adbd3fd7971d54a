"""Chosen epochs, learning curves, budgets of time and drawn parts on the page."""

import csv
import io

import numpy as np
import pytest

from benchmark.records.expected import ExpectedCell
from benchmark.records.training import CurvePoint, HeldOut, LastEpoch, Selection
from reports import page, record_words
from reports.matrix.grouping import build
from reports.matrix.holes import fill_command, holes
from reports.matrix.labels import budget_words
from reports.scores import curves, published, ranks, selection, tables
from tests.support.fakes import make, metrics, store


def remade(record, **identity):
    """The record as another cell: its identity changed, its key too."""
    record.identity = record.identity.model_copy(update=identity)
    record.key += "-".join(f"{key}{value}" for key, value in sorted(identity.items()))
    return record


def chosen(on="test", seed=0, gain=0.05, level=0.6, **options):
    record = remade(make(seed=seed, level=level, **options), selection=on)
    last = {name: {"map@20": held.metrics["map@20"] - gain} for name, held in record.metrics.items()}
    record.selection = Selection(on=on, epoch=7, last=LastEpoch(epoch=40, metrics=last))
    return record


def curved(epochs, seed=0, level=0.5, **options):
    record = make(seed=seed, level=level, **options)
    record.training.curve = [
        CurvePoint(epoch=e, seconds=2.0 * e, metrics={p: {"map@20": level - 1 / (1 + e)} for p in ("field", "strict")})
        for e in epochs
    ]
    return record


def test_rows_of_other_epochs_are_never_averaged():
    records = [make(level=0.5), chosen("test"), chosen("validation"), remade(chosen("validation"), eval_every=5)]
    (group,) = build(records)
    assert [len(row.records) for row in group.rows] == [1, 1, 1, 1]
    labels = {row.label for row in group.rows}
    assert labels == {
        "ConMH",
        "ConMH [epoch chosen on test queries]",
        "ConMH [epoch chosen on held-out videos]",
        "ConMH [epoch chosen on held-out videos, every 5]",
    }
    assert {fill_command(group, row, [16], [3]).partition("--seeds 3")[2] for row in group.rows} == {
        "",
        " --select test",
        " --select validation",
        " --select validation --eval-every 5",
    }


def test_what_saw_the_test_queries_is_marked_and_wins_nothing(tmp_path):
    records = [make(level=0.5), make("itq", level=0.4), chosen("test", level=0.9)]
    (group,) = build(records)
    found = tables.table(group, "field", ["conmh", "itq"])
    places = {row.label: row.cells[0].place for row in found.rows}
    assert places == {"ConMH": "best", "ITQ": "second", "ConMH [epoch chosen on test queries]": ""}
    html = page.build(store(tmp_path / "results", *records), tmp_path / "out").read_text(encoding="utf-8")
    assert html.count('<span class="tag">saw the test queries</span>') == 2  # one table for each protocol
    assert "Over the last epoch it gained, in mAP@20, +0.050 at 64 bits." in html
    assert "No checkpoint was chosen by looking at test queries" not in html
    plain = page.build(store(tmp_path / "plain", *records[:2]), tmp_path / "plain-out").read_text(encoding="utf-8")
    assert "No checkpoint was chosen by looking at test queries" in plain and "saw the test queries<" not in plain


def test_the_gain_is_the_mean_over_seeds_of_chosen_less_last():
    (group,) = build([chosen(seed=0, gain=0.05, level=0.6), chosen(seed=1, gain=-0.01, level=0.5)])
    (line,) = selection.table(group, ["conmh"])
    assert (line.gain, line.epochs, line.seeds) == ("+0.020", "7 of 40, 7 of 40", 2)
    assert (line.chosen, line.last) == ("0.528", "0.508")
    assert line.slice == "the test queries"
    lost = chosen("validation", gain=-0.01)
    lost.selection.slice = HeldOut(queries=76, database=679, relevant=20)
    (line,) = selection.table(build([lost])[0], ["conmh"])
    assert line.gain == "−0.010"
    assert line.slice == "76 held-out training videos in 679, 20 nearest relevant"
    assert selection.warnings(build([lost])[0], build([lost])[0].rows[0]) == []
    broken = chosen()
    broken.selection = Selection(last=LastEpoch(metrics={"field": {"map@20": None}}))
    assert selection.table(build([broken])[0], ["conmh"]) == []


def test_a_learning_curve_is_the_mean_over_seeds_at_the_epochs_they_share():
    records = [curved([1, 2, 4, 8], 0), curved([2, 4, 8], 1, level=0.7), make("itq")]
    (group,) = build(records)
    (line,) = curves.curves(group, "field", 64, "learning", ["conmh", "itq"])
    assert line.x.tolist() == [2, 4, 8]
    np.testing.assert_allclose(line.y, 0.6 - 1 / (1 + np.array([2, 4, 8])))
    np.testing.assert_allclose(line.spread, 0.2 / np.sqrt(2))
    drawing = curves.draw(group, "field", 64, "learning", ["conmh", "itq"])
    assert drawing.svg.startswith(b"<?xml") and drawing.pdf.startswith(b"%PDF")
    assert "ConMH 0.267 at epoch 2, 0.489 at epoch 8" in drawing.alt
    assert curves.draw(build([make()])[0], "field", 64, "learning", ["conmh"]) is None
    assert curves.draw(build([curved([3])])[0], "field", 64, "learning", ["conmh"]) is None


def test_all_points_of_learning_curves_are_a_file(tmp_path):
    path = page.build(store(tmp_path / "results", curved([1, 3])), tmp_path / "out")
    assert (tmp_path / "out" / "figures" / "ucf101-field-64-learning.svg").exists()
    text = (tmp_path / "out" / "tables" / "learning-ucf101.csv").read_text()
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["map"]]
    assert {(line["epoch"], line["preset"], line["k"]) for line in lines} == {
        (epoch, preset, "20") for epoch in "13" for preset in ("field", "strict")
    }
    assert float(lines[0]["map"]) == 0.0 and lines[0]["seconds"] == "2.0"
    assert "mAP by epoch" in path.read_text(encoding="utf-8")
    page.build(store(tmp_path / "plain", make()), tmp_path / "out")
    assert not (tmp_path / "out" / "tables" / "learning-ucf101.csv").exists()


def test_a_cell_that_time_cut_short_says_of_how_many_epochs():
    record = make(budget={"epochs": 40, "seconds": 90})
    record.training.stages[0].epochs, record.training.stages[0].planned = 3, 40
    record.training.stopped_by = "time"
    assert record_words.epochs(record) == "3 of 40 (time)"
    (group,) = build([record, make()])
    assert {row.label for row in group.rows} == {"ConMH [epochs 40, time budget 90 s]", "ConMH"}
    assert budget_words({"seconds": 600}) == {"time budget": "10 min"}
    assert budget_words({"seconds": 5400}) == {"time budget": "90 min"}
    assert "--epochs 40 --time-budget 90s" in fill_command(group, group.rows[-1], [16], [0])


def test_a_drawn_part_is_a_group_of_its_own_and_its_holes_are_filled_from_it():
    part = remade(make(fingerprint="part"), subset=240)
    cell = ExpectedCell(identity=remade(make("itq"), subset=240).identity, fingerprint="part")
    groups = build([make(), part], [cell])
    assert [group.label for group in groups] == ["UCF101", "UCF101 (subset of 240)"]
    assert groups[0].drawn is None and groups[1].drawn == 240
    (hole,) = [hole for hole in holes(groups[1]) if hole.label == "ITQ" or "itq" in hole.label]
    assert "--subset 240" in hole.command
    assert all("--subset" not in hole.command for hole in holes(groups[0]))
    unseen = build([], [cell])
    assert [group.label for group in unseen] == ["UCF101 (subset of 240)"]


def test_parts_and_rows_that_saw_the_test_queries_take_no_part_in_ranks():
    def both(dataset, **changes):
        return [
            make(name, dataset, fingerprint=changes.pop("fingerprint", f"{dataset}-f"), **changes)
            for name in ("conmh", "itq")
        ]

    whole = both("ucf101") + both("moving_digits")
    ranked = ranks.ranks(build(whole), "field")
    part = [remade(record, subset=240) for record in both("ucf101", fingerprint="part")]
    for record in part:
        record.data.fingerprint = "part"
    seen = (
        chosen("test", dataset="ucf101", fingerprint="ucf101-f"),
        chosen("test", dataset="moving_digits", fingerprint="moving_digits-f"),
    )
    assert ranks.ranks(build([*whole, *part, *seen]), "field") == ranked
    assert len(ranked.datasets) == 2


@pytest.mark.parametrize(
    ("metric", "hindered", "remark"),
    [
        ("best test epoch", False, "both chose the epoch on the test queries"),
        ("last epoch", True, None),
    ],
)
def test_published_numbers_are_compared_with_an_epoch_chosen_alike(metric, hindered, remark):
    record = chosen()
    record.data.subset = False
    record.data.splits = {}
    (group,) = build([record])
    entry = published.Published("conmh", "ucf101", 64, metric, "somewhere", ((20, 0.5),))
    (found,) = published.comparisons(group, [entry])
    assert ("our epoch was chosen on the test queries, the published one was not" in found.hindrances) == hindered
    assert remark is None or remark in found.remarks
    assert metrics(0.5, 16)["map@20"] < 0.5
