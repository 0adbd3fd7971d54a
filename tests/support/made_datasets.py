"""Small files of features and labels, in the shapes of the field and of a user's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from benchmark.errors import BadInput

T, D, C = 4, 6, 3


def features(n: int, seed: int = 0, shape: tuple[int, ...] = (T, D)) -> np.ndarray:
    return np.random.default_rng(seed).random((n, *shape), dtype=np.float32)


def labels(n: int, classes: int = C) -> np.ndarray:
    return np.eye(classes, dtype=np.uint8)[np.arange(n) % classes]


def put(path: Path, values: np.ndarray, key: str = "feats", **storage: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(key, data=values, **storage)


def refusal(call: Callable[..., Any], *arguments: object) -> str:
    """Return the sentence with which opening or verifying a dataset is refused."""
    with pytest.raises(BadInput) as error:
        dataset = call(*arguments)
        dataset.fingerprint
    return str(error.value)


TOML = """
name = "mine"
title = "My archive"
classes = ["cats", "dogs", "other"]
[train]
features = "train.h5"
key = "vgg"
[database]
features = ["db_1.h5", "db_2.h5"]
labels = "db.mat"
[query]
features = "query.h5"
labels = "query.npz"
labels_key = "y"
[protocol]
ties = "expected"
"""


def write_own(folder: Path) -> Path:
    put(folder / "train.h5", features(8), key="vgg")
    put(folder / "db_1.h5", features(4, 1))
    put(folder / "db_2.h5", features(5, 2).astype(np.float16))
    put(folder / "query.h5", features(3, 3))
    savemat(folder / "db.mat", {"labels": labels(9)})
    np.savez(folder / "query.npz", y=labels(3).astype(bool))
    (folder / "dataset.toml").write_text(TOML)
    return folder
