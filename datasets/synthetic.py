"""Made-up features of any size, for scale tests: nothing is stored, any row is computed without the others.

A video shows one to four scenes. Every scene has a point in a space of 48 factors, near one of its class's prototypes;
frames wander around it, and a random matrix with a ReLU turns factors into features >= 0, about half of them zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import BadInput, nearest
from benchmark.interfaces.dataset import SPLITS, Dataset, Scalable, check_split
from benchmark.interfaces.videos import FrameShape, Videos, combined
from benchmark.paths import Roots

if TYPE_CHECKING:
    import torch

FACTORS, PROTOTYPES, BLOCK = 48, 3, 16
"""Dimensions that the features live in, typical scenes of a class, and videos drawn from one generator (our choice)."""


@dataclass(frozen=True)
class Recipe:
    """Everything that the content is a function of; the first three are counts of videos."""

    videos: int = 2000
    database: int = 1000
    query: int = 300
    frames: int = 25
    dim: int = 512
    classes: int = 20
    multi_label: bool = False
    seed: int = 0

    def count(self, split: str) -> int:
        """Return the number of videos of a split."""
        return self.videos if split == "train" else int(getattr(self, split))

    def generator(self, *purpose: int) -> np.random.Generator:
        """Return the random generator of a purpose."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *purpose])))


class SyntheticVideos(Videos):
    """One split of a recipe; a block of 16 videos is a function of (seed, split, block)."""

    def __init__(self, recipe: Recipe, split: str) -> None:
        self.recipe = recipe
        self.shape = FrameShape(recipe.frames, recipe.dim)
        self._split, self._place, self._n = split, SPLITS.index(split), recipe.count(split)
        rng = recipe.generator(0)
        self._prototypes = rng.normal(size=(recipe.classes, PROTOTYPES, FACTORS)).astype(np.float32)
        self._basis = (rng.normal(size=(FACTORS, recipe.dim)) / np.sqrt(FACTORS)).astype(np.float32)

    def __len__(self) -> int:
        return self._n

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of the recipe, the split and the first videos."""
        first = self.take(np.arange(min(BLOCK, self._n))).numpy().astype(np.float16)
        return combined(
            repr(replace(self.recipe, videos=0, database=0, query=0)),
            self._split,
            str(self._n),
            first.tobytes(),
        )

    def labels(self) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)``: one class, or one to three where the recipe is multi-label."""
        blocks = range(0, self._n, BLOCK)
        return np.concatenate([self._labels(start // BLOCK) for start in blocks])[: self._n]

    def _labels(self, block: int) -> np.ndarray:
        rng = self.recipe.generator(1, self._place, block)
        order = rng.random((BLOCK, self.recipe.classes)).argsort(axis=1)
        most = min(3, self.recipe.classes) if self.recipe.multi_label else 1
        return (order < rng.integers(1, most + 1, size=(BLOCK, 1))).astype(np.uint8)

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        import torch

        out = np.empty((len(rows), *self.shape), dtype=np.float32)
        for block in np.unique(rows // BLOCK):
            factors = self._factors(int(block))
            for place in np.flatnonzero(rows // BLOCK == block):
                # one product per video: its shape, and so its rounding, does not depend on the batch
                np.maximum(factors[rows[place] % BLOCK] @ self._basis, 0.0, out=out[place])
        return torch.from_numpy(out)

    def _factors(self, block: int) -> np.ndarray:
        """Return ``(16, frames, 48)`` float32."""
        rng = self.recipe.generator(2, self._place, block)
        frames, labels = self.recipe.frames, self._labels(block)
        cuts = rng.random((BLOCK, 3)) * frames * (rng.random((BLOCK, 3)) < 0.5)
        scene = (np.arange(frames)[None, :, None] >= cuts[:, None, :]).sum(axis=2)
        chosen = self._prototypes[:, rng.integers(PROTOTYPES, size=(BLOCK, 4))]
        centres = np.einsum("vc,cvsf->vsf", labels.astype(np.float32), chosen) / labels.sum(axis=1)[:, None, None]
        centres = centres + 0.75 * (rng.normal(size=centres.shape) + rng.normal(size=(BLOCK, 1, FACTORS)))
        wander = 0.3 * rng.normal(size=(BLOCK, frames, FACTORS))
        return (np.take_along_axis(centres, scene[:, :, None], axis=1) + wander).astype(np.float32)


class Synthetic(Scalable):
    """Options: ``synthetic:videos=45585,dim=4096,multi_label=true``, any field of the recipe."""

    title = "Synthetic"
    source = "computed on the fly"
    by_default = False

    def __init__(self, roots: Roots, **options: Any) -> None:
        super().__init__(roots)
        self.recipe = Recipe(**options)
        changed = {key: value for key, value in options.items() if value != getattr(Recipe(), key)}
        self.name = "-".join([self.name, *(f"{key}{int(value)}" for key, value in sorted(changed.items()))])
        self.shape = FrameShape(self.recipe.frames, self.recipe.dim)
        self.classes = tuple(f"class {number}" for number in range(1, self.recipe.classes + 1))
        self._splits = {split: SyntheticVideos(self.recipe, split) for split in SPLITS}

    @classmethod
    def with_options(cls, roots: Roots, options: Mapping[str, str]) -> Dataset:
        """Open with options as text; raises BadInput on an unknown one or a value that is no number."""
        return cls(roots, **{key: _number(key, value) for key, value in options.items()})

    @classmethod
    def size_options(cls, *, train: int, database: int, query: int, dim: int) -> dict[str, int]:
        """Return the options that ask for so many videos and dimensions."""
        return {"videos": train, "database": database, "query": query, "dim": dim}

    def split(self, name: str) -> SyntheticVideos:
        """Return the features of a split."""
        check_split(name)
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)``."""
        return self.split(name).labels()


def _number(key: str, value: str) -> int:
    names = [field.name for field in fields(Recipe)]
    if key not in names:
        raise BadInput(f"dataset 'synthetic': unknown option '{key}'; {nearest(key, names)}")
    if key == "multi_label" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    smallest, largest = (0, 1) if key == "multi_label" else (0 if key == "seed" else 1, 2**62)
    if not value.isdecimal() or not smallest <= int(value) <= largest:
        expected = "true or false" if key == "multi_label" else f"a whole number from {smallest}"
        raise BadInput(f"dataset 'synthetic': option '{key}' has no usable value", expected=expected, found=repr(value))
    return bool(int(value)) if key == "multi_label" else int(value)
