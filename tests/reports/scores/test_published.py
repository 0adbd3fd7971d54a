"""Published numbers: read from the project's file, and subtracted only where they measure the same thing."""

from __future__ import annotations

import csv
import dataclasses

import pytest

from reports import page
from reports.matrix import grouping as matrix
from reports.scores import published
from reports.scores.published import Published, comparisons, load
from tests.support.fakes import PROTOCOLS, make, store

ENTRY = Published("ConMH", "FCVID", 64, "mAP@K", "ConMH:README.md", ((5, 0.524), (20, 0.373), (7, 0.5)))


def group(*records):
    (found,) = matrix.build(records)
    return found


def fcvid(seed=0, **changes):
    return make("conmh", "fcvid", 64, seed, level=0.6061, dataset_title="FCVID", **changes)


def test_the_file_is_whole():
    with open(published.FILE, newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == sum(len(entry.values) for entry in load()) == 540
    assert all(line["source"] and 0 < float(line["value"]) < 1 for line in lines)
    (conmh,) = [e for e in load() if (e.method, e.dataset, e.bits) == ("ConMH", "FCVID", 64)]
    assert conmh.values[:2] == ((5, 0.524), (20, 0.373)) and conmh.source == "ConMH:README.md"


def test_a_difference_of_the_same_measurement():
    (found,) = comparisons(group(fcvid(0), fcvid(1)), [ENTRY])
    assert found.hindrances == () and found.bits == 64
    assert [point[0] for point in found.points] == ["@5", "@20"], "K = 7 is not measured"
    _, value, own, spread, difference = found.points[0]
    assert (value, own, spread) == ("0.524", "0.601", "±0.000")
    assert difference == "+0.077"
    assert "2 seeds here, one number there" in found.remarks and published.TIES in found.remarks


@pytest.mark.parametrize(
    ("record", "entry", "said"),
    [
        (make("conmh", "ucf101", 64), {"dataset": "UCF101"}, "subset"),
        (fcvid(budget={"epochs": 20}), {}, "trained under a budget (epochs 20)"),
        (fcvid(), {"source": "x (first 4000 test videos as queries)"}, "first test videos only"),
        (fcvid(), {"source": "y (code length not stated in the file)"}, "code length is not stated"),
    ],
)
def test_what_is_never_shown_as_a_reproduction(record, entry, said):
    (found,) = comparisons(group(record), [dataclasses.replace(ENTRY, **entry)])
    assert any(said in text for text in found.hindrances)
    assert all(point[-1] == "" for point in found.points)


def test_another_protocol_hinders():
    record = fcvid()
    other = {**PROTOCOLS["field"], "self_match": "exclude"}
    measured = record.metrics["field"].model_copy(update={"protocol": other})
    record = record.model_copy(update={"metrics": {**record.metrics, "field": measured}})
    (found,) = comparisons(group(record), [ENTRY])
    assert found.hindrances == ("another protocol (self_match is exclude)",)


def test_videos_of_another_number_hinder():
    record = fcvid()
    splits = dict(record.data.splits)
    splits["query"] = splits["query"].model_copy(update={"official": 45_600})
    record = record.model_copy(update={"data": record.data.model_copy(update={"splits": splits})})
    (found,) = comparisons(group(record), [ENTRY])
    assert found.hindrances == ("measured on other videos than the published ones",)


def test_remarks():
    record = fcvid(variant="released")
    record = record.model_copy(update={"rerun": f"{record.rerun} --set conmh.learning_rate=1e-4 conmh.size=mini --x 1"})
    entry = dataclasses.replace(ENTRY, metric="mAP@K; in-training eval with best test mAP@5")
    (found,) = comparisons(group(record), [entry])
    assert found.remarks[:3] == (
        "the published epoch was chosen on the test queries, ours is the last",
        "settings differ from the preset (conmh.learning_rate=1e-4 conmh.size=mini)",
        "variant: released",
    )


def test_other_methods_lengths_and_data_have_no_comparison():
    for other in ({"method": "S5VH"}, {"dataset": "YFCC"}, {"bits": 32}):
        assert comparisons(group(fcvid()), [dataclasses.replace(ENTRY, **other)]) == []
    failed = fcvid(failed="no memory")
    assert comparisons(group(failed), [ENTRY]) == []


def test_the_page_shows_both(tmp_path):
    root = store(tmp_path / "results", fcvid(), make("itq", "moving_digits", 16))
    text = page.build(root, tmp_path / "out").read_text(encoding="utf-8")
    assert "<td>0.524</td><td>0.601</td><td>+0.077</td>" in text.replace("\n", "")
    assert "holds no published number" in text
