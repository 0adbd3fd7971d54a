"""``scale`` end to end: what it measures, writes, keeps and draws; and what it refuses."""

import csv
import json
import pickle
import time

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.errors import BadInput
from benchmark.interfaces.videos import MemoryVideos
from benchmark.scaling import measure
from benchmark.scaling.meter import MemoryArtefacts, Meter, TimedVideos
from benchmark.scaling.steps import _chunks

SMALL = ["--dim", 16, "--bits", 8, "--steps", 2, "--device", "cpu"]
SETTINGS = ["--set", "conmh.size=mini", "conmh.batch_size=24", "itq.iterations=3"]


@pytest.fixture
def scale(monkeypatch, tmp_path, cache_root, capfd):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))

    def call(*words):
        code = main([str(word) for word in ["scale", *words, "--out", tmp_path / "out"]])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def here(monkeypatch):
    """Measure in this process: a new one takes seconds to import torch."""
    monkeypatch.setattr(measure, "in_own_process", measure.measure)
    monkeypatch.setattr(measure, "AT_LEAST", 0.0)


@pytest.mark.usefixtures("here")
def test_two_sizes_of_a_deep_and_a_classical_method(scale, tmp_path):
    words = ["--methods", "conmh", "itq", "--sizes", 64, 128, *SMALL, *SETTINGS]
    code, out, err = scale(*words, "--target", 1000)
    assert code == 0, err
    assert err.count(": measuring") == 4
    held = json.loads((tmp_path / "out" / "scaling.json").read_text())
    _check_measurements(held)
    for word in ("prepare", "training epoch", "training (fit)", "encoding", "evaluation", "whole schedule", "at 1,000"):
        assert word in out
    assert "extrapolated and not measured" in out
    _check_csv(tmp_path / "out")
    svg = (tmp_path / "out" / "scaling.svg").read_text()
    assert "ITQ" in svg and "extrapolated, not measured" in svg
    assert (tmp_path / "out" / "scaling.pdf").read_bytes().startswith(b"%PDF")

    code, again, err = scale(*words, "--target", 5000)
    assert code == 0
    assert (err.count(": kept"), err.count(": measuring")) == (4, 0)
    assert "at 5,000" in again
    code, _, err = scale("--methods", "itq", "--sizes", 128, *SMALL, "--set", "itq.iterations=3", "--rerun")
    assert (code, err.count(": measuring")) == (0, 1)
    after = json.loads((tmp_path / "out" / "scaling.json").read_text())
    assert len(after["measurements"]) == 4 and len(after["asked"]) == 1


def _check_measurements(held):
    deep, _, classical, _ = held["measurements"]
    assert [m["identity"]["train"] for m in held["measurements"]] == [64, 128, 64, 128]
    for measured in held["measurements"]:
        assert measured["identity"]["database"] == round(measured["identity"]["train"] * 101_256 / 409_788)
        assert set(measured["phases"]) == {"prepare", "training", "encode", "evaluate"}
        assert all(p["seconds"] >= 0 and p["resident"] > 2**20 for p in measured["phases"].values())
        assert measured["environment"]["packages"]["torch"] and measured["command"] and measured["finished"]
    (stage,) = deep["stages"]
    assert len(stage["step_seconds"]) == 2 and not stage["whole_epoch"]
    each = np.mean(stage["step_seconds"]) + stage["moved"]
    assert deep["phases"]["training"]["seconds"] == pytest.approx(each * 64 / 24)
    assert deep["schedule_seconds"] == pytest.approx(stage["epochs"] * each * 64 / 24)
    assert classical["stages"] == [] and classical["phases"]["prepare"]["reading"] > 0
    assert len(held["laws"]) == 2 and "not counted" not in held["counted"]["encode"]


def _check_csv(folder):
    with open(folder / "scaling.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["kind"] == "measured" for row in rows) == 16
    assert {row["videos"] for row in rows if row["kind"] == "extrapolated"} == {"1000"}


@pytest.mark.usefixtures("here")
def test_one_size_that_cannot_be_measured_does_not_stop_the_others(scale, tmp_path):
    code, out, err = scale("--methods", "itq", "--sizes", 3, 64, *SMALL)
    assert code == 1
    assert "itq, 3 videos: failed: BadInput: " in err and "Traceback" not in err
    assert "one size: no growth is fitted" in out
    assert not (tmp_path / "out" / "scaling.svg").exists()


def test_a_measurement_has_a_process_of_its_own(scale, tmp_path, monkeypatch):
    monkeypatch.setattr(Meter, "part", None)
    code, _, err = scale("--methods", "random", "--sizes", 64, *SMALL)
    assert code == 0, err
    (found,) = json.loads((tmp_path / "out" / "scaling.json").read_text())["measurements"]
    assert found["phases"]["evaluate"]["seconds"] > 0


def test_an_error_comes_back_from_the_other_process():
    error = pickle.loads(pickle.dumps(BadInput("is wrong", file="a", found=3)))
    assert str(error) == "a: is wrong; found 3"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "scale needs --methods"),
        (["--methods", "conhm"], "unknown method 'conhm'; did you mean 'conmh'?"),
        (["--methods", "itq", "--sizes", "1", "64"], "--sizes is out of range; expected 2 or more, found 1"),
        (["--methods", "itq", "--steps", "0"], "--steps is out of range"),
        (["--methods", "itq", "--target", "0"], "--target is out of range"),
        (["--methods", "itq", "--bits", "0"], "--bits is out of range"),
        (["--methods", "itq", "--dim", "16", "--bits", "32"], "16 dimensions have fewer than 32 principal directions"),
        (["--methods", "itq", "--dataset", "fcvid"], "has one size only"),
        (["--methods", "itq", "--dataset", "syntetic"], "did you mean 'synthetic'?"),
        (["--methods", "itq", "--dataset", "synthetic:videos=3"], "'videos=3' is chosen by --sizes and --dim"),
        (["--methods", "itq", "--dataset", "synthetic:clases=3"], "unknown option 'clases'"),
        (["--methods", "itq", "--preset", "fcvid"], "no method of --methods has a preset 'fcvid'"),
        (["--methods", "conmh", "--preset", "fcvd"], "did you mean 'fcvid'?"),
        (["--methods", "itq", "--set", "conmh.size=mini"], "method 'conmh' is not among --methods"),
    ],
)
def test_mistakes_end_in_one_sentence(scale, words, message):
    code, _, err = scale(*words)
    assert code == 2
    assert err.startswith("error: ") and len(err.strip().splitlines()) == 1
    assert message in err


def test_a_file_that_is_not_ours_is_refused(scale, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scaling.json").write_text("[]")
    code, _, err = scale("--methods", "itq", "--sizes", 64, 128, *SMALL)
    assert code == 2 and "is damaged or no file of measurements" in err


def test_steps_are_a_whole_epoch_or_full_batches():
    order = np.arange(50)
    assert [len(rows) for rows in _chunks(order, 20, 5)] == [20, 10, 20, 20, 10]
    assert [len(rows) for rows in _chunks(order, 10, 3)] == [10] * 5
    assert [len(rows) for rows in _chunks(order, 20, 2)] == [20] * 4
    assert [len(rows) for rows in _chunks(order, 64, 5)] == [50] * 3


def test_reading_is_told_apart_and_memory_is_the_phases_own(monkeypatch):
    videos = TimedVideos(MemoryVideos(np.zeros((8, 2, 3), np.float32)))
    clock = iter(range(100))
    monkeypatch.setattr("benchmark.scaling.meter.time.perf_counter", lambda: float(next(clock)))
    meter = Meter(torch.device("cpu"))
    with meter.part("prepare", videos):
        videos.take(np.arange(4))
    assert (meter.phases["prepare"].seconds, meter.phases["prepare"].reading) == (2.0, 1.0)
    with meter.part("training"):
        block = np.ones(2**26, np.uint8)
        time.sleep(0.1)
        del block
    with meter.part("encode"):
        pass
    training, encode = meter.phases["training"], meter.phases["encode"]
    assert training.anonymous is None or training.anonymous - encode.anonymous > 2**25


def test_artefacts_are_made_once_in_a_process():
    store, made = MemoryArtefacts(), []
    for _ in range(2):
        store.get("a", lambda: made.append(1) or {"x": np.ones(1)}, of="8 videos", params={"k": 2})
    assert made == [1]
