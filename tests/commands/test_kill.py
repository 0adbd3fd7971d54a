"""Nothing is lost: SIGKILL in training, Ctrl-C, and two runs at once on one results folder."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmark import record, registry
from benchmark.encoding import read_codes

WORDS = ["--methods", "conmh", "--bits", "16", "--set", "conmh.size=mini", "--device", "cpu", "--no-page"]


def start(tiny, cache_root, results, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", "run", "--datasets", tiny, "--results", results, *WORDS, *words],
        cwd=registry.ROOT,
        env={**os.environ, "VIDEO_HASHING_CACHE": str(cache_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    return text


def codes(results):
    (path,) = results.glob(f"*/*/*/*/{record.CODES}")
    return read_codes(path)


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_training_and_started_again_equals_uninterrupted(tiny, cache_root, tmp_path, with_signal):
    epochs = ["--epochs", "40"]
    finish(start(tiny, cache_root, tmp_path / "whole", *epochs))
    killed = start(tiny, cache_root, tmp_path / "killed", *epochs)
    until = time.monotonic() + 120
    while not list((tmp_path / "killed").glob(f"*/*/*/*/{record.CHECKPOINT}")):
        assert killed.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    killed.send_signal(with_signal)
    killed.communicate(timeout=60)
    assert killed.returncode == (-signal.SIGKILL if with_signal == signal.SIGKILL else 130)
    assert not list((tmp_path / "killed").glob(f"*/*/*/*/{record.RECORD}"))
    finish(start(tiny, cache_root, tmp_path / "killed", *epochs))
    (resumed,) = record.scan(tmp_path / "killed").records
    (whole,) = record.scan(tmp_path / "whole").records
    assert 0 < resumed.training.resumed < 40
    assert whole.training.resumed == 0
    assert resumed.training.stages[-1]["losses"] == whole.training.stages[-1]["losses"]
    assert resumed.metrics == whole.metrics
    for split, expected in codes(tmp_path / "whole").items():
        assert np.array_equal(codes(tmp_path / "killed")[split].packed, expected.packed)
    assert not list((tmp_path / "killed").rglob("*.tmp"))


def test_two_runs_at_once_share_the_cells(tiny, cache_root, tmp_path):
    words = ["--epochs", "6", "--seeds", "0", "1", "2"]
    both = [start(tiny, cache_root, tmp_path / "results", *words) for _ in range(2)]
    texts = [finish(process) for process in both]
    found = record.scan(tmp_path / "results")
    assert sorted(item.identity.seed for item in found.records) == [0, 1, 2]
    assert not found.damaged
    made = sum(text.count("6 epochs  fit ") for text in texts)  # progress lines speak of a fit as well
    assert made == 3, texts
    assert all(text.count("[3/3]") == 1 for text in texts)
