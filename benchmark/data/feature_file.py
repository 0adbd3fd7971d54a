"""One HDF5 file of frame features, read in place: never whole, never through a copy on disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from benchmark.data.block_cache import DecodedBlocks
from benchmark.data.hdf5_layout import Layout, inspect
from benchmark.errors import BadInput
from benchmark.files.hdf5 import hold_open, open_hdf5, reading
from benchmark.files.hdf5_written import rows as rows_between

CHUNK_CACHE = 256 * 2**20
"""Bytes of decoded values that all chunked files of a dataset may keep in memory together (our choice)."""

BLOCK = 16 * 2**20
"""Bytes per step of a sequential pass (our choice)."""


@dataclass
class FeatureFile:
    """A float16, float32 or float64 array ``(videos, frames, dim)`` or ``(videos, views, frames, dim)``.

    Values in one piece are read with positioned reads, straight into the batch: nothing is mapped, so resident memory
    stays the batch's, and a file cut short while in use is an error and not a crash. Chunked or compressed values go
    through h5py, in file order, and what was decoded is kept as far as ``chunk_cache`` bytes go; a set that fits is
    decoded once and then copied from memory. Reading is safe from several threads.
    """

    path: Path
    key: str
    chunk_cache: int = CHUNK_CACHE
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _blocks: DecodedBlocks | None = field(default=None, repr=False)
    _sources: list[h5py.File] = field(default_factory=list, repr=False)

    @cached_property
    def layout(self) -> Layout:
        """Open the file and check its structure; raises BadInput."""
        return inspect(self.path, self.key)

    def __len__(self) -> int:
        return self.layout.shape[0]

    def read(self, rows: np.ndarray, views: np.ndarray | None = None) -> np.ndarray:
        """Return ``(len(rows), frames, dim)`` in the file's dtype, in the order of ``rows`` (view 0 by default)."""
        out = np.empty((len(rows), *self.layout.shape[2:]), dtype=self.layout.dtype)
        self.read_into(out, None, rows, views)
        return out

    def read_frames(self, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return ``(len(rows), dim)``, single frames of view 0 of a file whose values lie in one piece."""
        _, views, frames, dim = self.layout.shape
        assert self.layout.offset is not None
        out = np.empty((len(rows), dim), dtype=self.layout.dtype)
        items = rows * views * frames + times
        for place in np.argsort(items, kind="stable"):
            self._fill(out[place], self.layout.offset + int(items[place]) * out[place].nbytes)
        return out

    def read_into(
        self, out: np.ndarray, places: np.ndarray | None, rows: np.ndarray, views: np.ndarray | None = None
    ) -> None:
        """Fill ``out[places]``, or ``out`` where that is None, as ``read`` would; ``out`` has the file's dtype."""
        views = np.zeros(len(rows), dtype=np.int64) if views is None else views
        if not len(rows):
            return
        if self.layout.offset is not None:
            self._read_piece(rows, views, out, places)
        elif self._decoded is not None:
            self._decoded.gather(rows, views, out, places)
        else:
            self._read_chunks(rows, views, out, places)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield ``(first row, values)`` over the whole file in order, all views, in the file's dtype."""
        n, views, *frame = self.layout.shape
        step = max(1, BLOCK // (self.layout.dtype.itemsize * int(np.prod([views, *frame]))))
        if self.layout.offset is None:
            step = max(1, step // self.layout.chunk_videos) * self.layout.chunk_videos
        for start in range(0, n, step):
            rows = np.repeat(np.arange(start, min(start + step, n)), views)
            items = self.read(rows, np.tile(np.arange(views), len(rows) // views))
            yield start, items.reshape(-1, views, *frame)

    def _read_piece(self, rows: np.ndarray, views: np.ndarray, out: np.ndarray, places: np.ndarray | None) -> None:
        assert self.layout.offset is not None
        items = rows * self.layout.shape[1] + views
        if places is None and len(items) > 1 and (np.diff(items) == 1).all():
            self._fill(out, self.layout.offset + int(items[0]) * out[0].nbytes)
            return
        for index in np.argsort(items, kind="stable"):
            target = out[index if places is None else places[index]]
            self._fill(target, self.layout.offset + int(items[index]) * target.nbytes)

    def _fill(self, target: np.ndarray, offset: int) -> None:
        left = target.data.cast("B")
        while left:
            try:
                got = os.preadv(self._stream.fileno(), [left], offset)
            except OSError as error:
                raise BadInput(f"cannot be read ({error.strerror})", file=self.path, key=self.key) from error
            if got <= 0:
                raise BadInput("ends before its values do", file=self.path, next_step="obtain the file again")
            left, offset = left[got:], offset + got

    def _read_chunks(self, rows: np.ndarray, views: np.ndarray, out: np.ndarray, places: np.ndarray | None) -> None:
        order = np.lexsort((rows, views))
        sorted_rows, sorted_views = rows[order], views[order]
        same = (np.diff(sorted_views) == 0) & self._together(sorted_rows)
        for group in np.split(np.arange(len(rows)), np.flatnonzero(~same) + 1):
            first, last, view = sorted_rows[group[0]], sorted_rows[group[-1]], sorted_views[group[0]]
            span = slice(int(first), int(last) + 1)
            with _reading(self.path, self.key, int(first), int(last)):
                values = self._values[span] if self.layout.axes == 3 else self._values[span, int(view)]
            out[order[group] if places is None else places[order[group]]] = values[sorted_rows[group] - first]

    def _together(self, rows: np.ndarray) -> np.ndarray:
        """Return which neighbours of the sorted rows are read in one call, bool ``(len(rows) - 1,)``."""
        if self.layout.chunk_bytes <= self.chunk_cache:
            return np.diff(rows) <= 1
        return np.diff(rows // self.layout.chunk_videos) == 0

    @property
    def _stream(self) -> BinaryIO:
        with self._opening:
            return self._opened_stream

    @cached_property
    def _opened_stream(self) -> BinaryIO:
        return open(self.layout.place.path, "rb", buffering=0)

    @property
    def _values(self) -> h5py.Dataset:
        with self._opening:
            return self._opened_values

    @cached_property
    def _opened_values(self) -> h5py.Dataset:
        place = self.layout.place
        locking = {} if place.locks else {"locking": False}
        # HDF5 opens the sources of a virtual data set unasked, and fills what it cannot open: these cannot go away
        self._sources = hold_open(place.virtual, **locking)
        if self._keeps_blocks:
            return open_hdf5(place.path, rdcc_nbytes=0, **locking)[place.key]
        chunks = 1 + self.chunk_cache // max(1, self.layout.chunk_bytes)
        slots = _prime_above(min(100 * chunks, 1_000_000))
        return open_hdf5(place.path, rdcc_nbytes=self.chunk_cache, rdcc_nslots=slots, **locking)[place.key]

    @property
    def _keeps_blocks(self) -> bool:
        """Return whether we keep decoded blocks; where one is too large, HDF5 keeps single chunks."""
        return 0 < self.layout.block_bytes <= self.chunk_cache

    @property
    def _decoded(self) -> DecodedBlocks | None:
        values = self._values
        with self._opening:
            return self._opened_blocks(values) if self._keeps_blocks else None

    def _opened_blocks(self, values: h5py.Dataset) -> DecodedBlocks:
        if self._blocks is None:
            told = partial(_reading, self.path, self.key)  # no method of ours: a circle would keep the file open
            self._blocks = DecodedBlocks(values, self.layout, self.chunk_cache, told)
        return self._blocks


def _reading(path: Path, key: str, first: int, last: int) -> AbstractContextManager[None]:
    """Put an error of HDF5 in words that occurs in the block, which reads these videos."""
    return reading(rows_between(first, last), path, key)


def needs_decoding(files: Sequence[FeatureFile]) -> int:
    """Return the decoded bytes of those files that cannot be read in place."""
    return sum(file.layout.value_bytes for file in files if file.layout.offset is None)


def share_chunk_cache(files: Sequence[FeatureFile]) -> None:
    """Divide the chunk cache among the compressed ones of the files that are used together, by decoded size."""
    chunked = needs_decoding(files)
    for file in files:
        if file.layout.offset is None:
            file.chunk_cache = CHUNK_CACHE * file.layout.value_bytes // chunked


def _prime_above(n: int) -> int:
    n |= 1
    while any(n % divisor == 0 for divisor in range(3, int(n**0.5) + 1, 2)):
        n += 2
    return n
