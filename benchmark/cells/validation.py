"""Choosing an epoch without test queries: pseudo-queries held out of the training set, relevance without labels.

A tenth of the training videos, at most 500, is held out of training as queries; where groups of near duplicates are
known, whole groups are, so that no query has a twin among the others. They look for videos among the rest, of which at
most 5,000 are encoded. Relevant to a query are its 20 nearest videos (at most a tenth of those) by the cosine of
mean-pooled features, less their mean. Nearest neighbours in the space of the features are the usual ground truth where
there are no labels (Gong and Lazebnik, Iterative Quantization, CVPR 2011, section 4; Weiss, Torralba and Fergus,
Spectral Hashing, NIPS 2008). Labels of training videos are never read: a self-supervised method whose epoch they choose
has been supervised. The price: neighbours of means know no order of frames. Sizes are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmark import seeds
from benchmark.data.sampling import alone, hold_out
from benchmark.errors import BadInput
from benchmark.interfaces.videos import RowVideos, Videos, combined
from benchmark.records.training import HeldOut

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset

RULE = 1
"""Raised whenever the same training set would give another slice or other neighbours: part of a cell's key."""
SEED = 0
"""One slice for all cells of a dataset, whatever their seed."""
SHARE, MOST_QUERIES, MOST_DATABASE = 0.1, 500, 5_000
NEIGHBOURS, MOST_RELEVANT = 20, 0.1
LEAST = 40
"""Fewer training videos are not worth a slice."""
READ = 256


@dataclass(frozen=True)
class Slice:
    """Rows of a training set, ascending: ``queries`` and ``rest`` part it, ``database`` lies in the rest."""

    queries: np.ndarray
    database: np.ndarray
    rest: np.ndarray
    grouped: bool

    @property
    def relevant(self) -> int:
        """Return how many videos are relevant to a query."""
        return max(1, min(NEIGHBOURS, int(MOST_RELEVANT * len(self.database))))

    @cached_property
    def digest(self) -> str:
        """Return a hash of the rule and the rows, which stands for the slice in a cell's key."""
        return combined(str((RULE, self.relevant)), self.queries.tobytes(), self.database.tobytes())

    def described(self) -> HeldOut:
        """Return what a record says of the slice."""
        return HeldOut(
            queries=len(self.queries),
            database=len(self.database),
            trained_on=len(self.rest),
            relevant=self.relevant,
            whole_groups=self.grouped,
            digest=self.digest,
        )


def carve(dataset: Dataset) -> Slice:
    """Return the slice of a dataset's training set; raises BadInput where that is too small."""
    n = len(dataset.split("train"))
    groups = dataset.groups("train")
    rng = seeds.generator(SEED, "validation")
    wanted = min(MOST_QUERIES, round(SHARE * n))
    queries = hold_out(wanted, alone(n) if groups is None else groups, rng)
    rest = np.setdiff1d(np.arange(n), queries)
    if n < LEAST or len(rest) < n / 2:
        raise BadInput(
            f"--select validation: the training set of '{dataset.name}' is too small to hold a part of it out",
            expected=f"{LEAST} videos or more, in groups of less than half of them",
            found=f"{n} videos",
            next_step="leave --select out: the last epoch needs no comparison",
        )
    database = np.sort(rng.permutation(rest)[:MOST_DATABASE])
    return Slice(queries, database, rest, groups is not None)


def training_part(dataset: Dataset, part: Slice) -> Videos:
    """Return the training videos that a method may see."""
    return RowVideos(dataset.split("train"), part.rest)


def pseudo_labels(train: Videos, part: Slice) -> dict[str, np.ndarray]:
    """Return multi-hot uint8 labels: ``query`` (q, q) and ``database`` (d, q); class i holds what query i looks for."""
    queries, database = _pooled(train, part.queries), _pooled(train, part.database)
    middle = database.mean(axis=0)
    nearest = np.argsort(-(_unit(queries - middle) @ _unit(database - middle).T), axis=1, kind="stable")
    relevant = np.zeros((len(database), len(queries)), np.uint8)
    np.put_along_axis(relevant.T, nearest[:, : part.relevant], 1, axis=1)
    return {"query": np.eye(len(queries), dtype=np.uint8), "database": relevant}


def _pooled(videos: Videos, rows: np.ndarray) -> np.ndarray:
    """Return mean frames, float32 ``(len(rows), dim)``."""
    chunks = [rows[start : start + READ] for start in range(0, len(rows), READ)]
    return np.concatenate([videos.take(chunk).mean(dim=1).numpy() for chunk in chunks])


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
