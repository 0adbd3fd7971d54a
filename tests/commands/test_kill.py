"""Nothing is lost: SIGKILL in training and in an artefact, Ctrl-C, and two runs at once on one results folder."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmark.paths import ROOT
from benchmark.records import record, store
from benchmark.records.code_file import read_codes

WORDS = ["--methods", "conmh", "--bits", "16", "--set", "conmh.size=mini", "--device", "cpu", "--no-page"]


def heeds_ctrl_c():
    """Undo what a shell does to the jobs it starts in the background: they inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(tiny, cache_root, results, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", "run", "--datasets", tiny, "--results", results, *WORDS, *words],
        cwd=ROOT,
        env={**os.environ, "VIDEO_HASHING_CACHE": str(cache_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heeds_ctrl_c,
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
    (resumed,) = store.scan(tmp_path / "killed").records
    (whole,) = store.scan(tmp_path / "whole").records
    assert 0 < resumed.training.resumed < 40
    assert whole.training.resumed == 0
    assert resumed.training.stages[-1].losses == whole.training.stages[-1].losses
    assert resumed.metrics == whole.metrics
    for split, expected in codes(tmp_path / "whole").items():
        assert np.array_equal(codes(tmp_path / "killed")[split].packed, expected.packed)
    assert not list((tmp_path / "killed").rglob("*.tmp"))


DIES_IN_AN_ARTEFACT = """
import os, signal, sys
import numpy
from benchmark.cli import main
from benchmark.records import store

def half(stream, **arrays):
    whole(stream, **arrays)
    stream.flush()
    if os.path.basename(stream.name).startswith(f".{sys.argv[1]}"):
        stream.truncate(stream.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)

whole, numpy.savez = numpy.savez, half
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("method", "artefact", "settings"),
    [
        ("bth", "bth-graph", ["bth.width=16", "bth.anchors=12", "bth.pretrain_epochs=2"]),
        ("chain", "scenes", ["chain.width=16", "chain.depth=1", "chain.heads=2"]),
        ("mcmsh", "pooled-structure", ["mcmsh.width=16", "mcmsh.anchors=12"]),
    ],
)
def test_killed_in_the_middle_of_an_artefact(tiny, tmp_path, method, artefact, settings):
    def words(name):
        folders = ["--cache", tmp_path / name / "cache", "--results", tmp_path / name / "results"]
        chosen = ["--methods", method, "--bits", "8", "--epochs", "2", "--datasets", tiny, "--set", *settings]
        return [str(word) for word in ["run", "--device", "cpu", "--no-page", *folders, *chosen]]

    def python(*arguments):
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, text = python("-c", DIES_IN_AN_ARTEFACT, artefact, *words("killed"))
    assert code == -signal.SIGKILL, text
    assert not list((tmp_path / "killed").rglob(f"{artefact}*.npz"))
    assert list((tmp_path / "killed").rglob(f".{artefact}*.tmp"))
    for name in ("killed", "whole"):
        code, text = python("-m", "benchmark", *words(name))
        assert code == 0, text
    (again,) = store.scan(tmp_path / "killed" / "results").records
    (whole,) = store.scan(tmp_path / "whole" / "results").records
    assert again.training.stages[-1].losses == whole.training.stages[-1].losses
    assert again.metrics == whole.metrics
    for split, expected in codes(tmp_path / "whole" / "results").items():
        assert np.array_equal(codes(tmp_path / "killed" / "results")[split].packed, expected.packed)
    assert not list((tmp_path / "killed").rglob("*.tmp"))


def test_two_runs_at_once_share_the_cells(tiny, cache_root, tmp_path):
    words = ["--epochs", "6", "--seeds", "0", "1", "2"]
    both = [start(tiny, cache_root, tmp_path / "results", *words) for _ in range(2)]
    texts = [finish(process) for process in both]
    found = store.scan(tmp_path / "results")
    assert sorted(item.identity.seed for item in found.records) == [0, 1, 2]
    assert not found.damaged
    made = sum(text.count("6 epochs  fit ") for text in texts)  # progress lines speak of a fit as well
    assert made == 3, texts
    assert all(text.count("[3/3]") == 1 for text in texts)
