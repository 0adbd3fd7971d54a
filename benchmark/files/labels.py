"""The one reader of label files: multi-hot matrices and, where they are allowed, class ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.files.arrays import read_arrays

KEY = "labels"
"""The array that is read where none is named."""


def read_labels(path: Path, key: str | None = None, *, class_ids: bool) -> np.ndarray:
    """Return labels: multi-hot uint8 ``(n, classes)`` or, only with ``class_ids``, int64 ``(n,)``.

    Any numeric type will do, and a sparse matrix in a ``.mat`` file too. Raises BadInput, which names the file.

    key: the array in an ``.npz`` or ``.mat``; without it ``labels``, or the only array there is.
    class_ids: whether a list, a single row or a single column holds class ids. Otherwise a single column says which
        videos are of the one class there is.
    """
    values, name = _array(path, key)
    if values.dtype.kind not in "biuf":
        raise BadInput("labels are not numbers", file=path, key=name, found=values.dtype)
    if values.size == 0:
        raise BadInput("there is no label", file=path, key=name, found=f"shape {values.shape}")
    if class_ids and (values.ndim == 1 or (values.ndim == 2 and min(values.shape) == 1)):
        return _as_ids(path, name, values.ravel())
    if values.ndim != 2:
        expected = "(videos, classes) of 0 and 1" + (", or (videos,) class ids" if class_ids else "")
        raise BadInput("is no label matrix", file=path, key=name, expected=expected, found=f"shape {values.shape}")
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise BadInput(
            "labels are not multi-hot", file=path, key=name, expected="0 and 1 only", found=_first(values, wrong)
        )
    return values.astype(np.uint8)


def check_count(labels: np.ndarray, n: int, of: str, path: Path, key: str | None = None) -> None:
    """Raise BadInput, which names ``path`` and ``key``, unless there are ``n`` labels, one per video of ``of``."""
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
    wrong = values != np.floor(values)
    if wrong.any():
        raise BadInput("class ids must be whole numbers", file=path, key=key, found=_first(values, wrong))
    return values.astype(np.int64)


def _first(values: np.ndarray, where: np.ndarray) -> Any:
    return values[where].flat[0].item()
