"""The small part of a dataset that a check runs on: rows of each split, drawn by a seed, in sizes of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark import seeds
from benchmark.dataset import SPLITS, Dataset
from benchmark.subset import SubsetDataset


def drawn_rows(n: int, count: int, seed: int, split: str) -> np.ndarray:
    """Return ``count`` rows of ``n``, or all where there are fewer, int64 ascending."""
    drawn = seeds.generator(seed, "part", split).permutation(n)[:count]
    return np.sort(drawn)


def part(whole: Dataset, sizes: Mapping[str, int], seed: int) -> SubsetDataset:
    """Return ``sizes`` videos of each split under the name of the whole, so that methods take the same presets."""
    drawn = {split: "database" if split == "query" and whole.self_retrieval else split for split in SPLITS}
    rows = {split: drawn_rows(len(whole.split(split)), sizes[source], seed, source) for split, source in drawn.items()}
    return SubsetDataset(whole, rows, None)
