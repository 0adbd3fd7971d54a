"""A split of frame features that may be larger than memory; it carries no labels."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmark.errors import BadInput
from benchmark.feature_file import FeatureFile, share_chunk_cache
from benchmark.verification import identity, verified_fingerprint

if TYPE_CHECKING:
    import torch


class FrameShape(NamedTuple):
    """The size of one video's features: ``(frames, dim)``."""

    frames: int
    dim: int


class Videos(ABC):
    """A split: ``len`` videos of ``shape`` (frames, dim), read in batches.

    ``views`` counts the stored views of each video (augmentations made when the features were extracted); view 0 is the
    plain video. ``fingerprint`` is a hex digest of the content: equal values, equal fingerprint.
    """

    shape: FrameShape
    views: int = 1
    stored: np.dtype[Any] = np.dtype(np.float32)
    """In which precision the values are stored."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Return the hex digest of the content; raises BadInput where a value is NaN or infinite."""

    @property
    def stamp(self) -> str:
        """Return a text that changes with the content and costs less than a fingerprint where that reads it all."""
        return self.fingerprint

    @property
    def disk_bytes(self) -> int | None:
        """Return the size of the files, None where there are none."""
        return None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        """Return float32 ``(len(rows), frames, dim)`` for rows and views that were checked."""

    def take(self, rows: np.ndarray, views: np.ndarray | None = None) -> torch.Tensor:
        """Return float32 ``(len(rows), frames, dim)`` on the CPU, in the order of ``rows``.

        rows: (n,) integers in any order, repeats allowed; they are read in the order of the file.
        views: (n,) integers, the view of each row; None takes view 0.
        Raises IndexError outside of the split. Safe to call from several threads.
        """
        rows = np.asarray(rows, dtype=np.int64)
        _inside(rows, len(self), "row")
        if views is not None:
            views = np.asarray(views, dtype=np.int64)
            _inside(views, self.views, "view")
        return self._gather(rows, views)

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``: the frame ``times[k]`` of video ``rows[k]``, view 0."""
        return self.take(rows)[np.arange(len(rows)), times]

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield ``(rows, frames)`` over the whole split in order, ``size`` videos at a time."""
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield rows, self.take(rows)

    def spans(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield ``(first, last + 1)`` over the split in order: about ``size`` videos that are best read at once."""
        for start in range(0, len(self), size):
            yield start, min(start + size, len(self))


def _inside(index: np.ndarray, n: int, what: str) -> None:
    if index.ndim != 1:
        raise IndexError(f"{what}s must be one-dimensional, not of shape {index.shape}")
    if len(index) and not (index.min() >= 0 and index.max() < n):
        raise IndexError(f"{what} {index.min()} to {index.max()} asked for, 0 to {n - 1} are there")


class MemoryVideos(Videos):
    """A split in memory, from an array ``(videos, frames, dim)`` of floats: tests and small sets."""

    def __init__(self, values: np.ndarray | torch.Tensor) -> None:
        self._values = np.ascontiguousarray(np.asarray(values))
        if self._values.ndim != 3:
            raise ValueError(f"expected (videos, frames, dim), found {self._values.shape}")
        self.shape = FrameShape(*self._values.shape[1:])
        self.stored = self._values.dtype

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of shape, dtype and values."""
        if not np.isfinite(self._values).all():
            raise BadInput("the features contain a value that is not finite")
        return combined(str(self._values.shape), str(self._values.dtype), self._values.tobytes())

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        return _to_float32(self._values[rows])


class ShardedVideos(Videos):
    """A split that lies in one or more HDF5 files, its videos numbered through in the order of the files."""

    def __init__(self, files: Sequence[FeatureFile], cache: Path | None = None) -> None:
        """Check the structure of the files and that they agree; raises BadInput.

        cache: folder in which a finished verification is remembered; None verifies anew in every process.
        """
        self.files = tuple(files)
        self.cache = cache
        self.shape, self.views = self._common(0), self.files[0].layout.shape[1]
        self.stored = np.result_type(*(file.layout.dtype for file in self.files))
        for place, file in enumerate(self.files):
            if (self._common(place), file.layout.shape[1]) != (self.shape, self.views):
                raise BadInput(
                    "disagrees with the other files of the split",
                    file=file.path,
                    key=file.key,
                    expected=f"{_told(self.files[0])} as in {self.files[0].path.name}",
                    found=_told(file),
                )
        self._starts = np.cumsum([0, *(len(file) for file in self.files)])

    @classmethod
    def open(cls, paths: Sequence[Path], key: str = "feats", cache: Path | None = None) -> ShardedVideos:
        """Open files that share one key."""
        videos = cls([FeatureFile(path, key) for path in paths], cache)
        share_chunk_cache(videos.files)
        return videos

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def fingerprint(self) -> str:
        """Verify every value, once per file, and return the hex digest; raises BadInput on NaN or Inf."""
        return combined(*(verified_fingerprint(file, self.cache) for file in self.files))

    @property
    def stamp(self) -> str:
        """Return the hex digest of the files' paths, sizes and times of change."""
        return combined(*(json.dumps(identity(file), sort_keys=True) for file in self.files))

    @property
    def disk_bytes(self) -> int:
        """Return the size of the files."""
        return sum(file.path.stat().st_size for file in self.files)

    def spans(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows, in order, that end with a file or one of its chunks: nothing is decoded twice."""
        for first, file in zip(self._starts.tolist(), self.files, strict=False):
            chunk = file.layout.chunk_videos
            step = max(1, size // chunk) * chunk
            for start in range(0, len(file), step):
                yield first + start, first + min(start + step, len(file))

    def _common(self, place: int) -> FrameShape:
        return FrameShape(*self.files[place].layout.shape[2:])

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``; of one contiguous file, nothing but these frames is read."""
        file = self.files[0]
        if len(self.files) > 1 or file.layout.offset is None:
            return super().take_frames(rows, times)
        _inside(rows, len(self), "row")
        _inside(times, self.shape.frames, "frame")
        return _to_float32(file.read_frames(rows, times))

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        if len(self.files) == 1:
            return _to_float32(self.files[0].read(rows, views))
        out = np.empty((len(rows), *self.shape), dtype=self.stored)
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for place in np.unique(shard):  # a file is read in its own order, and each file once
            mine = np.flatnonzero(shard == place)
            file, items = self.files[place], rows[mine] - self._starts[place]
            chosen = None if views is None else views[mine]
            if file.layout.dtype == out.dtype:
                file.read_into(out, mine, items, chosen)
            else:
                out[mine] = file.read(items, chosen)
        return _to_float32(out)


def _to_float32(values: np.ndarray) -> torch.Tensor:
    import torch

    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype == np.float32:
        return torch.from_numpy(values)
    out = np.empty(values.shape, dtype=np.float32)  # numpy asks for huge pages, which torch.empty does not
    return torch.from_numpy(out).copy_(torch.from_numpy(values))


def _told(file: FeatureFile) -> str:
    _, views, frames, dim = file.layout.shape
    return f"{frames} frames of {dim} values" + (f" in {views} views" if views > 1 else "")


def combined(*parts: str | bytes) -> str:
    """Return the hex digest of several parts, each with its length so that no two lists share one."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
