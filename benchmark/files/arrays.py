"""Arrays in files, in and out: nothing is unpickled, and whatever is wrong with a file is one type of error."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput, nearest
from benchmark.files.atomic import replacing
from benchmark.files.matlab import dense, read_matlab

FORMATS = (".mat", ".npy", ".npz")
"""Endings of the files that ``read_arrays`` reads; ``.mat`` of every version of MATLAB."""

_OF_SPARSE = {"format", "shape", "data"}
"""Arrays of a file that ``scipy.sparse.save_npz`` wrote."""

_LONGEST = 160
"""Characters that a message quotes of what a library says (our choice)."""


class Unreadable(BadInput):
    """A file of arrays that is missing, damaged, of another kind, or without the array that is needed."""


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> None:
    """Write an ``.npz`` atomically."""
    write: Any = np.savez_compressed if compressed else np.savez
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        write(stream, allow_pickle=False, **arrays)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an ``.npy`` atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array, allow_pickle=False)


def read_arrays(
    path: Path, names: Sequence[str] | None = None, formats: Sequence[str] = FORMATS
) -> dict[str, np.ndarray]:
    """Return arrays of a file by name: those of ``names``, or all; sparse matrices become dense.

    The array of an ``.npy``, or of a sparse matrix of scipy, has the empty name, whatever ``names`` asks for. Raises
    Unreadable, which names the file and, where an array is missing, its name.
    """
    if path.suffix not in formats:
        raise Unreadable("is not a kind of file that is read here", file=path, expected=" or ".join(formats))
    if os.path.isdir(path):  # noqa: PTH112 (a name that no file can have is no error here)
        raise Unreadable("is a folder, not a file", file=path)
    if not os.path.isfile(path):  # noqa: PTH113
        raise Unreadable("no such file", file=path, next_step="put it there or correct the path")
    return _read_matlab(path, names) if path.suffix == ".mat" else _read_numpy(path, names)


def whole_number(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> int:
    """Return the single whole number that the file ``path`` holds under ``name``; raises Unreadable."""
    value = arrays[name]
    if value.shape != () or value.dtype.kind not in "iu":
        raise Unreadable("is no whole number", file=path, key=name, found=f"{value.shape} {value.dtype}")
    return int(value)


def _read_numpy(path: Path, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    present: list[str] = []
    try:
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            return {"": opened}
        with opened:
            present = opened.files
            if _OF_SPARSE.issubset(present):
                return {"": _sparse(path)}
            wanted = present if names is None else names
            arrays = {name: opened[name] for name in wanted if name in present}
    except Exception as error:
        # numpy and zipfile raise a dozen types on damaged bytes, RuntimeError, zlib.error and TokenError among them
        raise _damaged(path, error) from error
    return _all_of(path, names, arrays, present)


def _sparse(path: Path) -> np.ndarray:
    """Return a sparse matrix that ``scipy.sparse.save_npz`` wrote."""
    from scipy.sparse import load_npz

    return dense(load_npz(path))


def _read_matlab(path: Path, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    try:
        arrays, present = read_matlab(path, names)
    except Exception as error:  # scipy and h5py raise many types on a damaged file
        raise _damaged(path, error) from error
    return _all_of(path, names, arrays, present)


def _all_of(
    path: Path, names: Sequence[str] | None, arrays: dict[str, np.ndarray], present: list[str]
) -> dict[str, np.ndarray]:
    """Return the arrays if none of the names is missing."""
    for name in names or ():
        if name not in arrays:
            raise Unreadable(
                "no such variable in the file",
                file=path,
                key=name,
                found=", ".join(present) or "none at all",
                next_step=nearest(name, present) if present else None,
            )
    return arrays


def _damaged(path: Path, error: Exception) -> Unreadable:
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        reason = f"its header promises more than memory holds: {reason}"
    if "pickle" in reason.lower() and _is_array_file(path):
        return Unreadable("holds Python objects, which are refused", file=path, next_step="store numbers only")
    return Unreadable(
        f"cannot be read as {path.suffix} ({reason[:_LONGEST]})", file=path, next_step="write the file again"
    )


def _is_array_file(path: Path) -> bool:
    """Return whether a file begins as numpy's files do; of others numpy says, too, that they are pickled."""
    with open(path, "rb") as stream:
        return stream.read(6) == b"\x93NUMPY" or zipfile.is_zipfile(path)
