"""One function says what has become of a cell; dataset and key together say which cell it is."""

import shutil
from types import SimpleNamespace

import pytest
from filelock import FileLock

from benchmark.cells import state
from benchmark.cli import main
from benchmark.paths import ROOT
from benchmark.records import record, store
from benchmark.records.code_digest import code_digest
from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions

FILE = "datasets/moving_digits.py"


def make(dataset="moving_digits", key="abc", **changes):
    identity = record.Identity(
        method="lsh", method_title="LSH", variant="default", dataset=dataset, dataset_title="D", bits=16, seed=0,
        config={}, budget={},
    )  # fmt: skip
    code = {"dataset_file": FILE, "digest": code_digest("lsh", ROOT / FILE)}
    return record.Record(**{"status": "done", "key": key, "identity": identity, "code": code, **changes})


def cell(skip=None, curve=None):
    return SimpleNamespace(skip=skip, options=RunOptions() if curve is None else RunOptions(curve=curve))


def test_a_folder_without_a_record_is_missing_running_or_interrupted(tmp_path):
    assert state.state_of(tmp_path / "none").state == "missing"
    (tmp_path / record.CHECKPOINT).touch()
    assert state.state_of(tmp_path).state == "interrupted"
    with FileLock(tmp_path / state.LOCK):
        assert state.state_of(tmp_path).state == "running"
    assert state.state_of(tmp_path, cell(skip="too long")) == state.CellState("unsupported", "too long")


def test_a_record_is_done_stale_failed_or_damaged(tmp_path):
    store.write(tmp_path, make(finished="today"))
    assert state.state_of(tmp_path) == state.CellState("done", "today")
    for code in ({}, {"dataset_file": FILE, "digest": "other"}, {"dataset_file": "datasets/gone.py"}):
        store.write(tmp_path, make(code=code))
        assert state.state_of(tmp_path).state == "stale" and state.is_stale(make(code=code))
    (tmp_path / record.RECORD).write_text("{")
    assert state.state_of(tmp_path).state == "damaged"
    (tmp_path / record.RECORD).unlink()
    failure = record.Failure(phase="fit", type="E", message="no", traceback="")
    store.write(tmp_path, make(status="failed", failure=failure))
    assert state.state_of(tmp_path) == state.CellState("failed", "fit: no")


def test_a_record_without_the_curve_that_a_cell_asks_for_is_done_only_for_others(tmp_path):
    store.write(tmp_path, make(training={"stages": [{"name": "train", "epochs": 3}], "curve": [{"epoch": 3}]}))
    assert state.state_of(tmp_path).state == "done"
    assert state.state_of(tmp_path, cell()).state == "done"
    assert state.state_of(tmp_path, cell(curve=Curve((3,)))).state == "done"
    assert state.state_of(tmp_path, cell(curve=Curve((2,)))).state == "no curve"


def test_cells_of_two_datasets_with_one_key_are_two(tmp_path):
    for dataset in ("one", "two"):
        store.write(record.cell_folder(tmp_path, dataset, "lsh", 16, 0, "abc"), make(dataset))
    folders = store.scan(tmp_path).folders
    assert {place: folder.parents[2].name for place, folder in folders.items()} == {
        ("one", "abc"): "one",
        ("two", "abc"): "two",
    }


def test_datasets_of_equal_content_are_both_run_again(tiny, tmp_path, cache_root, capsys, monkeypatch):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    twin = shutil.copytree(tiny, tmp_path / "twin")
    toml = (twin / "dataset.toml").read_text().replace('name = "tiny"', 'name = "twin"')
    (twin / "dataset.toml").write_text(toml)
    words = ["run", "--methods", "lsh", "--bits", "8", "--datasets", str(tiny), str(twin), "--no-page"]
    words += ["--results", str(tmp_path / "results")]
    assert main(words) == 0
    contents = store.scan(tmp_path / "results")
    assert len({item.key for item in contents.records}) == 1 and len(contents.folders) == 2
    capsys.readouterr()
    assert main([*words, "--rerun", "all"]) == 0
    assert "kept" not in capsys.readouterr().out
    assert main(["robustness", "--results", str(tmp_path / "results"), "--no-page"]) == 0
    assert capsys.readouterr().out.count("loses") == 2


@pytest.mark.parametrize("name", ["baselines"])
def test_folders_that_hold_no_cells_are_left_out(tmp_path, name):
    (tmp_path / name / "lsh" / "16" / "seed0-abc").mkdir(parents=True)
    assert state.states(tmp_path) == []
