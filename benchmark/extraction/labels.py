"""Classes of videos: from the folders they lie in, or from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.extraction.collection import Video, read_table

UNKNOWN = "no label"
"""The one class, that no video has, of a dataset without labels."""


@dataclass(frozen=True)
class Labels:
    """The classes in order, and those of each video; a video without label is missing or has an empty list."""

    classes: tuple[str, ...]
    of: Mapping[str, Sequence[str]]

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """Return multi-hot uint8 ``(len(names), classes)``; where nothing has a label, one column of zeros."""
        classes = self.classes or (UNKNOWN,)
        place = {name: column for column, name in enumerate(classes)}
        matrix = np.zeros((len(names), len(classes)), np.uint8)
        for row, name in enumerate(names):
            matrix[row, [place[label] for label in self.of.get(name, ())]] = 1
        return matrix


def read_labels(videos: Sequence[Video], table: Path | None) -> tuple[Labels, int]:
    """Return the labels and how many rows of the table name no video of the folder; raises BadInput.

    Without a table the class of a video is the folder that holds it (``a/b.mp4`` is of class ``a``, ``a/b/c.mp4`` of
    ``a/b``), and videos in the collection's own folder have none. table: CSV with the columns ``video`` and ``label``.
    """
    unknown = 0
    if table is None:
        of = {video.name: [video.folder] for video in videos if video.folder}
    else:
        of, unknown = read_table(table, "label", videos)
    return Labels(tuple(sorted({label for labels in of.values() for label in labels})), of), unknown
