"""A split read in place equals what plain h5py reads; verification finds bad values and is never trusted wrongly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from benchmark.data import feature_file
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.errors import BadInput
from benchmark.interfaces.videos import FrameShape, MemoryVideos

N, T, D = 41, 5, 12

STORAGE = {
    "contiguous float32": {"dtype": "f4"},
    "contiguous float16": {"dtype": "f2"},
    "contiguous float64": {"dtype": "f8"},
    "big-endian float32": {"dtype": ">f4"},
    "one video per chunk": {"dtype": "f4", "chunks": (1, T, D)},
    "gzip float16": {"dtype": "f2", "chunks": (1, T, D), "compression": "gzip"},
    "several videos per chunk": {"dtype": "f2", "chunks": (8, T, D), "compression": "gzip", "shuffle": True},
    "chunks across frames and values": {"dtype": "f4", "chunks": (4, 2, 5), "compression": "lzf"},
}


def values_of(n: int = N, seed: int = 0) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(size=(n, T, D)), 0).astype(np.float32)


def write(path: Path, values: np.ndarray, key: str = "feats", **storage: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(key, data=values, **storage)
    return path


def read(path: Path, key: str = "feats") -> np.ndarray:
    with h5py.File(path, "r") as file:
        return file[key][:].astype(np.float32)


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("cache_bytes", [2**20, 2500, 0], ids=["all is kept", "some is kept", "blocks too large"])
def test_take_equals_h5py_in_any_order_and_with_repeats(tmp_path, storage, cache_bytes, monkeypatch):
    monkeypatch.setattr(feature_file, "CHUNK_CACHE", cache_bytes)
    path = write(tmp_path / "a.h5", values_of(), **storage)
    videos, plain = ShardedVideos.open([path]), read(path)
    assert (len(videos), videos.shape, videos.views) == (N, FrameShape(T, D), 1)
    rng = np.random.default_rng(1)
    for rows in (np.arange(N), rng.permutation(N), rng.integers(0, N, 100), np.array([40]), np.arange(7, 20), []):
        taken = videos.take(np.array(rows, dtype=int))
        assert taken.dtype == torch.float32
        np.testing.assert_array_equal(taken.numpy(), plain[np.array(rows, dtype=int)])


def test_shards_are_numbered_through(tmp_path):
    parts = [values_of(n, seed) for seed, n in enumerate((7, 1, 20))]
    storages = [STORAGE["contiguous float32"], STORAGE["one video per chunk"], STORAGE["contiguous float32"]]
    paths = [
        write(tmp_path / f"{i}.h5", part, **how) for i, (part, how) in enumerate(zip(parts, storages, strict=True))
    ]
    videos, plain = ShardedVideos.open(paths), np.concatenate(parts)
    rows = np.random.default_rng(0).integers(0, 28, 60)
    np.testing.assert_array_equal(videos.take(rows).numpy(), plain[rows])
    seen = list(videos.batches(9))
    assert [len(rows) for rows, _ in seen] == [9, 9, 9, 1]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in seen]), np.arange(28))
    np.testing.assert_array_equal(torch.cat([frames for _, frames in seen]).numpy(), plain)


@pytest.mark.parametrize("storage", [{}, {"chunks": (3, 2, T, D), "compression": "gzip"}], ids=["contiguous", "gzip"])
def test_stored_views(tmp_path, storage):
    values = np.random.default_rng(0).normal(size=(10, 3, T, D)).astype(np.float32)
    videos = ShardedVideos.open([write(tmp_path / "a.h5", values, **storage)])
    assert videos.views == 3 and videos.shape == (T, D)
    rows, views = np.array([4, 4, 9, 0, 4, 5]), np.array([2, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(videos.take(rows).numpy(), values[rows, 0])
    np.testing.assert_array_equal(videos.take(rows, views).numpy(), values[rows, views])
    with pytest.raises(IndexError, match="view 3 to 3 asked for, 0 to 2 are there"):
        videos.take(np.array([0]), np.array([3]))


@pytest.mark.parametrize("rows", [[-1], [N], [0, N + 5]])
def test_rows_outside_of_the_split(tmp_path, rows):
    for videos in (ShardedVideos.open([write(tmp_path / "a.h5", values_of())]), MemoryVideos(values_of())):
        with pytest.raises(IndexError, match=f"0 to {N - 1} are there"):
            videos.take(np.array(rows))


@pytest.mark.parametrize("storage", ["contiguous float16", "several videos per chunk"])
def test_take_from_several_threads(tmp_path, storage):
    path = write(tmp_path / "a.h5", values_of(), **STORAGE[storage])
    videos, plain = ShardedVideos.open([path]), read(path)
    orders = [np.random.default_rng(seed).integers(0, N, 50) for seed in range(64)]
    with ThreadPoolExecutor(4) as pool:
        for rows, taken in zip(orders, pool.map(videos.take, orders), strict=True):
            np.testing.assert_array_equal(taken.numpy(), plain[rows])


def test_values_that_do_not_begin_where_the_file_does_or_lie_in_another_file(tmp_path):
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=1024) as file:
        file["feats"] = values_of()
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["other"] = np.zeros(1000)
        file["feats"] = h5py.ExternalLink("block.h5", "feats")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((N, T, D), "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "block.h5", "feats", (N, T, D))
        file.create_virtual_dataset("feats", layout)
    for name in ("block", "link", "virtual"):
        rows = np.array([30, 2, 2, 40])
        taken = ShardedVideos.open([tmp_path / f"{name}.h5"]).take(rows)
        np.testing.assert_array_equal(taken.numpy(), values_of()[rows])


def test_memory_videos():
    values = values_of().astype(np.float16)
    videos = MemoryVideos(values)
    assert videos.take(np.array([3, 1, 3])).dtype == torch.float32
    np.testing.assert_array_equal(videos.take(np.array([3, 1, 3])).numpy(), values[[3, 1, 3]].astype(np.float32))
    changed = values.copy()
    changed[0, 0, 0] += 1
    assert videos.fingerprint == MemoryVideos(values.copy()).fingerprint != MemoryVideos(changed).fingerprint
    with pytest.raises(BadInput, match="not finite"):
        MemoryVideos(np.full((1, T, D), np.nan)).fingerprint


def test_fingerprint_is_of_the_content_and_not_of_the_storage(tmp_path):
    plain = ShardedVideos.open([write(tmp_path / "a.h5", values_of())]).fingerprint
    packed = write(tmp_path / "b.h5", values_of(), chunks=(6, T, D), compression="gzip")
    assert ShardedVideos.open([packed]).fingerprint == plain
    assert ShardedVideos.open([write(tmp_path / "c.h5", values_of(), key="other")], "other").fingerprint == plain
    changed = values_of()
    changed[-1, -1, -1] += 1
    assert ShardedVideos.open([write(tmp_path / "d.h5", changed)]).fingerprint != plain
    swapped = values_of()[::-1]
    assert ShardedVideos.open([write(tmp_path / "e.h5", swapped)]).fingerprint != plain
    reshaped = values_of().reshape(N, D, T)
    assert ShardedVideos.open([write(tmp_path / "f.h5", reshaped)]).fingerprint != plain


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize(("bad", "told"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_value_that_is_not_finite_is_found(tmp_path, dtype, bad, told, monkeypatch):
    monkeypatch.setattr(feature_file, "BLOCK", 1000)
    values = values_of().astype(dtype)
    values[33, 2, 7] = bad
    values[40, 0, 0] = bad
    path = write(tmp_path / "a.h5", values)
    with pytest.raises(BadInput) as error:
        ShardedVideos.open([path], cache=tmp_path).fingerprint
    expected = (
        f"{path}: key 'feats': value 7 of row 33, frame 2 is not finite; expected finite values only, found {told}"
    )
    assert str(error.value).startswith(expected)
    assert not (tmp_path / "verified").exists()


def test_a_float64_value_beyond_float32_is_not_finite(tmp_path):
    values = values_of().astype(np.float64)
    values[3, 1, 2] = 1e300
    with pytest.raises(BadInput, match="value 2 of row 3, frame 1 is not finite"):
        ShardedVideos.open([write(tmp_path / "a.h5", values)]).fingerprint


def passes(monkeypatch) -> list[str]:
    from benchmark.data import verification

    seen: list[str] = []
    original = verification._pass
    monkeypatch.setattr(verification, "_pass", lambda file: seen.append(file.path.name) or original(file))
    return seen


def test_verification_happens_once_per_file_and_again_after_a_change(tmp_path, monkeypatch):
    seen = passes(monkeypatch)
    path, cache = write(tmp_path / "a.h5", values_of()), tmp_path / "cache"
    first = ShardedVideos.open([path], cache=cache).fingerprint
    assert ShardedVideos.open([path], cache=cache).fingerprint == first and seen == ["a.h5"]
    time, size = path.stat().st_mtime_ns, path.stat().st_size
    write(path, values_of(seed=5))
    os.utime(path, ns=(time + 1, time + 1))
    assert path.stat().st_size == size
    assert ShardedVideos.open([path], cache=cache).fingerprint != first and seen == ["a.h5", "a.h5"]


@pytest.mark.parametrize("field", ["path", "size", "mtime_ns", "key"])
def test_a_remembered_verification_of_another_file_is_not_trusted(tmp_path, monkeypatch, field):
    seen = passes(monkeypatch)
    path, cache = write(tmp_path / "a.h5", values_of()), tmp_path / "cache"
    first = ShardedVideos.open([path], cache=cache).fingerprint
    (remembered,) = (cache / "verified").iterdir()
    content = json.loads(remembered.read_text())
    remembered.write_text(json.dumps({**content, field: "other", "fingerprint": "forged"}))
    assert ShardedVideos.open([path], cache=cache).fingerprint == first and len(seen) == 2
    remembered.write_text("{ damaged")
    assert ShardedVideos.open([path], cache=cache).fingerprint == first and len(seen) == 3


def test_a_file_cut_short_while_it_is_read(tmp_path):
    path = write(tmp_path / "a.h5", values_of())
    videos = ShardedVideos.open([path])
    videos.take(np.array([N - 1]))
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(BadInput, match=re.escape(f"{path}: ends before its values do; obtain the file again")):
        videos.take(np.array([N - 1]))


STREAM = """
import sys, numpy as np, torch
from pathlib import Path
from benchmark.data.sharded_videos import ShardedVideos

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

videos = ShardedVideos.open([Path(sys.argv[1])])
videos.take(np.arange(8))
before, most = anonymous(), 0
videos.fingerprint
for step in range(20):
    frames = videos.take(np.random.default_rng(step).integers(0, len(videos), 64))
    most = max(most, anonymous() - before)
for rows, frames in videos.batches(64):
    most = max(most, anonymous() - before)
print(most)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of anonymous memory")
def test_memory_stays_bounded_while_300_megabytes_stream(tmp_path, root):
    path = tmp_path / "large.h5"
    shape = (1500, 25, 4096)
    with h5py.File(path, "w") as file:
        values = file.create_dataset("feats", shape, "f2")
        block = np.random.default_rng(0).random((100, *shape[1:]), dtype=np.float32).astype(np.float16)
        for start in range(0, shape[0], 100):
            values[start : start + 100] = block
    assert path.stat().st_size > 300e6
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, "-c", STREAM, path], env=environment, capture_output=True, text=True, check=True
    )
    batch = 64 * 25 * 4096 * 4
    assert int(output.stdout) < 5 * batch, f"{int(output.stdout) / 2**20:.0f} MiB"


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("chunks", [None, True])
def test_single_frames_are_those_of_their_videos(tmp_path, views, pieces, chunks):
    rng = np.random.default_rng(0)
    paths = []
    for piece in range(pieces):
        shape = (9, 4, 6) if views == 1 else (9, views, 4, 6)
        paths.append(tmp_path / f"{piece}.h5")
        with h5py.File(paths[-1], "w") as file:
            file.create_dataset("feats", data=rng.random(shape).astype(np.float16), chunks=chunks)
    videos = ShardedVideos.open(paths)
    rows, times = np.array([8, 0, 3, 3]), np.array([3, 0, 1, 2])
    expected = videos.take(rows).numpy()[np.arange(4), times]
    found = videos.take_frames(rows, times)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected)
    for wrong in ((np.array([9 * pieces]), np.array([0])), (np.array([0]), np.array([4]))):
        with pytest.raises(IndexError):
            videos.take_frames(*wrong)
