"""The labels of a dataset's splits, from their label files: multi-hot, with one numbering of class ids for all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import BadInput
from benchmark.files.labels import mixed_kinds, read_labels
from benchmark.interfaces.dataset import NoLabels, numbered_classes


@dataclass(frozen=True)
class LabelFiles:
    """The label files of one split: one for all feature files, or one for each.

    videos: of each label file. features: which feature files these lie in, for messages.
    """

    paths: tuple[Path, ...]
    key: str
    videos: tuple[int, ...]
    features: tuple[str, ...]


class SplitLabels:
    """Multi-hot labels of each split of a dataset; those of the training split are never needed.

    Files of class ids become multi-hot over the ids of all label files together, so that a number means one class in
    every split. The constructor reads the labels of database and queries and, for their ids, those of the training
    split where they are there. It raises BadInput.
    """

    def __init__(self, dataset: str, files: Mapping[str, LabelFiles]) -> None:
        self._dataset, self._files = dataset, files
        self._read: dict[LabelFiles, np.ndarray] = {}
        database, query = self._of("database"), self._of("query")
        self._ids = None
        if database.ndim == 1:
            train = [self._of("train")] if self._missing("train") is None else []
            self._ids = np.unique(np.concatenate([database, query, *train]))

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes: by their ids, or numbered from 1 where files have columns."""
        if self._ids is None:
            return numbered_classes(self._of("database").shape[1])
        return tuple(f"class {number}" for number in self._ids.tolist())

    def of(self, split: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)``; raises NoLabels where the training split has none."""
        missing = self._missing(split)
        if missing is not None:
            raise missing
        labels = self._of(split)
        return labels if self._ids is None else (labels[:, None] == self._ids).astype(np.uint8)

    def _missing(self, split: str) -> NoLabels | None:
        """Return why a split has no labels, or None; files that database and queries lack are told by their reader."""
        files = self._files[split]
        if not files.paths:
            return NoLabels(f"the {split} split of '{self._dataset}' has no labels")
        absent = [path for path in files.paths if split == "train" and not os.path.exists(path)]  # noqa: PTH110
        return (
            NoLabels("no such file", file=absent[0], next_step="put it there or correct the path") if absent else None
        )

    def _of(self, split: str) -> np.ndarray:
        """Return the labels as the files hold them: of the same kind, and as many classes, as those of the database."""
        files = self._files[split]
        if files not in self._read:
            missing = self._missing(split)
            if missing is not None:
                raise missing
            self._read[files] = _join(files)
        labels, first = self._read[files], self._read[self._files["database"]]
        _check_alike(files.paths[0], labels, self._files["database"].paths[0], first)
        return labels


def _join(files: LabelFiles) -> np.ndarray:
    """Return the labels of all files of a split, in their order."""
    parts = [
        read_labels(path, videos, features, files.key)
        for path, videos, features in zip(files.paths, files.videos, files.features, strict=True)
    ]
    for path, part in zip(files.paths, parts, strict=True):
        _check_alike(path, part, files.paths[0], parts[0])
    return np.concatenate(parts)


def _check_alike(path: Path, labels: np.ndarray, other: Path, first: np.ndarray) -> None:
    """Raise BadInput where two label files are of different kinds or have different numbers of columns."""
    if labels.ndim != first.ndim:
        raise mixed_kinds(path, other) if labels.ndim == 1 else mixed_kinds(other, path)
    if labels.shape[1:] != first.shape[1:]:
        raise BadInput(
            "the label files disagree on the number of classes",
            file=path,
            expected=f"{first.shape[1]} as in {other.name}",
            found=labels.shape[1],
        )
