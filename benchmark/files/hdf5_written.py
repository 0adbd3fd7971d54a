"""Which values of an HDF5 data set were ever written, as far as HDF5 can tell."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import h5py
import numpy as np

from benchmark.files.hdf5 import OBTAIN, Unusable

WRITE = "extract these features again, or leave the rows out"
STORE_PLAINLY = "store it as one plain data set"
MOST_BLOCKS = 100_000
"""Pieces of one source that a virtual data set may take (our choice)."""


class Box(NamedTuple):
    """A block of a data set: the first and the last index along every axis."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    def meets(self, other: Box) -> bool:
        """Return whether the two have an element in common."""
        return all(a <= d and c <= b for a, b, c, d in zip(*self, *other, strict=True))


def check_stored(values: h5py.Dataset, region: Box) -> None:
    """Raise Unusable where a data set of its own file has values that were never written, as far as HDF5 can tell."""
    status = values.id.get_space_status()
    if status == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED:
        raise Unusable(f"was never written: HDF5 would give {values.fillvalue} for every value", WRITE)
    if values.chunks is None:
        if values.id.get_storage_size() < values.size * values.dtype.itemsize:
            raise Unusable("holds fewer bytes than its shape needs", OBTAIN)
        return
    if status == h5py.h5d.SPACE_STATUS_ALLOCATED:
        return
    first = _first_missing_chunk(values, region)
    if first is not None:
        last = min(first + values.chunks[0], len(values)) - 1
        raise Unusable(f"was never written in {rows(first, last)}: HDF5 would give {values.fillvalue} there", WRITE)


def _first_missing_chunk(values: h5py.Dataset, region: Box) -> int | None:
    present: set[tuple[int, ...]] = set()
    values.id.chunk_iter(lambda chunk: present.add(tuple(chunk.chunk_offset)))
    ranges = (range(low // size * size, high + 1, size) for low, high, size in zip(*region, values.chunks, strict=True))
    return next((offset[0] for offset in itertools.product(*ranges) if offset not in present), None)


def first_gap(boxes: list[Box], region: Box) -> int | None:
    """Return the first row of the region that has an element in none of the boxes, or None."""
    edges = [
        sorted({low, high + 1} | {edge for box in boxes for edge in (box.low[axis], box.high[axis] + 1)})
        for axis, (low, high) in enumerate(zip(*region, strict=True))
    ]
    covered = np.zeros([max(1, len(line) - 1) for line in edges], dtype=bool)
    for box in boxes:
        covered[tuple(_between(line, box, axis) for axis, line in enumerate(edges))] = True
    inside = tuple(_between(line, region, axis) for axis, line in enumerate(edges))
    gaps = np.argwhere(~covered[inside])
    return edges[0][inside[0].start + int(gaps[0][0])] if len(gaps) else None


def _between(edges: list[int], box: Box, axis: int) -> slice:
    return slice(*np.searchsorted(edges, (box.low[axis], box.high[axis] + 1)).tolist())


def boxes_of(space: Any) -> list[Box]:
    """Return the blocks of a selection of a virtual data set; raises Unusable where they are too many, or points."""
    whole = Box(*space.get_select_bounds())
    if space.get_select_npoints() == np.prod([b - a + 1 for a, b in zip(*whole, strict=True)], dtype=np.int64):
        return [whole]
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or space.get_select_hyper_nblocks() > MOST_BLOCKS:
        raise Unusable("takes its values in too many pieces to be checked", STORE_PLAINLY)
    return [Box(tuple(low), tuple(high)) for low, high in space.get_select_hyper_blocklist().tolist()]


def rows(first: int, last: int) -> str:
    """Return how a sentence names a range of rows."""
    return f"rows {first} to {last}"
