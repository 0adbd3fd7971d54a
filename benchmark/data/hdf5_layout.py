"""How the values of one HDF5 data set lie in its file, and whether features can be read from it at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmark.errors import BadInput
from benchmark.files.hdf5 import open_hdf5, reading
from benchmark.files.hdf5_sources import Trace, trace


@dataclass(frozen=True)
class Layout:
    """How the values lie in the file: ``(videos, views, frames, dim)``, and where, if in one piece.

    ``place``: the file and the key at the end of all links, and every other file that bytes come from.
    ``filtered``: chunks are compressed or pass another filter. ``block_bytes``: of all chunks over the same videos and
    views, 0 where there are no chunks.
    """

    place: Trace
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    axes: int
    offset: int | None
    chunk_videos: int
    chunk_views: int
    chunk_bytes: int
    filtered: bool

    @property
    def value_bytes(self) -> int:
        """Return the decoded size of all values."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def block_bytes(self) -> int:
        """Return the decoded size of the chunks over the same videos and views."""
        _, _, frames, dim = self.shape
        return self.chunk_videos * self.chunk_views * frames * dim * self.dtype.itemsize if self.chunk_bytes else 0


def inspect(path: Path, key: str) -> Layout:
    """Return the layout of the data set ``key`` of a file; raises BadInput where it cannot hold features.

    Refused as well: values that were never written, or whose source is not there; HDF5 would fill them unseen.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, next_step="put it there or correct the path")
    open_hdf5(path).close()
    place = trace(path, key)
    with open_hdf5(place.path) as opened, reading("the description of its values", path, key):
        return _layout(path, key, place, opened[place.key])


def _layout(path: Path, key: str, place: Trace, values: h5py.Dataset) -> Layout:
    if values.ndim not in (3, 4):
        raise BadInput(
            "has the wrong number of axes",
            file=path,
            key=key,
            expected="(videos, frames, dim) or (videos, views, frames, dim)",
            found=f"the shape {values.shape}",
        )
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise BadInput(
            "has the wrong type",
            file=path,
            key=key,
            expected="float16, float32 or float64",
            found=values.dtype.name,
        )
    if 0 in values.shape:
        raise BadInput("is empty", file=path, key=key, expected="at least one video", found=f"the shape {values.shape}")
    n, *views, frames, dim = values.shape
    offset = None if values.chunks or values.external or values.is_virtual else values.id.get_offset()
    if offset is not None and place.path.stat().st_size < offset + values.size * values.dtype.itemsize:
        raise BadInput("ends before its values do", file=place.path, key=key, next_step="obtain the file again")
    chunk = values.chunks or values.shape[:0]
    return Layout(
        place=place,
        shape=(n, views[0] if views else 1, frames, dim),
        dtype=values.dtype,
        axes=values.ndim,
        offset=offset,
        chunk_videos=chunk[0] if chunk else 1,
        chunk_views=chunk[1] if len(chunk) == 4 else 1,
        filtered=bool(values.id.get_create_plist().get_nfilters()),
        chunk_bytes=int(np.prod(chunk)) * values.dtype.itemsize if chunk else 0,
    )
