"""The one reader of label files: multi-hot matrices and class ids, read alike by every verb."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.files.arrays import read_arrays

KEY = "labels"
"""The array that is read where none is named."""

_LARGEST_ID = 2**53
"""Whole numbers up to here are exact in float64."""


def read_labels(path: Path, n: int, of: str, key: str | None = None) -> np.ndarray:
    """Return the labels of ``n`` videos: multi-hot uint8 ``(n, classes)``, or class ids int64 ``(n,)``.

    A list, a single column or, of several videos, a single row holds class ids; two columns and more are multi-hot.
    Any numeric type will do, and a sparse matrix too. Ids of 0 and 1 alone could be meant as one class: stderr says
    that they are read as ids. Raises BadInput, which names the file.

    of: what the videos are, for messages. key: the array in an ``.npz`` or ``.mat``; without it ``labels``, or the
        only array there is.
    """
    values, name = _array(path, key)
    if values.dtype.kind not in "biuf":
        raise BadInput("labels are not numbers", file=path, key=name, found=values.dtype)
    if values.size == 0:
        raise BadInput("there is no label", file=path, key=name, found=f"shape {values.shape}")
    if values.ndim == 1 or (values.ndim == 2 and 1 in values.shape and (n > 1 or values.shape[1] == 1)):
        ids = _as_ids(path, name, values.ravel())
        _check_count(ids, n, of, path, name)
        if ids.max() <= 1:
            print(_ambiguous(path, name), file=sys.stderr, flush=True)
        return ids
    if values.ndim != 2:
        expected = "(videos, classes) of 0 and 1, or (videos,) class ids"
        raise BadInput("is no label matrix", file=path, key=name, expected=expected, found=f"shape {values.shape}")
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise BadInput(
            "labels are not multi-hot", file=path, key=name, expected="0 and 1 only", found=_first(values, wrong)
        )
    _check_count(values, n, of, path, name)
    return values.astype(np.uint8)


def mixed_kinds(ids: object, columns: object) -> BadInput:
    """Return the refusal of a file of class ids beside a multi-hot one."""
    return BadInput(
        "holds class ids, while the other label file is multi-hot",
        file=ids,  # type: ignore[arg-type]
        expected=f"the same kind as in {columns}",
        next_step="store both alike",
    )


def _check_count(labels: np.ndarray, n: int, of: str, path: Path, key: str | None) -> None:
    """Raise BadInput unless there are ``n`` labels, one per video of ``of``."""
    if len(labels) == n:
        return
    if labels.ndim == 2 and labels.shape[1] == n:
        raise BadInput(
            "the label matrix is transposed",
            file=path,
            key=key,
            expected=f"(videos, classes) with the {n} videos of {of} as rows",
            found=f"{labels.shape}",
            next_step="transpose it and save it again",
        )
    raise BadInput(
        "the number of labels does not fit",
        file=path,
        key=key,
        expected=f"{n} rows, one per video of {of}",
        found=len(labels),
    )


def _ambiguous(path: Path, key: str | None) -> str:
    place = f"{path}: key '{key}'" if key else str(path)
    return (
        f"note: {place}: 0 and 1 in one column are read as class ids, which makes 0 a class too; "
        "where 0 means of no class, store a second column"
    )


def _array(path: Path, key: str | None) -> tuple[np.ndarray, str | None]:
    """Return the array that holds the labels, and its name, None in an ``.npy``."""
    arrays = read_arrays(path, None if key is None else [key])
    if "" in arrays:
        return arrays[""], None
    name = key or (KEY if KEY in arrays or len(arrays) != 1 else next(iter(arrays)))
    if name not in arrays:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise BadInput("which array holds the labels?", file=path, expected=f"key {KEY}", found=found)
    return arrays[name], name


def _as_ids(path: Path, key: str | None, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("labels hold NaN or infinity", file=path, key=key)
    wrong = values != np.floor(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    if wrong.any():
        raise BadInput("class ids must be whole numbers", file=path, key=key, found=_first(values, wrong))
    wrong = (values < 0) | (values > _LARGEST_ID) if values.dtype.kind != "b" else wrong
    if wrong.any():
        raise BadInput(
            "class ids are out of range", file=path, key=key, expected="0 or more", found=_first(values, wrong)
        )
    return values.astype(np.int64)


def _first(values: np.ndarray, where: np.ndarray) -> Any:
    return values[where].flat[0].item()
