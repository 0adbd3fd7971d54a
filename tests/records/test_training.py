"""Training as a record holds it: files of before it had types keep every value and every key."""

import json

import pytest
from pydantic import ValidationError

from benchmark.records import record, store
from benchmark.records.training import HeldOut, Selection, StageHistory

STAGES = [
    {"name": "first", "epochs": 2, "steps": 9, "seconds": 1.5, "losses": {"total": [2.0, 1.0], "gone": [None, 0.5]}},
    {"name": "main", "epochs": 1, "planned": 4, "steps": 3, "seconds": 0.5, "waited": 0.1, "losses": {"total": [0.5]}},
]
MAPS = {"field": {"map@20": 0.5, "map": None}}
SELECTION = {
    "on": "validation",
    "by": "map@20, strict protocol",
    "every": 2,
    "epoch": 2,
    "candidates": [{"epoch": 2, "value": 0.7}, {"epoch": 4, "value": 0.6}],
    "last": {"epoch": 4, "metrics": MAPS},
    "slice": {
        "queries": 12,
        "database": 100,
        "trained_on": 108,
        "relevant": 10,
        "whole_groups": False,
        "digest": "0123",
    },
}


@pytest.fixture
def stored(golden):
    return json.loads((golden / "record_schema_1.json").read_text())


def written(raw):
    return record.Record.model_validate(raw).model_dump(mode="json")


def test_a_record_of_before_is_written_as_it_was(stored):
    assert written(stored)["training"]["stages"] == stored["training"]["stages"]
    stored["training"]["stages"] = STAGES
    stored["training"]["curve"] = [{"epoch": 1, "seconds": 0.5, "metrics": MAPS}]
    stored["selection"] = SELECTION
    assert written(stored)["training"]["stages"] == STAGES
    assert written(stored)["training"]["curve"] == stored["training"]["curve"]
    assert written(stored)["selection"] == SELECTION


def test_without_held_out_videos_the_record_names_none(stored):
    stored["selection"] = {key: value for key, value in SELECTION.items() if key != "slice"}
    assert written(stored)["selection"] == stored["selection"]
    assert Selection(slice=HeldOut(queries=1, database=2, relevant=1)).slice.trained_on is None


def test_what_a_later_version_adds_is_kept(stored):
    stored["training"]["stages"] = [{**STAGES[0], "rate": 0.1}]
    assert written(stored)["training"]["stages"] == stored["training"]["stages"]


@pytest.mark.parametrize("losses", [None, {"total": "high"}, {"total": {"1": 0.5}}])
def test_losses_that_are_no_lists_of_numbers_make_a_damaged_record(stored, tmp_path, losses):
    stored["training"]["stages"] = [{**STAGES[0], "losses": losses}]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(stored))
    found = store.read(path)
    assert isinstance(found, store.Damaged) and "training.stages.0.losses" in found.reason
    with pytest.raises(ValidationError):
        StageHistory(name="odd", losses=losses)


def test_epochs_that_were_asked_for():
    whole, cut = (StageHistory.model_validate(stage) for stage in STAGES)
    assert (whole.schedule, cut.schedule) == (2, 4)
    assert record.epochs_text([whole, cut]) == "2+1 of 2+4"
