"""Atomic writes, artefacts and records: what a kill, a second process or a damaged file can do to them."""

import json
import multiprocessing
import time

import numpy as np
import pytest

from benchmark.files.artefacts import ArtefactStore
from benchmark.files.atomic import replacing, sweep, write_json, write_text
from benchmark.records import record, store
from benchmark.records.record import Identity, Record


def make_record(**changes):
    identity = Identity(
        method="m",
        method_title="M",
        variant="default",
        dataset="d",
        dataset_title="D",
        bits=16,
        seed=0,
        config={},
        budget={},
    )
    return Record(**{"status": "done", "key": "abc", "identity": identity, **changes})


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_writer_left_is_swept_by_name(tmp_path):
    for name in (".a.txt.k3j.tmp", ".b.txt.x9z.tmp", "a.txt"):
        (tmp_path / name).write_text("")
    sweep(tmp_path, "a.txt")
    assert {file.name for file in tmp_path.iterdir()} == {".b.txt.x9z.tmp", "a.txt"}
    sweep(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"a.txt"}


def test_json_keeps_floats_unrounded(tmp_path):
    write_json(tmp_path / "a.json", {"value": 0.1 + 0.2})
    assert json.loads((tmp_path / "a.json").read_text())["value"] == 0.1 + 0.2


def test_artefact_is_made_once_per_content_and_parameters(tmp_path):
    store, made = ArtefactStore(tmp_path), []

    def get(of="x", **params):
        return store.get("graph", lambda: made.append(1) or {"a": np.arange(3)}, of=of, params=params)["a"]

    assert np.array_equal(get(k=3), np.arange(3))
    get(k=3)
    assert len(made) == 1
    get(k=4)
    get(of="y", k=3)
    assert len(made) == 3


def test_a_damaged_artefact_is_made_again(tmp_path):
    store = ArtefactStore(tmp_path)
    store.get("graph", lambda: {"a": np.arange(1000)}, of="x", params={})
    file = next(tmp_path.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:200])
    assert len(store.get("graph", lambda: {"a": np.arange(5)}, of="x", params={})["a"]) == 5


def _slow_artefact(folder, queue):
    def make():
        queue.put("made")
        time.sleep(0.5)
        return {"a": np.arange(4)}

    ArtefactStore(folder).get("graph", make, of="x", params={})


def test_two_processes_make_an_artefact_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_slow_artefact, args=(tmp_path, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert queue.get(timeout=5) == "made"
    time.sleep(0.1)
    assert queue.empty()


def test_record_survives_writing_and_reading_unrounded(tmp_path):
    value = make_record(
        diagnostics={"bit_balance": 1 / 3},
        metrics={"field": {"protocol": {}, "metrics": {"map@5": 0.1 + 0.2, "map": float("nan")}}},
    )
    folder = record.cell_folder(tmp_path, "d", "m", 16, 0, "abc")
    store.write(folder, value)
    read = store.load(folder)
    assert read.diagnostics["bit_balance"] == 1 / 3
    assert read.metrics["field"].metrics["map@5"] == 0.1 + 0.2
    assert read.metrics["field"].metrics["map"] is None
    assert folder.relative_to(tmp_path).as_posix() == "d/m/16/seed0-abc"


def test_a_failure_never_counts_as_done_and_success_removes_it(tmp_path):
    failure = record.Failure(phase="fit", type="TrainingDiverged", message="no", traceback="")
    store.write(tmp_path, make_record(status="failed", failure=failure))
    assert not (tmp_path / record.RECORD).exists()
    assert store.load(tmp_path).status == "failed"
    store.write(tmp_path, make_record())
    assert store.load(tmp_path).status == "done"
    assert not (tmp_path / record.FAILURE).exists()


def test_scan_reports_damaged_files_and_skips_baselines(tmp_path):
    good = record.cell_folder(tmp_path, "d", "m", 16, 0, "abc")
    store.write(good, make_record())
    for name, text in {"x": "{", "y": '{"schema_version": 99}', "z": '{"schema_version": 1, "status": "done"}'}.items():
        write_text(tmp_path / "d" / "m" / "16" / f"seed0-{name}" / record.RECORD, text)
    store.write(record.cell_folder(tmp_path / "baselines", "d", "m", 16, 0, "abc").parent, make_record(key="base"))
    found = store.scan(tmp_path)
    assert [item.key for item in found.records] == ["abc"]
    assert found.folders == {("d", "abc"): good}
    reasons = " ".join(item.reason for item in found.damaged)
    assert len(found.damaged) == 3
    assert "cannot be read" in reasons and "schema version 99" in reasons and "does not fit the schema at" in reasons
    assert all(isinstance(item, store.Damaged) for item in found.damaged)


def test_a_record_of_schema_1_loads_for_ever():
    """The committed file was written by the first release."""
    from pathlib import Path

    read = store.read(Path(__file__).parent.parent / "golden" / "record_schema_1.json")
    assert isinstance(read, Record)
    assert read.schema_version == 1
    assert read.metrics["field"].metrics["map@5"] > 0


def test_key_depends_on_every_part_and_not_on_order():
    assert record.cell_key({"a": 1, "b": 2}) == record.cell_key({"b": 2, "a": 1})
    assert record.cell_key({"a": 1}) != record.cell_key({"a": 2})
