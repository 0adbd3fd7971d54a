"""Decoded blocks: equal to the file in any order, decoded once where they find room, never more than the limit."""

from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

from benchmark.data.block_cache import DecodedBlocks
from benchmark.data.feature_file import FeatureFile
from benchmark.data.sharded_videos import ShardedVideos

N, T, D = 21, 3, 8


@pytest.fixture
def made(tmp_path):
    """Return a function that writes values in chunks and opens them with a number of kept blocks."""

    def make(views, chunk, blocks, **storage):
        values = np.random.default_rng(0).normal(size=(N, views, T, D)).astype("f4")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("feats", data=values, chunks=chunk, **storage)
        opened = FeatureFile(tmp_path / "a.h5", "feats")
        opened.chunk_cache = blocks * opened.layout.block_bytes
        return opened, values

    return make


@pytest.fixture
def decoded(monkeypatch):
    """Count how often each block is decoded."""
    seen = []
    original = DecodedBlocks._read

    def counted(self, block, target, skip=0):
        seen.append(block)
        return original(self, block, target, skip)

    monkeypatch.setattr(DecodedBlocks, "_read", counted)
    return seen


@pytest.mark.parametrize("blocks", [1, 3, 100])
@pytest.mark.parametrize("storage", [{"compression": "gzip"}, {}], ids=["gzip", "no filter"])
@pytest.mark.parametrize(("views", "chunk"), [(1, (4, 1, T, D)), (3, (4, 2, T, D)), (3, (5, 3, 2, 5))])
def test_any_order_of_rows_and_views(made, views, chunk, storage, blocks):
    file, values = made(views, chunk, blocks, **storage)
    rng = np.random.default_rng(1)
    for n in (1, 7, 60):
        rows, chosen = rng.integers(0, N, n), rng.integers(0, views, n)
        np.testing.assert_array_equal(file.read(rows, chosen), values[rows, chosen])
    np.testing.assert_array_equal(np.concatenate([block for _, block in file.blocks()]), values)


def test_what_fits_is_decoded_once_in_any_order_and_from_several_threads(made, decoded):
    file, values = made(1, (4, 1, T, D), 100, compression="gzip")
    orders = [np.random.default_rng(seed).permutation(N) for seed in range(32)]
    with ThreadPoolExecutor(4) as pool:
        for rows, read in zip(orders, pool.map(file.read, orders), strict=True):
            np.testing.assert_array_equal(read, values[rows, 0])
    assert sorted(decoded) == list(range(6))


def test_what_does_not_fit_leaves_what_is_kept_and_stays_within_the_limit(made, decoded):
    file, _ = made(1, (4, 1, T, D), 2, compression="gzip")
    for _ in range(3):
        for start in range(0, N, 3):  # batches that end inside of a block
            file.read(np.arange(start, min(start + 3, N)))
    assert [decoded.count(block) for block in range(6)] == [1, 1, 3, 3, 3, 3]
    assert file._decoded._memory.nbytes == file.chunk_cache


@pytest.mark.parametrize("dtypes", [("f2", "f2"), ("f4", ">f4"), ("f2", "f4"), ("f8", "f2")])
def test_shards_of_several_types_and_storages(tmp_path, dtypes):
    parts = [np.random.default_rng(i).normal(size=(N, T, D)).astype(dtype) for i, dtype in enumerate(dtypes)]
    for i, part in enumerate(parts):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file.create_dataset("feats", data=part, **({"chunks": (4, T, D), "compression": "gzip"} if i else {}))
    videos = ShardedVideos.open([tmp_path / "0.h5", tmp_path / "1.h5"])
    plain = np.concatenate([part.astype(np.float32) for part in parts])
    rows = np.random.default_rng(0).integers(0, 2 * N, 70)
    np.testing.assert_array_equal(videos.take(rows).numpy(), plain[rows])
