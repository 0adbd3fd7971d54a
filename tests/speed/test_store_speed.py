"""Random batches of compressed files: one larger than what is kept decoded, against it converted, and one that fits."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.data import feature_file
from benchmark.data.convert import convert
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.interfaces.dataset import Dataset
from benchmark.paths import Roots
from benchmark.progress import Progress
from tests.speed.batches import BATCH, in_turns, orders_of, seconds

pytestmark = pytest.mark.benchmark

BATCHES = 4


class Wrapped(Dataset):
    """A dataset whose splits are all one file."""

    title = source = "made"

    def __init__(self, videos: ShardedVideos) -> None:
        super().__init__(Roots(Path(), Path()))
        self.videos, self.self_retrieval, self.classes = videos, True, ("one",)

    def split(self, name):
        return self.videos

    def labels(self, name):
        return np.ones((len(self.videos), 1), dtype=np.uint8)


def write(path: Path, shape: tuple[int, int, int], dtype: str, chunk: int) -> None:
    """Write features of which half are zero, in gzip chunks of whole videos."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        values = file.create_dataset("feats", shape, dtype, chunks=(chunk, *shape[1:]), compression="gzip")
        for start in range(0, shape[0], 100):
            size = min(100, shape[0] - start)
            values[start : start + size] = np.maximum(rng.standard_normal((size, *shape[1:]), dtype=np.float32), 0)


@pytest.mark.parametrize("chunk", [1, 8])
def test_larger_than_what_is_kept_decoded_before_and_after_conversion(benchmark, tmp_path, monkeypatch, chunk):
    n, frames, dim = shape = 1200, 25, 2048
    write(tmp_path / "a.h5", shape, "float16", chunk)
    monkeypatch.setattr(feature_file, "CHUNK_CACHE", 32 * 2**20)  # a quarter of the file
    compressed = ShardedVideos.open([tmp_path / "a.h5"])
    convert(Wrapped(compressed), tmp_path / "out", "keep", "a", lambda split: None, Progress("", enabled=False))
    converted = ShardedVideos.open([tmp_path / "out" / "train.h5"])
    orders = orders_of(n, BATCHES)
    np.testing.assert_array_equal(compressed.take(orders[0]).numpy(), converted.take(orders[0]).numpy())
    before = seconds(compressed.take, orders, rounds=1)
    benchmark.pedantic(lambda: [converted.take(rows) for rows in orders], rounds=5, warmup_rounds=1)
    after = benchmark.stats.stats.min
    floor = BATCH * BATCHES * frames * dim * 2
    benchmark.extra_info.update(
        bytes_floor=floor,
        compressed_gigabytes_per_second=floor / before / 1e9,
        converted_gigabytes_per_second=floor / after / 1e9,
        times_faster=before / after,
    )
    assert before > 2 * after


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("n", "frames", "dim"), [(600, 25, 2048), (2400, 25, 512)], ids=["25x2048", "25x512"])
def test_what_fits_is_copied_from_memory(benchmark, tmp_path, n, frames, dim, dtype):
    write(tmp_path / "a.h5", (n, frames, dim), dtype, 4)
    videos = ShardedVideos.open([tmp_path / "a.h5"])
    for _ in videos.batches(BATCH):
        pass
    values = videos.files[0].read(np.arange(n))
    orders = orders_of(n, BATCHES)
    in_order = [np.arange(first, first + BATCH) for first in range(0, n - BATCH + 1, BATCH)][:BATCHES]
    wide = values.astype(np.float32)
    copied, copied_wide, gathered, read, taken = in_turns(
        (lambda rows: values[rows[0] : rows[-1] + 1].copy(), in_order),
        (lambda rows: wide[rows[0] : rows[-1] + 1].copy(), in_order),
        (lambda rows: values[rows], orders),
        (videos.files[0].read, orders),
        (videos.take, orders),
    )
    benchmark.pedantic(lambda: [videos.take(rows) for rows in orders], rounds=5, warmup_rounds=1)
    floor = BATCH * BATCHES * frames * dim * values.itemsize
    benchmark.extra_info.update(
        bytes_floor=floor,
        gigabytes_per_second=floor / taken / 1e9,
        copy_gigabytes_per_second=floor / copied / 1e9,
        share_of_copy_as_stored=copied / read,
        share_of_copy_as_float32=copied_wide / taken,
        times_the_gather_in_memory=read / gathered,
    )
    assert read < 3 * gathered
