"""Decoded blocks of a chunked HDF5 array, kept in memory up to a limit, from which videos are copied."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from benchmark.data.hdf5_layout import Layout

Reading = Callable[[int, int], AbstractContextManager[None]]


class DecodedBlocks:
    """Items ``(frames, dim)`` of an array ``(videos, views, frames, dim)``, decoded once where they find room.

    A block is all that the chunks over the same videos and views hold. What was decoded first stays and nothing is
    evicted: splits are visited from end to end or in a new random order, over and over, and there the share of hits is
    the share that is kept, where dropping the least recently used block would drop the one that is needed next.
    One more block, the last one that found no room, is kept beside. Safe to use from several threads.
    """

    def __init__(self, values: h5py.Dataset, layout: Layout, limit: int, reading: Reading) -> None:
        """limit: bytes of decoded values that are kept; at least one block (``layout.block_bytes``) fits.

        reading: called with the first and the last video of every read; puts an error in words.
        """
        self._values, self._layout, self._reading = values, layout, reading
        n, views, frames, dim = layout.shape
        self._across = -(-views // layout.chunk_views)
        blocks = -(-n // layout.chunk_videos) * self._across
        self._size = (layout.chunk_videos, layout.chunk_views, frames, dim)
        # memory that is not yet written to takes no room
        self._memory = np.empty((min(blocks, limit // layout.block_bytes), *self._size), dtype=layout.dtype)
        self._slots = np.full(blocks, -1, dtype=np.int64)
        self._filled = 0
        self._passing: tuple[int, np.ndarray] = (-1, self._memory[:0])
        self._lock = threading.Lock()

    def gather(self, rows: np.ndarray, views: np.ndarray, out: np.ndarray, places: np.ndarray | None) -> None:
        """Copy the items of ``rows`` and ``views`` (n,) to ``out[places]``, or to ``out`` where that is None."""
        high, wide, *_ = self._size
        blocks = rows // high * self._across + views // wide
        items = rows % high * wide + views % wide
        for group in _equal(blocks, np.flatnonzero(self._slots[blocks] < 0)):
            if not self._keep(int(blocks[group[0]])):
                out[group if places is None else places[group]] = self._pass(int(blocks[group[0]]), items[group])
        slots = self._slots[blocks]
        kept_items, index = self._memory.reshape(-1, *self._size[2:]), slots * (high * wide) + items
        if places is None and (slots >= 0).all():
            np.take(kept_items, index, axis=0, out=out, mode="clip")
            return
        for item in np.flatnonzero(slots >= 0):
            out[item if places is None else places[item]] = kept_items[index[item]]

    def _keep(self, block: int) -> bool:
        """Decode a block into memory, unless it is there; return False where there is no room."""
        with self._lock:
            if self._slots[block] < 0:
                if self._filled == len(self._memory):
                    return False
                self._read(block, self._memory[self._filled])
                self._slots[block] = self._filled  # published last: readers take no lock
                self._filled += 1
            return True

    def _pass(self, block: int, items: np.ndarray) -> np.ndarray:
        """Return items of a block that finds no room; without a filter no more is read than lies between them."""
        with self._lock:
            wide = self._size[1]
            if not self._layout.filtered:
                first, last = int(items.min()) // wide, int(items.max()) // wide + 1
                part = np.empty((last - first, *self._size[1:]), dtype=self._layout.dtype)
                self._read(block, part, first)
                return part.reshape(-1, *self._size[2:])[items - first * wide]
            if self._passing[0] != block:
                values = np.empty(self._size, dtype=self._layout.dtype)
                self._read(block, values)
                self._passing = block, values
            return self._passing[1].reshape(-1, *self._size[2:])[items]

    def _read(self, block: int, target: np.ndarray, skip: int = 0) -> None:
        """Fill ``target`` (videos, views, frames, dim) with a block from its video ``skip`` on, as far as it goes."""
        high, wide, *_ = self._size
        n, views, *_ = self._layout.shape
        row, view = block // self._across * high + skip, block % self._across * wide
        height, width = min(len(target), n - row), min(wide, views - view)
        source: tuple[Any, ...] = (slice(row, row + height), slice(view, view + width))
        with self._reading(row, row + height - 1):
            if self._layout.axes == 3:
                self._values.read_direct(target[:, 0], source[:1], np.s_[:height])
            else:
                self._values.read_direct(target, source, np.s_[:height, :width])


def _equal(values: np.ndarray, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the ``chosen`` indices in groups of equal values, in the order of the values."""
    if len(chosen):
        order = chosen[np.argsort(values[chosen], kind="stable")]
        yield from np.split(order, np.flatnonzero(np.diff(values[order])) + 1)
