"""The anchor graph: which pairs of training videos are similar, which are dissimilar but not far apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from benchmark.errors import BadInput
from methods.parts.anchors import nearest_anchors

SIMILAR, MIDDLE = 1, 2
"""Tags: the videos of a pair share one of their 3 nearest anchors, or one only if 5 are allowed. Others have 0."""
ALLOWED = (3, 4, 5)
"""Anchors per video in the three adjacency matrices that the tags are made of; BTH's code."""
THRESHOLD = 1e-5
"""Adjacency above which a pair counts as sharing an anchor; BTH's code."""
ROWS = 1024
"""Rows of the adjacency matrices that are multiplied at a time (our choice)."""


class Rows(NamedTuple):
    """Lists of ascending video ids, one list per video: that of video i is ``ids[start[i]:start[i + 1]]``."""

    start: np.ndarray
    ids: np.ndarray

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Return the lengths of the lists of ``rows``."""
        return self.start[rows + 1] - self.start[rows]

    def contains(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return whether ``ids[k]`` is in the list of ``rows[k]``."""
        place = self._search(rows, ids - 1, ranks=False)
        inside = place < self.start[rows + 1]
        return inside & (self.ids[np.where(inside, place, 0)] == ids) if len(self.ids) else inside

    def outside(self, rows: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Return the ``rank[k]``-th (from 0) of the videos that are not in the list of ``rows[k]``."""
        return rank + self._search(rows, rank, ranks=True) - self.start[rows]

    def _search(self, rows: np.ndarray, limit: np.ndarray, ranks: bool) -> np.ndarray:
        """Return the first places whose id, less its place in the list if ``ranks``, is above ``limit``."""
        low, high = self.start[rows], self.start[rows + 1]
        while (open_ := low < high).any():
            middle = (low + high) // 2
            value = self.ids[np.where(open_, middle, 0)].astype(np.int64)
            if ranks:
                value -= middle - self.start[rows]
            right = open_ & (value <= limit)
            low = np.where(right, middle + 1, low)
            high = np.where(open_ & ~right, middle, high)
        return low


@dataclass(frozen=True)
class TagGraph:
    """The pairs of tag 1 and of tag 2 of n videos, sparse.

    ``met`` lists, for a video without a pair of tag 2, all videos that may not take the place of one.
    """

    similar: Rows
    middle: Rows
    met: Rows

    def __len__(self) -> int:
        return len(self.similar.start) - 1

    def sample(self, tag: int, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return one partner per row as int64, uniform over the videos that have this tag with it.

        rows: (k,) int64; u: (k,) uniforms in [0, 1), of which each partner is a function. A video without a pair of
        tag 2 gets one of tag 0 instead, as in BTH's code; one that is similar to none, not even to itself, gets itself.
        """
        lists = self.similar if tag == SIMILAR else self.middle
        lengths = lists.lengths(rows)
        some = lengths > 0
        place = lists.start[rows] + _scaled(u, lengths)
        partners = lists.ids[np.where(some, place, 0)].astype(np.int64) if len(lists.ids) else rows.copy()
        none = np.flatnonzero(~some)
        partners[none] = rows[none]
        if tag == MIDDLE and len(none):
            free = len(self) - self.met.lengths(rows[none])
            partners[none] = self.met.outside(rows[none], _scaled(u[none], free))
        return partners

    def tag_of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the tags of the pairs ``(first[k], second[k])`` as int8."""
        tags = np.where(self.middle.contains(first, second), np.int8(MIDDLE), np.int8(0))
        return np.where(self.similar.contains(first, second), np.int8(SIMILAR), tags)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what an artefact stores; ``from_arrays`` reverses it."""
        lists = {"similar": self.similar, "middle": self.middle, "met": self.met}
        return {f"{name}_{part}": array for name, rows in lists.items() for part, array in rows._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TagGraph:
        """Return the graph that ``arrays`` was called on."""
        return cls(*(Rows(arrays[f"{name}_start"], arrays[f"{name}_ids"]) for name in ("similar", "middle", "met")))


def tag_graph(points: np.ndarray, anchors: np.ndarray) -> TagGraph:
    """Return the graph of ``points`` (n, d) over ``anchors`` (m, d).

    With A_s = 1 where the adjacency over the s nearest anchors exceeds 1e-5, the tag of a pair is 2 (A_5 - A_4) + A_3.
    Where the matrices, which differ in bandwidth, make it -2, -1 or 3, the pair is never drawn. An anchor that is
    nobody's neighbour takes no part; the dense form of BTH's code divides by its weight of zero. Source: BTH's code,
    with products of sparse matrices in blocks of rows in place of its n x n matrices.

    Raises BadInput where some video has no dissimilar one.
    """
    ids, squared = nearest_anchors(points, anchors, min(ALLOWED[-1], len(anchors)))
    weights = [anchor_weights(ids[:, :s], squared[:, :s], len(anchors)) for s in ALLOWED]
    shared = [(z, z.multiply(_inverse(z.sum(0, dtype=np.float64))).T.tocsr()) for z in weights]
    blocks = [_block(shared, start) for start in range(0, len(points), ROWS)]
    return TagGraph(*(_stacked(parts) for parts in zip(*blocks, strict=True)))


def _block(shared: Sequence[tuple[csr_array, csr_array]], start: int) -> tuple[csr_array, csr_array, csr_array]:
    """Return the similar, middle and met pairs of the videos from ``start``."""
    three, four, five = (_pairs(z[start : start + ROWS], back) for z, back in shared)
    tags = three + (five - four) * np.int8(2)
    middle = _where(tags, tags.data == MIDDLE)
    lonely = np.diff(middle.indptr) == 0
    met = _where(tags, np.repeat(lonely, np.diff(tags.indptr)) & (tags.data != 0))
    if (np.diff(met.indptr) == met.shape[1]).any():
        raise BadInput(
            "the neighbour graph has a video to which all others are similar, so no dissimilar pair can be drawn",
            expected="more training videos or more anchors",
            found=f"{met.shape[1]} videos",
        )
    return _where(tags, tags.data == SIMILAR), middle, met


def anchor_weights(ids: np.ndarray, squared: np.ndarray, anchors: int) -> csr_array:
    """Return Z (n, anchors) float32: each row holds the kernel weights of its s nearest anchors and sums to 1.

    ids, squared: (n, s) of ``nearest_anchors``. The weights are proportional to exp(-d^2 / (2 sigma^2)), where sigma is
    the mean distance to the s-th anchor divided by the square root of 2.
    """
    bandwidth = max(np.sqrt(squared[:, -1]).mean() ** 2, np.finfo(np.float64).tiny)
    weights = np.exp((squared[:, :1] - squared) / bandwidth)
    weights /= weights.sum(1, keepdims=True)
    n, s = ids.shape
    rows = csr_array((weights.astype(np.float32).ravel(), ids.ravel(), np.arange(n + 1) * s), shape=(n, anchors))
    rows.sort_indices()
    return rows


def _inverse(sums: np.ndarray) -> np.ndarray:
    return np.divide(1, sums, out=np.zeros(len(sums)), where=sums > 0).astype(np.float32)[None]


def _pairs(rows: csr_array, back: csr_array) -> csr_array:
    """Return int8 1 where the adjacency ``rows @ back`` exceeds the threshold."""
    product = rows @ back
    product.sort_indices()
    return _where(product, product.data > THRESHOLD)


def _where(matrix: csr_array, keep: np.ndarray) -> csr_array:
    """Return a matrix of int8 ones at the stored entries that ``keep`` marks."""
    start = np.concatenate([[0], np.cumsum(keep)])[matrix.indptr]
    ids = matrix.indices[keep]
    return csr_array((np.ones(len(ids), dtype=np.int8), ids, start), shape=matrix.shape)


def _stacked(blocks: Sequence[csr_array]) -> Rows:
    stacked = vstack(blocks, format="csr")
    return Rows(stacked.indptr.astype(np.int64), stacked.indices.astype(np.int32))


def _scaled(u: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.minimum((u * count).astype(np.int64), count - 1)
