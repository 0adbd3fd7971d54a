"""Anchors: centres of a clustering of the training videos, and the anchors nearest to each video."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

UPDATES = 16
"""Most updates of the centres; the code of BTH and MCMSH."""
VIDEOS_PER_ANCHOR = 7
"""Least number of training videos for each anchor, so that a small training set gets fewer anchors (our choice)."""
BLOCK = 1 << 22
"""Values of one float64 block of distances or points: 32 MiB (our choice)."""


def anchor_count(wanted: int, videos: int) -> int:
    """Return how many anchors to compute: ``wanted``, or fewer if there are few training videos."""
    return max(1, min(wanted, videos // VIDEOS_PER_ANCHOR))


def kmeans(
    points: np.ndarray, count: int, rng: np.random.Generator, starts: int = 1, spread: bool = False
) -> np.ndarray:
    """Return K-means centres of ``points`` (n, d) float32 as (m, d) float32, m <= ``count``.

    The first centres are ``count`` points drawn with replacement. Equal ones count once, so m is usually smaller than
    ``count`` (2000 draws from 45,585 videos leave about 1957). A cluster that is empty in the end is dropped, and the
    order is that of the first member in ``points``. Source: BTH's code, with its loops replaced by scikit-learn, which
    moves a centre that loses all points on the way to a distant point instead of dropping it.

    starts: how many clusterings to make (our choice; 1 in BTH's code), of which the one with the least sum of squares
    is returned. spread: draw the first centres far from each other, by k-means++ (our choice).
    """
    initial = [np.unique(points[_first(points, count, rng, spread)], axis=0) for _ in range(starts)]
    # More threads would add up their partial sums in a random order.
    with threadpool_limits(limits=2, user_api="openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        runs = (KMeans(len(first), init=first, n_init=1, max_iter=UPDATES, tol=0).fit(points) for first in initial)
        tightest = min(runs, key=lambda run: run.inertia_)
    labels, place = np.unique(tightest.labels_, return_index=True)
    return np.ascontiguousarray(tightest.cluster_centers_[labels[np.argsort(place)]], dtype=np.float32)


def _first(points: np.ndarray, count: int, rng: np.random.Generator, spread: bool) -> np.ndarray:
    """Return the indices of the points that are the first centres."""
    if spread:
        chosen: np.ndarray = kmeans_plusplus(points, count, random_state=int(rng.integers(2**31)))[1]
        return chosen
    return rng.integers(len(points), size=count)


def nearest_anchors(points: np.ndarray, anchors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(ids, squared)``, both (n, k): the nearest anchors of each point, the nearest first.

    points: (n, d); anchors: (m, d), m >= k. ids: int32; squared: float64 squared Euclidean distances. Works in float64
    and in blocks of points.
    """
    centre = anchors.mean(0, dtype=np.float64)
    far = (anchors - centre).T
    lengths = (far**2).sum(0)
    ids = np.empty((len(points), k), dtype=np.int32)
    squared = np.empty((len(points), k))
    step = max(1, BLOCK // max(anchors.shape))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        near = points[block] - centre
        distances = lengths - 2 * (near @ far) + (near**2).sum(1, keepdims=True)
        ids[block], squared[block] = _smallest(distances, k)
    return ids, np.maximum(squared, 0)


def _smallest(distances: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    # Sorting the ids first lets the stable sort put the smaller id first among equals.
    ids = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(distances, ids, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)
