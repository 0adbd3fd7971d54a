"""A part of a dataset, on which a whole matrix is rehearsed in minutes; its numbers compare with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmark import seeds
from benchmark.data.sampling import alone, draw_rows, one_class
from benchmark.errors import BadInput
from benchmark.interfaces.dataset import SPLITS, Dataset, NoLabels, check_split
from benchmark.interfaces.videos import FrameShape, RowVideos, Videos

SEED = 0
"""One draw for all cells, whatever their seed."""


class SubsetDataset(Dataset):
    """Some videos of another dataset: ``rows`` of each split, ascending.

    Splits of which the same videos are taken are one. It has the name of the whole dataset and another fingerprint.
    ``drawn``: how many training videos ``--subset`` asked for, None where the rows were chosen by another rule.
    """

    def __init__(self, base: Dataset, rows: Mapping[str, np.ndarray], drawn: int | None) -> None:
        self.roots, self.name, self.base, self.drawn = base.roots, base.name, base, drawn
        self.title, self.source, self.protocol = base.title, base.source, base.protocol
        self.official = base.official  # type: ignore[misc]
        self.self_retrieval = base.self_retrieval
        self._rows = rows
        owners: dict[tuple[str, bytes], str] = {}
        self._splits: dict[str, Videos] = {}
        for name in SPLITS:
            first = owners.setdefault((base.split(name).stamp, rows[name].tobytes()), name)
            self._splits[name] = self._splits.get(first) or RowVideos(base.split(name), self._rows[name])

    @property
    def origin(self) -> Dataset:
        """Return the dataset that this is a part of."""
        return self.base.origin

    @property
    def shape(self) -> FrameShape:  # type: ignore[override]
        """Return frames and dimensions."""
        return self.base.shape

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names of the classes."""
        return tuple(self.base.classes)

    def subset(self) -> bool:
        """Return True."""
        return True

    def split(self, name: str) -> Videos:
        """Return the features of a split."""
        check_split(name)
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)``; raises NoLabels where the training split has none."""
        check_split(name)
        return self.base.labels(name)[self._rows[name]]

    def groups(self, name: str) -> np.ndarray | None:
        """Return the group of each video, or None where groups are not known."""
        check_split(name)
        groups = self.base.groups(name)
        return None if groups is None else groups[self._rows[name]]

    def preview_file(self, split: str, row: int) -> Path | None:
        """Return the file of a video's thumbnail, or None where there is none."""
        return self.base.preview_file(split, int(self._rows[split][row]))

    def preview(self, split: str, row: int) -> np.ndarray | None:
        """Return a video's pixels, or None."""
        return self.base.preview(split, int(self._rows[split][row]))


def reduced(dataset: Dataset, n: int | None) -> Dataset:
    """Return a part with ``n`` training videos, or the dataset itself for None and where it has no more than that.

    Database and queries are as large a share, with at least a video for every class. The draw is seeded, even over
    classes and by whole groups (``benchmark.data.sampling``). Labels of training videos are used for it where there are
    any, but no method sees them. Raises BadInput where ``n`` is less than a video for each class.
    """
    if n is None or n >= len(dataset.split("train")):
        return dataset
    classes = dataset.labels("database").shape[1]
    if n < max(2, classes):
        raise BadInput(
            f"--subset is too small for dataset '{dataset.name}'",
            expected=f"{max(2, classes)} or more, a training video for each of its {classes} classes",
            found=n,
        )
    return SubsetDataset(dataset, _draw(dataset, n), n)


def sized_part(dataset: Dataset, sizes: Mapping[str, int], seed: int) -> SubsetDataset:
    """Return a part with ``sizes`` videos of each split, or all where there are fewer; labels do not matter.

    Its ``drawn`` is None. Splits that share their videos get rows of their own, except the queries of self-retrieval.
    """
    rows: dict[str, np.ndarray] = {}
    for split in SPLITS:
        owner = "database" if split == "query" and dataset.self_retrieval else split
        rows[split] = random_rows(len(dataset.split(split)), sizes[owner], seed, owner)
    return SubsetDataset(dataset, rows, None)


def random_rows(n: int, count: int, seed: int, split: str) -> np.ndarray:
    """Return ``count`` rows of ``n``, or all where there are fewer, int64 ascending."""
    return np.sort(seeds.generator(seed, "part", split).permutation(n)[:count])


def _draw(base: Dataset, n: int) -> dict[str, np.ndarray]:
    share = n / len(base.split("train"))
    rows: dict[str, np.ndarray] = {}
    rows_of: dict[str, np.ndarray] = {}
    for name in SPLITS:
        videos = base.split(name)
        if videos.stamp not in rows_of:
            classes = _classes(lambda name=name: base.labels(name), len(videos))  # type: ignore[misc]
            least = min(len(np.unique(classes)), len(videos))
            size = n if name == "train" else max(round(share * len(videos)), least)
            groups = base.groups(name)
            own = alone(len(videos)) if groups is None else groups
            rows_of[videos.stamp] = draw_rows(size, classes, own, seeds.generator(SEED, "subset", name))
        rows[name] = rows_of[videos.stamp]
    return rows


def _classes(labels: Callable[[], np.ndarray], n: int) -> np.ndarray:
    """Return a class for each video, the same for all where a split has no labels."""
    try:
        return one_class(labels())
    except NoLabels:
        return np.zeros(n, dtype=np.int64)
