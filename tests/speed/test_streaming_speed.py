"""Gathering random videos from a contiguous file, against the plain h5py way and against copying bytes in memory."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.data.sharded_videos import ShardedVideos
from tests.speed.batches import BATCH, in_turns, orders_of, seconds
from tests.speed.speed_gate import MEMORY_THRESHOLD
from tests.speed.timing import copying, over_kernel

pytestmark = pytest.mark.benchmark

BATCHES = 10


@pytest.mark.parametrize(("n", "frames", "dim"), [(700, 25, 4096), (6000, 25, 512)], ids=["25x4096", "25x512"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_contiguous_gather_is_no_slower_than_h5py(benchmark, speed, tmp_path: Path, n, frames, dim, dtype):
    path = tmp_path / "a.h5"
    values = np.random.default_rng(0).random((n, frames, dim), dtype=np.float32).astype(dtype)
    with h5py.File(path, "w") as file:
        file["feats"] = values
    videos = ShardedVideos.open([path])
    orders = orders_of(n, BATCHES)

    with h5py.File(path, "r") as file:
        stored = file["feats"]

        def plain(rows: np.ndarray) -> np.ndarray:
            order = np.argsort(rows)
            return stored[rows[order]][np.argsort(order)].astype(np.float32)

        np.testing.assert_array_equal(videos.take(orders[0]).numpy(), plain(orders[0]))
        by_h5py, ours = in_turns((plain, orders), (videos.take, orders), rounds=5)
    in_memory = seconds(lambda rows: values[rows].astype(np.float32), orders)
    benchmark.pedantic(lambda: [videos.take(rows) for rows in orders], rounds=3, warmup_rounds=1)
    floor = BATCH * BATCHES * frames * dim * values.itemsize
    benchmark.extra_info.update(
        bytes_floor=floor,
        gigabytes_per_second=floor / ours / 1e9,
        times_faster_than_h5py=by_h5py / ours,
        times_the_gather_in_memory=ours / in_memory,
    )
    assert ours < 1.2 * by_h5py
    speed.hold(
        f"gather of {dtype} {frames}x{dim}",
        lambda: over_kernel(
            lambda: [videos.take(rows) for rows in orders], copying(4 * BATCH * frames * dim, BATCHES), rounds=9
        ),
        MEMORY_THRESHOLD,
    )
