"""Training from a feature file of FCVID's size (about 9 GB) keeps to a fixed memory (``pytest -m slow``)."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmark.paths import ROOT
from benchmark.records import store
from tests.support.hdf5 import write_hdf5

VIDEOS, FRAMES, DIM = 45_585, 25, 4096
LIMIT = 3 * 2**30


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_conmh_trains_from_a_file_of_fcvids_size_in_bounded_memory(tmp_path):
    big = tmp_path / "train.h5"
    try:
        write_hdf5(big, videos=VIDEOS, frames=FRAMES, dim=DIM, dtype="float16")
        assert big.stat().st_size > VIDEOS * FRAMES * DIM * 2
        rng = np.random.default_rng(0)
        np.save(tmp_path / "labels.npy", np.eye(4, dtype=np.uint8)[rng.integers(0, 4, 500)])
        write_hdf5(tmp_path / "database.h5", videos=500, frames=FRAMES, dim=DIM, dtype="float16")
        (tmp_path / "dataset.toml").write_text(
            'name = "fcvid-size"\nquery = "database"\n[train]\nfeatures = "train.h5"\n'
            '[database]\nfeatures = "database.h5"\nlabels = "labels.npy"\n'
        )
        words = ["--methods", "conmh", "--bits", "64", "--epochs", "1"]
        results = tmp_path / "results"
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmark", "run", "--datasets", tmp_path, "--results", results, *words],
            cwd=ROOT,
            env={**os.environ, "VIDEO_HASHING_CACHE": str(tmp_path / "cache")},
        )
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, anonymous_bytes(process.pid))
            except (OSError, StopIteration):
                break
            time.sleep(0.1)
        assert process.wait() == 0
        (found,) = store.scan(results).records
        stage = found.training.stages[-1]
        print(
            f"\nfile {big.stat().st_size / 1e9:.2f} GB, anonymous memory at most {peak / 2**20:.0f} MiB, "
            f"{stage.steps} steps in {stage.seconds:.0f} s ({VIDEOS / stage.seconds:.0f} videos/s)"
        )
        assert found.data.splits["train"].n == VIDEOS
        assert 0 < peak < LIMIT
    finally:
        big.unlink(missing_ok=True)
