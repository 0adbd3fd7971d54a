"""Compiled kernels that rank: distances, their histogram per query, and the ranks of the relevant items.

They release the GIL; the caller runs them on threads, batch by batch. Each file of kernels is closed in
itself: numba keys its on-disk cache by the file of the outermost function, so a helper elsewhere could change
without a new compilation.

Codes come as words (words, n) uint64, transposed so that the loop over items is contiguous and vectorises
(vpopcntq where the processor has it). Distances are counted in bins: whole steps for binary codes, half steps
for ternary codes. Arrays written by a kernel are its last arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from benchmark.evaluation.kernels import kernel

Array = np.ndarray

BLOCK = 4096  # items whose distances are held at once: 8 KiB, stays in the first-level cache; our choice


def _count_ones(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


_popcount: Any = intrinsic(_count_ones)


@kernel
def distances(
    query: Array, query_nonzero: Array, database: Array, database_nonzero: Array, ternary: bool, bits: int,
    first: int, last: int, out: Array,
) -> None:  # fmt: skip
    """Write the distance bins of one query to items first..last-1 into ``out`` (uint16).

    Binary: popcount(a ^ c). Ternary: b - popcount(z) + 2 popcount((a ^ c) & z), with z the bits where both
    are non-zero.
    """
    n = last - first
    out[:n] = np.uint16(bits if ternary else 0)
    for w in range(database.shape[0]):
        word = query[w]
        row = database[w, first:last]
        if ternary:
            mask = query_nonzero[w]
            row_mask = database_nonzero[w, first:last]
            for i in range(n):
                both = mask & row_mask[i]
                out[i] += np.uint16(2 * _popcount((word ^ row[i]) & both) - _popcount(both))
        else:
            for i in range(n):
                out[i] += np.uint16(_popcount(word ^ row[i]))


@kernel
def _count(bins: Array, first: int, last: int, counts: Array) -> None:
    """Add bins[first:last] to four interleaved histograms: equal neighbours need not wait for each other."""
    i = first
    while i + 4 <= last:
        counts[0, bins[i]] += np.uint32(1)
        counts[1, bins[i + 1]] += np.uint32(1)
        counts[2, bins[i + 2]] += np.uint32(1)
        counts[3, bins[i + 3]] += np.uint32(1)
        i += 4
    while i < last:
        counts[0, bins[i]] += np.uint32(1)
        i += 1


@kernel
def _relevant_rows(classes: Array, class_start: Array, class_rows: Array, marks: Array, rows: Array) -> int:
    """Write the sorted union of the rows of ``classes``; return how many. ``marks``: a bitmap, left clear."""
    for c in classes:
        for i in range(class_start[c], class_start[c + 1]):
            row = class_rows[i]
            marks[row >> 6] |= np.uint64(1) << np.uint64(row & 63)
    count = 0
    for w in range(marks.shape[0]):
        word = marks[w]
        while word != 0:
            lowest = word & (~word + np.uint64(1))
            rows[count] = 64 * w + np.int64(_popcount(lowest - np.uint64(1)))
            count += 1
            word ^= lowest
        marks[w] = np.uint64(0)
    return count


@kernel
def _histogram(
    query: Array, query_nonzero: Array, database: Array, database_nonzero: Array, ternary: bool, bits: int,
    rows: Array, n_rows: int, buffer: Array, parts: Array, counts: Array, row_bin: Array, earlier: Array,
) -> None:  # fmt: skip
    """Count all items per distance bin, in index order.

    For each relevant row also its bin, and how many items of that bin have a smaller index: with the bin's
    offset that is its rank under ties by index, so nothing is ever sorted.
    """
    parts[:] = 0
    n = database.shape[1]
    r = 0
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        distances(query, query_nonzero, database, database_nonzero, ternary, bits, first, last, buffer)
        position = 0
        while r < n_rows and rows[r] < last:
            here = rows[r] - first
            _count(buffer, position, here, parts)
            position = here
            b = buffer[here]
            row_bin[r] = b
            earlier[r] = np.int64(parts[0, b]) + parts[1, b] + parts[2, b] + parts[3, b]
            r += 1
        _count(buffer, position, last - first, parts)
    for b in range(counts.shape[0]):
        counts[b] = np.int64(parts[0, b]) + parts[1, b] + parts[2, b] + parts[3, b]


@kernel
def _rank_relevant(
    rows: Array, n_rows: int, row_bin: Array, earlier: Array, skip: int, skip_bin: int, counts: Array,
    place: Array, offset: Array, hits: Array, ranks: Array,
) -> int:  # fmt: skip
    """Write relevant items per bin and their ranks, all rows but ``skip`` (-1: none); return how many."""
    hits[:] = 0
    for r in range(n_rows):
        if rows[r] != skip:
            hits[row_bin[r]] += 1
    items = 0
    relevant = 0
    for b in range(counts.shape[0]):
        offset[b] = items
        place[b] = relevant
        items += counts[b]
        relevant += hits[b]
    for r in range(n_rows):
        if rows[r] != skip:
            b = row_bin[r]
            gone = 1 if skip >= 0 and b == skip_bin and rows[r] > skip else 0
            ranks[place[b]] = offset[b] + earlier[r] - gone + 1
            place[b] += 1
    return relevant


@kernel
def rank_batch(
    query: Array, query_nonzero: Array, database: Array, database_nonzero: Array, ternary: bool, bits: int,
    first: int, last: int, query_start: Array, query_classes: Array, class_start: Array, class_rows: Array,
    exclude: Array, rank_start: Array, counts: Array, hits: Array, ranks: Array, n_relevant: Array,
) -> None:  # fmt: skip
    """Rank the whole database for queries first..last-1, with or without the query itself, or both.

    query, database: (words, n) uint64, with masks of the same shapes when ``ternary``. query_start,
    query_classes: the classes of each query; class_start, class_rows: the ascending database rows of each
    class (both compressed rows).
    exclude: (S,) 1 where item q is taken out of the ranking of query q. rank_start: (m,) where the ranks of a
    query go.
    Written, for the m queries of the batch: counts and hits (S, m, bins) int64, all and relevant items per
    distance bin; ranks (S, room) int64, ascending from 1, equal distances by ascending index; n_relevant (S,
    m) int64.
    """
    n = database.shape[1]
    bins = counts.shape[2]
    buffer = np.empty(min(n, BLOCK), np.uint16)
    parts = np.empty((4, bins), np.uint32)
    all_counts = np.empty(bins, np.int64)
    place, offset = np.empty(bins, np.int64), np.empty(bins, np.int64)
    marks = np.zeros((n + 63) // 64, np.uint64)
    rows, earlier = np.empty(n, np.int64), np.empty(n, np.int64)
    row_bin = np.empty(n, np.uint16)
    own = np.zeros(1, np.uint16)
    for q in range(first, last):
        word, mask, i = query[:, q], query_nonzero[:, q], q - first
        classes = query_classes[query_start[q] : query_start[q + 1]]
        n_rows = _relevant_rows(classes, class_start, class_rows, marks, rows)
        _histogram(
            word, mask, database, database_nonzero, ternary, bits,
            rows, n_rows, buffer, parts, all_counts, row_bin, earlier,
        )  # fmt: skip
        for s in range(exclude.shape[0]):
            counts[s, i] = all_counts
            skip = -1
            if exclude[s] == 1:
                skip = q
                distances(word, mask, database, database_nonzero, ternary, bits, q, q + 1, own)
                counts[s, i, own[0]] -= 1
            n_relevant[s, i] = _rank_relevant(
                rows, n_rows, row_bin, earlier, skip, own[0], counts[s, i], place, offset, hits[s, i],
                ranks[s, rank_start[i] :],
            )  # fmt: skip


@kernel
def nearest_rows(
    query: Array, query_nonzero: Array, database: Array, database_nonzero: Array, ternary: bool, bits: int,
    exclude_self: bool, first: int, last: int, rows: Array, bins: Array,
) -> None:  # fmt: skip
    """Write the k nearest items of queries first..last-1, ties by ascending index, and their distance bins.

    rows: (queries, k) int64; bins: (queries, k) uint16. Counting sort, of which only the first k places are
    kept.
    """
    n = database.shape[1]
    k = rows.shape[1]
    buffer = np.empty(n, np.uint16)
    counts = np.empty((2 if ternary else 1) * bits + 2, np.int64)
    for q in range(first, last):
        distances(query[:, q], query_nonzero[:, q], database, database_nonzero, ternary, bits, 0, n, buffer)
        counts[:] = 0
        for i in range(n):
            counts[buffer[i] + 1] += 1
        if exclude_self:
            counts[buffer[q] + 1] -= 1
        for b in range(1, counts.shape[0]):
            counts[b] += counts[b - 1]
        for i in range(n):
            place = counts[buffer[i]]
            if place < k and not (exclude_self and i == q):
                rows[q, place] = i
                bins[q, place] = buffer[i]
                counts[buffer[i]] = place + 1
