"""Classes of videos: from the folders they lie in, or from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.extraction.collection import Video
from benchmark.extraction.video_table import read_video_table

UNKNOWN = ("no label", "no label either")
"""Classes that no video has. They fill up to two columns, as one column would be read as class ids."""


@dataclass(frozen=True)
class Labels:
    """The classes in order, and those of each video; a video without label is missing or has an empty list."""

    classes: tuple[str, ...]
    of: Mapping[str, Sequence[str]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of ``matrix``: the classes, at least two."""
        return (*self.classes, *UNKNOWN[: max(0, 2 - len(self.classes))])

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """Return multi-hot uint8 ``(len(names), columns)``; where nothing has a label, columns of zeros."""
        place = {name: column for column, name in enumerate(self.columns)}
        matrix = np.zeros((len(names), len(self.columns)), np.uint8)
        for row, name in enumerate(names):
            matrix[row, [place[label] for label in self.of.get(name, ())]] = 1
        return matrix


def read_labels(videos: Sequence[Video], table: Path | None, folder: Path) -> tuple[Labels, list[str]]:
    """Return the labels, and sentences about rows of the table that name no video of ``folder``; raises BadInput.

    Without a table the class of a video is the folder that holds it (``a/b.mp4`` is of class ``a``, ``a/b/c.mp4`` of
    ``a/b``), and videos in the collection's own folder have none. table: CSV with the columns ``video`` and ``label``.
    """
    if table is None:
        return _labels({video.name: [video.folder] for video in videos if video.folder}), []
    content = read_video_table(table, "label", videos, folder)
    return _labels(content.values), content.notes


def _labels(of: Mapping[str, Sequence[str]]) -> Labels:
    return Labels(tuple(sorted({label for labels in of.values() for label in labels})), of)
