"""What a method sees of a split: frame features that may be larger than memory, and no labels."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmark.errors import BadInput

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
        check_inside(rows, len(self), "row")
        if views is not None:
            views = np.asarray(views, dtype=np.int64)
            check_inside(views, self.views, "view")
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


def check_inside(index: np.ndarray, n: int, what: str) -> None:
    """Raise IndexError unless ``index`` (m,) lies in 0..n-1; ``what`` is the word for one of them."""
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
        return to_float32(self._values[rows])


class RowVideos(Videos):
    """The videos ``rows`` of another split, in that order; nothing is read before it is asked for."""

    def __init__(self, base: Videos, rows: np.ndarray) -> None:
        """Keep the map. rows: (n,) integers inside the split; raises IndexError on others."""
        rows = np.asarray(rows, dtype=np.int64)
        if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < len(base)):
            raise IndexError(f"rows must be a list of numbers from 0 to {len(base) - 1}")
        self.base, self.rows = base, rows
        self.shape, self.views, self.stored = base.shape, base.views, base.stored

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of the other split's content and the rows; it verifies that whole split, once."""
        return combined("rows", self.base.fingerprint, self.rows.tobytes())

    @property
    def stamp(self) -> str:
        """Return a text that changes with the other split and the rows."""
        return combined("rows", self.base.stamp, self.rows.tobytes())

    @property
    def disk_bytes(self) -> int | None:
        """Return the size of the files, all of their videos included."""
        return self.base.disk_bytes

    def __len__(self) -> int:
        return len(self.rows)

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``, read as the other split reads single frames."""
        return self.base.take_frames(self.rows[rows], times)

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        return self.base.take(self.rows[rows], views)


def to_float32(values: np.ndarray) -> torch.Tensor:
    """Return an array of floats as a float32 tensor on the CPU, without a copy where it is one already."""
    import torch

    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype == np.float32:
        return torch.from_numpy(values)
    out = np.empty(values.shape, dtype=np.float32)  # numpy asks for huge pages, which torch.empty does not
    return torch.from_numpy(out).copy_(torch.from_numpy(values))


def combined(*parts: str | bytes) -> str:
    """Return the hex digest of several parts, each with its length so that no two lists share one."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
