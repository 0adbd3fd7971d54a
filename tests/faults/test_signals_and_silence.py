"""SIGTERM ends every process that a verb has started; long phases say something while output is no terminal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.fault_inputs import make_dataset

ENDED = (143, 130, -signal.SIGTERM)
"""Exit codes of a command that was told to end; never 0."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")


def descendants(process):
    """Return the ids of all processes below one, from /proc."""
    below, todo = [], [process]
    while todo:
        parent = todo.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text().split()]
            except OSError:
                continue
            below += children
            todo += children
    return below


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(root, cache_root, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", *map(str, words)], cwd=root, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env={**os.environ, "VIDEO_HASHING_CACHE": str(cache_root)},
    )  # fmt: skip


def ended(process, number, ready, within=60.0):
    """Wait until ``ready``, send a signal, and return what was printed and the processes that went on."""
    until = time.monotonic() + 180
    while not ready():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.1)
    children = descendants(process.pid)
    process.send_signal(number)
    text, _ = process.communicate(timeout=within)
    until = time.monotonic() + 10
    while any(map(alive, children)) and time.monotonic() < until:
        time.sleep(0.1)
    left = [child for child in children if alive(child)]
    for child in left:
        os.kill(child, signal.SIGKILL)
    return text, left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_scale_leaves_no_process(root, cache_root, tmp_path, number):
    process = start(root, cache_root, "scale", "--methods", "lsh", "--sizes", 64, 4_000_000, "--dim", 512, "--out",
                    tmp_path / "scale")  # fmt: skip
    first = tmp_path / "scale" / "scaling.json"
    text, left = ended(process, number, lambda: first.exists() and len(descendants(process.pid)) > 0)
    assert left == []
    assert process.returncode in ENDED
    assert "kept" in text and "Traceback" not in text
    assert first.exists()


def test_a_run_that_is_told_to_end_keeps_its_checkpoint_and_says_so(root, cache_root, tmp_path):
    folder = make_dataset(tmp_path / "plain")
    words = (
        *("run", "--methods", "conmh", "--datasets", folder, "--bits", 16, "--epochs", 5000, "--no-page"),
        *("--results", tmp_path / "results"),
    )
    process = start(root, cache_root, *words)
    text, left = ended(process, signal.SIGTERM, lambda: list((tmp_path / "results").rglob("checkpoint.pt")))
    assert left == []
    assert process.returncode in ENDED
    assert "the same command goes on" in text and "Traceback" not in text
    assert list((tmp_path / "results").rglob("checkpoint.pt"))
    assert not list((tmp_path / "results").rglob("*.tmp"))


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Every interval between two lines shortened from 20 s to a tenth of a second, in this process."""
    from benchmark import progress

    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.1)


def lines_of(outcome, *words):
    """Return the lines on standard error, which is no terminal, that have one of the words."""
    lines = outcome.done().err.splitlines()
    return [line for line in lines if any(word in line for word in words)]


def test_checking_features_is_told(bench):
    import h5py
    import numpy as np

    folder = make_dataset(bench.root / "large")
    values = np.random.default_rng(0).integers(0, 4, (256, 25, 1024)).astype("f4")
    for split, n in (("train", 4096), ("query", 256)):
        with h5py.File(folder / f"{split}.h5", "w") as file:
            stored = file.create_dataset("feats", (n, 25, 1024), "f4", chunks=(8, 25, 1024), compression="gzip",
                                         compression_opts=1)  # fmt: skip
            for first in range(0, n, 256):
                stored[first : first + 256] = values + first % 7
        np.save(folder / f"{split}.npy", np.eye(4, dtype="u1")[np.arange(n) % 4])
    lines = lines_of(bench.run(folder, "--dry-run"), "train.h5")
    assert len(lines) >= 3
    assert any("%" in line for line in lines)


@pytest.mark.slow
def test_building_embedded_data_is_told(call, tmp_path):
    outcome = call("run", "--methods", "lsh", "--datasets", "moving_digits", "--bits", 16, "--subset", 240, "--no-page",
                   "--results", tmp_path / "results", "--cache", tmp_path / "cache")  # fmt: skip
    assert len([line for line in lines_of(outcome, "moving_digits") if "%" in line]) >= 3


def test_placing_codes_in_a_plane_is_told(call, cache_root, tmp_path):
    outcome = call("run", "--methods", "lsh", "--datasets", "moving_digits", "--bits", 16, "--subset", 480,
                   "--results", tmp_path / "results")  # fmt: skip
    assert lines_of(outcome, "t-SNE") and lines_of(outcome, "building the page")


def test_a_step_that_counts_nothing_is_told(capfd):
    from benchmark.progress import Progress

    with Progress("outer"):
        with Progress("inner", total=10, unit="cells") as progress:
            progress.advance(5)
            time.sleep(0.3)
        time.sleep(0.3)
    lines = capfd.readouterr().err.splitlines()
    assert any(line.startswith("inner  50%") and line.endswith(" left") for line in lines)
    assert lines[-1].startswith("outer  0:00 so far")
