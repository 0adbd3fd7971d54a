"""Scenes of videos: the clusters that affinity propagation finds among the frames of each video."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Videos
from benchmark.interfaces.run import Run
from methods.parts.affinity import affinity_propagation, negative_squared_distances

BLOCK = 256
"""Videos clustered at a time (our choice): 105 MB of frames at 25 x 4096, and messages that fit the cache."""

DAMPINGS = (0.5, 0.9)
"""Tried in this order (our choice): scikit-learn's default, then a strong one against oscillation."""

ITERATIONS = 200
"""At most, for each damping (scikit-learn's default)."""


class Scenes(NamedTuple):
    """labels (n, T) int8, numbered from 0 by first appearance; converged (n,) bool: others form one scene."""

    labels: np.ndarray
    converged: np.ndarray

    def counts(self) -> np.ndarray:
        """Return the number of scenes of each video, ``(n,)``."""
        return self.labels.max(1).astype(np.int64) + 1

    def scalars(self) -> dict[str, float]:
        """Return what a record stores of the scenes: their mean number, and two shares of the videos."""
        counts = self.counts()
        return {
            "scenes_per_video": float(counts.mean()),
            "videos_with_several_scenes": float((counts > 1).mean()),
            "videos_without_converged_scenes": float(1 - self.converged.mean()),
        }


def scenes(run: Run, train: Videos, most: int) -> Scenes:
    """Return the scenes of all training videos (view 0), at most ``most`` in each, as a shared artefact."""

    def make() -> dict[str, np.ndarray]:
        labels = np.empty((len(train), train.shape.frames), dtype=np.int8)
        converged = np.empty(len(train), dtype=bool)
        run.phase("scenes", len(train))
        for rows, frames in train.batches(BLOCK):
            labels[rows], converged[rows] = cluster_frames(frames.to(run.device), most)
            run.advance(len(rows))
        return {"labels": labels, "converged": converged}

    arrays = run.artefact("scenes", make, of=train, most=most, dampings=list(DAMPINGS), iterations=ITERATIONS)
    return Scenes(arrays["labels"], arrays["converged"])


def cluster_frames(frames: Tensor, most: int) -> Scenes:
    """Cluster the frames of each video, ``frames`` (n, T, dim), by affinity propagation on unit-length frames.

    A video that converges under no damping forms one scene, and so does a video whose frames are all equal. While there
    are more than ``most`` scenes, the smallest is merged into the one with the nearest exemplar.
    """
    similarity = negative_squared_distances(frames)
    labels, converged = affinity_propagation(similarity, DAMPINGS[0], ITERATIONS)
    for damping in DAMPINGS[1:]:
        again = (~converged).nonzero()[:, 0]
        if len(again):
            labels[again], converged[again] = affinity_propagation(similarity[again], damping, ITERATIONS)
    labels = merge_smallest(torch.where(converged[:, None], labels, 0), similarity, most)
    return Scenes(number_by_appearance(labels).to(torch.int8).cpu().numpy(), converged.cpu().numpy())


def number_by_appearance(labels: Tensor) -> Tensor:
    """Return labels (n, T) renamed 0, 1, ... in the order in which each video shows them."""
    frames = labels.shape[1]
    first = (labels[:, :, None] == labels[:, None, :]).int().argmax(2)
    is_first = first == torch.arange(frames, device=labels.device)
    return (is_first.cumsum(1) - 1).gather(1, first)


def merge_smallest(labels: Tensor, similarity: Tensor, most: int) -> Tensor:
    """Return labels (n, T), the indices of the exemplars, with at most ``most`` different ones in each line.

    The smallest cluster, of equal ones the first, joins the cluster whose exemplar is most similar to its own.
    """
    labels = labels.clone()
    while True:
        sizes = torch.zeros_like(labels).scatter_add_(1, labels, torch.ones_like(labels))
        over = ((sizes > 0).sum(1) > most).nonzero()[:, 0]
        if not len(over):
            return labels
        present = sizes[over] > 0
        smallest = sizes[over].masked_fill(~present, labels.shape[1] + 1).argmin(1)
        others = present.scatter(1, smallest[:, None], False)
        nearest = similarity[over, smallest].masked_fill(~others, -torch.inf).argmax(1)
        labels[over] = torch.where(labels[over] == smallest[:, None], nearest[:, None], labels[over])
