"""What a dataset gives to the engine: three splits of frame features, and labels that only the evaluation sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from benchmark.errors import BadInput, nearest
from benchmark.interfaces.videos import FrameShape, Videos, combined
from benchmark.paths import Roots

SPLITS = ("train", "database", "query")


@dataclass(frozen=True)
class Presence:
    """Whether a dataset can be opened; if not, ``reason`` lists what is missing and where it is obtained."""

    available: bool
    reason: str = ""
    files: list[str] = field(default_factory=list)


class Dataset(ABC):
    """A dataset; one file in the datasets' folder defines one concrete subclass, and its file name is its name."""

    title: str
    """How it is called in tables."""

    source: str
    """Where it comes from and where its files are obtained."""

    official: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """Videos per split as published; empty where there is no such count."""

    self_retrieval: bool = False
    """Whether the queries are the database itself."""

    protocol: Mapping[str, Any] = MappingProxyType({})
    """Options of the evaluation protocol that this dataset overrides in every preset."""

    by_default: ClassVar[bool] = True
    """Whether a run that names no dataset takes it where it is present."""

    drawn: int | None = None
    """How many training videos were drawn from a larger dataset, None where it is the whole."""

    name: str
    shape: FrameShape
    classes: tuple[str, ...]

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self.name = self.default_name()

    @classmethod
    def default_name(cls) -> str:
        """Return the name of the file that defines the class."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def presence(cls, roots: Roots) -> Presence:
        """Return whether the dataset can be opened, without opening it."""
        return Presence(True)

    @classmethod
    def with_options(cls, roots: Roots, options: Mapping[str, str]) -> Dataset:
        """Open the dataset with options given as text; raises BadInput where it takes none."""
        raise BadInput(
            f"dataset '{cls.default_name()}' takes no options",
            found=", ".join(options),
            next_step=f"write '{cls.default_name()}' alone",
        )

    @abstractmethod
    def split(self, name: str) -> Videos:
        """Return the features of ``train``, ``database`` or ``query``."""

    @abstractmethod
    def labels(self, name: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)`` of a split; raises NoLabels where it has none."""

    @property
    def origin(self) -> Dataset:
        """Return the dataset that this is a part of: itself, unless it was drawn from another."""
        return self

    def groups(self, name: str) -> np.ndarray | None:
        """Return the group of each video of a split, int64 ``(videos,)``, or None where groups are not known.

        Videos of a group are near duplicates, such as clips of one source video.
        """
        return None

    @classmethod
    def advice(cls, roots: Roots) -> str:
        """Return a sentence on how a dataset that is present would be read faster, or nothing."""
        return ""

    def preview_file(self, split: str, row: int) -> Path | None:
        """Return the file of a video's thumbnail, or None where there is none."""
        return None

    def preview(self, split: str, row: int) -> np.ndarray | None:
        """Return a video's pixels, uint8 ``(frames, height, width)`` or with a last axis of 3, or None."""
        return None

    def subset(self) -> bool:
        """Return whether a split holds fewer videos than published."""
        return any(len(self.split(name)) < count for name, count in self.official.items())

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of the features of all splits and of the labels that the evaluation uses.

        Raises BadInput where a feature value is NaN or infinite.
        """
        parts: list[str | bytes] = [self.split(name).fingerprint for name in SPLITS]
        for name in ("database", "query"):
            labels = self.labels(name)
            parts += [str(labels.shape), np.ascontiguousarray(labels).tobytes()]
        return combined(*parts)


class NoLabels(BadInput):
    """A split without labels was asked for them; only a training split may be one."""


class Scalable(Dataset):
    """A dataset whose numbers of videos and dimensions are asked for; nothing of that size is stored."""

    @classmethod
    @abstractmethod
    def size_options(cls, *, train: int, database: int, query: int, dim: int) -> dict[str, int]:
        """Return the options, as in ``name:option=value,...``, that ask for so many videos and dimensions."""


def check_split(name: str) -> None:
    """Raise BadInput where ``name`` is no split."""
    if name not in SPLITS:
        raise BadInput(f"unknown split '{name}'; {nearest(name, SPLITS)}")


def numbered_classes(n: int) -> tuple[str, ...]:
    """Return the names of ``n`` classes that have none, numbered from 1."""
    return tuple(f"class {number}" for number in range(1, n + 1))


def multi_hot(ids: np.ndarray, classes: int) -> np.ndarray:
    """Return class ids (n,) as multi-hot uint8 ``(n, classes)``."""
    return (ids[:, None] == np.arange(classes)).astype(np.uint8)
