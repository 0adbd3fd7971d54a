"""A small part of a dataset: rows of each split, drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark import seeds
from benchmark.dataset import SPLITS, Dataset
from benchmark.features import Videos
from benchmark.rows import RowVideos


def drawn_rows(n: int, count: int, seed: int, split: str) -> np.ndarray:
    """Return ``count`` rows of ``n``, or all where there are fewer, int64 ascending."""
    drawn = seeds.generator(seed, "part", split).permutation(n)[:count]
    return np.sort(drawn)


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
        self._splits = {split: RowVideos(whole.split(split), self.rows[split]) for split in SPLITS}

    def split(self, name: str) -> Videos:
        """Return the part's features of a split."""
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return the part's multi-hot labels of a split."""
        return self.whole.labels(name)[self.rows[name]]

    def subset(self) -> bool:
        """Say that this is a part."""
        return True
