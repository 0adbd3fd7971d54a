"""Drawing videos from a split: seeded, even over classes where they are known, whole groups at a time."""

from __future__ import annotations

import numpy as np


def one_class(labels: np.ndarray) -> np.ndarray:
    """Return one class of each video, int64 ``(n,)``: of several the rarest, of none -1. labels: (n, classes) 0/1."""
    sizes = labels.sum(axis=0, dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    first = labels[:, order].astype(bool).argmax(axis=1)
    return np.where(labels.any(axis=1), order[first], -1)


def quotas(sizes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Share ``n`` out as evenly as sizes allow, int64 like ``sizes``; what cannot be even goes to classes at random."""
    sizes = np.asarray(sizes, dtype=np.int64)
    low, high = 0, int(sizes.max(initial=0))
    while low < high:  # the largest level that does not exceed n
        level = (low + high + 1) // 2
        low, high = (level, high) if np.minimum(sizes, level).sum() <= n else (low, level - 1)
    shares = np.minimum(sizes, low)
    able = rng.permutation(np.flatnonzero(sizes > shares))[: n - int(shares.sum())]
    shares[able] += 1
    return shares


def draw_rows(n: int, classes: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ``n`` rows in ascending order, as many of each class as sizes allow.

    classes, groups: (videos,) integers. Inside a class whole groups follow each other in random order; only the last
    one is cut, so that the count is exact.
    """
    names, place = np.unique(classes, return_inverse=True)
    wanted = quotas(np.bincount(place, minlength=len(names)), n, rng)
    chosen = []
    for number, quota in enumerate(wanted):
        rows = rng.permutation(np.flatnonzero(place == number))
        _, first, of = np.unique(groups[rows], return_index=True, return_inverse=True)
        chosen.append(rows[np.argsort(first[of], kind="stable")][:quota])
    return np.sort(np.concatenate(chosen))


def hold_out(n: int, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ascending rows of whole groups in random order, until they are at least ``n``."""
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), n)) + 1]
    return np.flatnonzero(np.isin(place, chosen))


def alone(n: int) -> np.ndarray:
    """Return the groups of videos of which none is known to belong to another, int64 ``(n,)``."""
    return np.arange(n)
