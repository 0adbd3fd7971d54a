"""Label files: dense 0/1 matrices ``(videos, classes)`` in .mat, .npy or .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from benchmark.errors import BadInput, nearest

FORMATS = (".mat", ".npy", ".npz")


def read_labels(path: Path, key: str, videos: int, of: str) -> np.ndarray:
    """Return uint8 ``(videos, classes)``; raises BadInput where the file does not hold exactly that.

    key: the variable in a .mat or .npz file. videos: how many the feature files ``of`` hold.
    Any numeric type will do, and a sparse matrix in a .mat file too.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, next_step="put the labels there or correct the path")
    if path.suffix not in FORMATS:
        raise BadInput("unknown kind of label file", file=path, expected=" or ".join(FORMATS))
    values = _load(path, key)
    named = None if path.suffix == ".npy" else key
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise BadInput(
            "is no label matrix",
            file=path,
            key=named,
            expected="(videos, classes) of 0 and 1",
            found=f"{values.shape} {values.dtype}",
        )
    _check_rows(path, named, values.shape, videos, of)
    wrong = values[(values != 0) & (values != 1)]
    if wrong.size:
        raise BadInput("labels are not multi-hot", file=path, key=named, expected="0 and 1 only", found=wrong.flat[0])
    return values.astype(np.uint8)


def _check_rows(path: Path, key: str | None, shape: tuple[int, ...], videos: int, of: str) -> None:
    if shape[0] == videos:
        return
    if shape[1] == videos:
        raise BadInput(
            "the label matrix is transposed",
            file=path,
            key=key,
            expected=f"(videos, classes) with the {videos} videos of {of} as rows",
            found=f"{shape}",
            next_step="transpose it and save it again",
        )
    raise BadInput(
        "labels and features do not belong together",
        file=path,
        key=key,
        expected=f"{videos} rows, one per video of {of}",
        found=f"{shape[0]}",
    )


def _load(path: Path, key: str) -> np.ndarray:
    try:
        if path.suffix == ".mat":
            return _load_mat(path, key)
        loaded: Any = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            return np.asarray(loaded)
        with loaded:
            if key not in loaded.files:
                raise _no_key(path, key, loaded.files)
            return np.asarray(loaded[key])
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise BadInput(
            f"cannot be read as {path.suffix} ({error})", file=path, next_step="write the file again"
        ) from error


def _load_mat(path: Path, key: str) -> np.ndarray:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError
    from scipy.sparse import issparse

    try:
        held = loadmat(path, variable_names=[key])
    except NotImplementedError as error:
        raise BadInput("is a MATLAB 7.3 file", file=path, next_step="save it in MATLAB with '-v7'") from error
    except (MatReadError, TypeError, IndexError, KeyError) as error:
        raise BadInput(f"cannot be read as .mat ({error})", file=path, next_step="write the file again") from error
    if key not in held:
        raise _no_key(path, key, [name for name, _, _ in whosmat(path)])
    return held[key].toarray() if issparse(held[key]) else np.asarray(held[key])


def _no_key(path: Path, key: str, present: list[str]) -> BadInput:
    return BadInput(
        "no such variable in the file",
        file=path,
        key=key,
        found=", ".join(present) or "none at all",
        next_step=nearest(key, present) if present else None,
    )
