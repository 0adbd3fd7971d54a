"""One contiguous HDF5 file of a compact store: laying it out, recognising it, and fitting values to its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmark.errors import BadInput
from benchmark.files.hdf5 import open_hdf5, reading
from benchmark.interfaces.videos import Videos

KEY, STAMP = "feats", "converted_from"
"""The data set inside the file, and the attribute that says of which content it is."""

SMALLEST_NORMAL = float(np.finfo(np.float16).tiny)


@dataclass
class Rounding:
    """What narrowing to float16 has lost.

    ``relative`` is the largest error in units of the value, over values of at least 6.1e-05, the smallest that float16
    holds with all its digits; ``tiny`` counts the smaller ones that were changed, by 3e-08 at most.
    """

    relative: float = 0.0
    tiny: int = 0

    def add(self, before: np.ndarray, after: np.ndarray) -> None:
        """Take a block into account, float32 and the same values in float16."""
        size, error = np.abs(before), np.abs(before - after.astype(np.float32))
        normal = size >= SMALLEST_NORMAL
        self.relative = max(self.relative, float(np.max(error[normal] / size[normal], initial=0.0)))
        self.tiny += int(np.count_nonzero(error[~normal]))


def create_contiguous(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], attributes: Mapping[str, str]) -> int:
    """Create the file with its values not yet written, and return where they begin in it.

    The values are then written past HDF5, whose own writes tell a full disk late and unclearly. No lock is taken: the
    name is temporary and no other program knows it.
    """
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)  # equal contents, equal bytes
    with h5py.File(path, "w", locking=False) as file:
        space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(dtype, logical=True)
        values = h5py.h5d.create(file.id, KEY.encode(), kind, space, plan)
        file.attrs.update(attributes)
        return int(values.get_offset())


def is_finished(path: Path, videos: Videos, dtype: np.dtype[Any]) -> bool:
    """Return whether the file is a conversion of just these videos to this type; only whole files have its name."""
    try:
        with open_hdf5(path) as file, reading("its stamp", path, KEY):
            return bool(file.attrs.get(STAMP) == videos.stamp and file[KEY].dtype == dtype)
    except BadInput:
        return False


def narrowed(
    frames: np.ndarray, dtype: np.dtype[Any], rounding: Rounding, where: str, first: int, views: int
) -> np.ndarray:
    """Return float32 ``(videos * views, frames, dim)`` in another type; raises BadInput on a value that it cannot hold.

    first: the row of the first video, and ``where`` its split, both for the message.
    """
    if not np.isfinite(frames).all():
        row = first + int(np.argmin(np.isfinite(frames).all(axis=(1, 2)))) // views
        raise BadInput(
            f"a value of row {row} of {where} is not finite",
            next_step="extract the features of that video again or leave it out",
        )
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(frames, dtype=dtype)
    if dtype.itemsize < frames.itemsize:
        if not np.isfinite(values).all():
            item, frame, place = (int(i[0]) for i in np.nonzero(~np.isfinite(values)))
            raise BadInput(
                f"a value of row {first + item // views} of {where} does not fit float16",
                expected=f"{np.finfo(np.float16).max:.0f} at most",
                found=f"{frames[item, frame, place]:g}",
                next_step="use --dtype keep",
            )
        rounding.add(frames, values)
    return values
