"""Mean-pooled videos and their streamed statistics, with at most one batch of frames in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmark.interfaces.method import Videos
from benchmark.interfaces.run import Run

BATCH = 256
"""Videos read at a time (our choice)."""


def pooled_batches(videos: Videos) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``(rows, means)``: the mean over the frames of each video, ``(n, dim)`` float64, in order."""
    for rows, frames in videos.batches(BATCH):
        yield rows, frames.mean(1, dtype=torch.float64).numpy()


def mean(run: Run, train: Videos) -> np.ndarray:
    """Return the mean of the pooled videos, ``(dim,)`` float64, as a shared artefact."""

    def make() -> dict[str, np.ndarray]:
        total = sum((means.sum(0) for _, means in pooled_batches(train)), np.zeros(train.shape.dim))
        return {"mean": total / len(train)}

    return run.artefact("pooled-mean", make, of=train)["mean"]


class Moments:
    """Mean and scatter of float64 rows that arrive in blocks (the pairwise update of Chan, Golub, LeVeque 1979)."""

    def __init__(self, dim: int) -> None:
        self.n = 0
        self.mean = np.zeros(dim)
        self.scatter = np.zeros((dim, dim))

    def add(self, block: np.ndarray) -> None:
        """Take in ``(n, dim)`` rows."""
        centre = block.mean(0)
        shift = centre - self.mean
        total = self.n + len(block)
        centred = block - centre
        self.scatter += centred.T @ centred
        self.scatter += np.outer(shift, shift * (self.n * len(block) / total))
        self.mean += shift * (len(block) / total)
        self.n = total
