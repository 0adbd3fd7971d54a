"""A small part of a dataset: rows of each split, drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch

from benchmark import seeds
from benchmark.dataset import SPLITS, Dataset
from benchmark.features import Videos, combined


def drawn_rows(n: int, count: int, seed: int, split: str) -> np.ndarray:
    """Return ``count`` rows of ``n``, or all where there are fewer, int64 ascending."""
    drawn = seeds.generator(seed, "part", split).permutation(n)[:count]
    return np.sort(drawn)


class PartVideos(Videos):
    """Some videos of a split, read from it in place."""

    def __init__(self, whole: Videos, rows: np.ndarray) -> None:
        self.whole, self.rows = whole, rows
        self.shape, self.views, self.stored = whole.shape, whole.views, whole.stored

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of the whole split's and of the rows."""
        return combined(self.whole.fingerprint, self.rows.tobytes())

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        return self.whole.take(self.rows[rows], views)


class Part(Dataset):
    """A dataset of fewer videos, under the name of the whole: methods take the same presets."""

    def __init__(self, whole: Dataset, sizes: Mapping[str, int], seed: int) -> None:
        super().__init__(whole.roots)
        self.whole, self.name, self.title, self.source = whole, whole.name, whole.title, whole.source
        self.shape, self.classes, self.protocol = whole.shape, whole.classes, whole.protocol
        self.self_retrieval = whole.self_retrieval
        drawn = {split: "database" if split == "query" and whole.self_retrieval else split for split in SPLITS}
        self.rows = {
            split: drawn_rows(len(whole.split(split)), sizes[source], seed, source) for split, source in drawn.items()
        }
        self._splits = {split: PartVideos(whole.split(split), self.rows[split]) for split in SPLITS}

    def split(self, name: str) -> Videos:
        """Return the part's features of a split."""
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return the part's multi-hot labels of a split."""
        return self.whole.labels(name)[self.rows[name]]

    def subset(self) -> bool:
        """Say that this is a part."""
        return True
