"""Arrays of MATLAB files of every version: up to 7.2 by scipy, 7.3 by HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py

_MARK = b"MATLAB 7.3"
_DENSEST = 2**34
"""Bytes up to which a sparse matrix becomes dense (our choice)."""


def read_matlab(path: Path, names: Sequence[str] | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return arrays by name, those of ``names`` or all, and the names of all variables of a ``.mat`` file.

    Sparse matrices become dense; text is an array of text, and what else is no array of numbers one of objects.
    Raises almost anything where the file is damaged.
    """
    import h5py

    return _read_7_3(path, names) if h5py.is_hdf5(path) else _read_7_2(path, names)


def dense(values: Any) -> np.ndarray:
    """Return a sparse matrix of scipy as an array; raises ValueError where that would not fit into memory."""
    if values.shape[0] * values.shape[1] * values.dtype.itemsize > _DENSEST:
        raise ValueError(f"a sparse matrix of the shape {values.shape} is too large")
    return np.asarray(values.toarray())


def _read_7_2(path: Path, names: Sequence[str] | None) -> tuple[dict[str, np.ndarray], list[str]]:
    from scipy.io import loadmat, whosmat
    from scipy.sparse import issparse

    try:
        content = loadmat(path, variable_names=None if names is None else list(names))
        present = [name for name, _, _ in whosmat(path)]
    except NotImplementedError as error:
        raise ValueError("its header says MATLAB 7.3, and no HDF5 follows") from error
    arrays = {
        name: dense(value) if issparse(value) else np.asarray(value)
        for name, value in content.items()
        if not name.startswith("__")
    }
    return arrays, present


def _read_7_3(path: Path, names: Sequence[str] | None) -> tuple[dict[str, np.ndarray], list[str]]:
    import h5py

    with open(path, "rb") as stream:
        by_matlab = stream.read(len(_MARK)) == _MARK
    with h5py.File(path, "r", locking=False) as file:
        present = [name for name in file if not name.startswith("#")]
        wanted = [name for name in (present if names is None else names) if name in present]
        return {name: _variable(file[name], by_matlab) for name in wanted}, present


def _variable(item: h5py.Dataset | h5py.Group, by_matlab: bool) -> np.ndarray:
    """Return one variable; MATLAB stores arrays by columns, which HDF5 shows as transposed."""
    import h5py
    from scipy.sparse import csc_matrix

    if isinstance(item, h5py.Group):
        if "MATLAB_sparse" not in item.attrs:
            return np.empty((), object)
        rows, starts = int(item.attrs["MATLAB_sparse"]), _whole(item["jc"])
        data, places = (_whole(item[name]) if name in item else np.zeros(0, np.uint8) for name in ("data", "ir"))
        matrix = csc_matrix((data, places.astype(np.int64), starts.astype(np.int64)), (rows, len(starts) - 1))
        matrix.check_format(full_check=True)
        return dense(matrix)
    kind = item.attrs.get("MATLAB_class", b"")
    if kind in (b"char", "char"):
        return np.array("".join(map(chr, _whole(item).ravel(order="F").tolist())))
    if item.attrs.get("MATLAB_empty", 0):
        return np.zeros(tuple(int(size) for size in _whole(item)))
    values = _whole(item)
    return values.T if by_matlab or kind else values


def _whole(item: h5py.Dataset) -> np.ndarray:
    """Return all values; raises ValueError where HDF5 would make some of them up."""
    from h5py import h5d

    if item.is_virtual or item.external:
        raise ValueError("its values lie in other files")
    if item.size and item.chunks and item.id.get_space_status() != h5d.SPACE_STATUS_ALLOCATED:
        raise ValueError("some of its values were never written")
    return np.asarray(item[()])
