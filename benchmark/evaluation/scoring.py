"""Compiled kernels that score ranked queries: average precision, curves by rank, curves by Hamming radius.

They take what ``ranking.rank_batch`` wrote, query by query, and release the GIL. Arrays written or added to
come last.
"""

from __future__ import annotations

import numpy as np

from benchmark.evaluation.kernels import kernel

Array = np.ndarray

DIRECT = 16  # positions up to which a harmonic sum is taken term by term, against cancellation; our choice


def harmonic_numbers(n: int) -> np.ndarray:
    """Return H(0..n) float64, each correct to its last digit or so (summed in extended precision)."""
    terms = 1.0 / np.arange(1, n + 1, dtype=np.longdouble)
    return np.concatenate([np.zeros(1), np.cumsum(terms).astype(np.float64)])


@kernel
def score_index(
    ranks: Array, rank_start: Array, n_relevant: Array, cuts: Array, points: Array, sums: Array, at_cut: Array,
    ratios: Array, curve: Array,
) -> None:  # fmt: skip
    """Score a batch of m queries with known ranks (ties by index).

    ranks, rank_start, n_relevant: as written by ``rank_batch`` for one ranking. cuts: (J,) and points: (P,)
    ascending.
    Written, (m, J) float64: sums, of the precisions at the hits up to each cut; at_cut, the hits up to it;
    ratios, their quotient (0 without a hit). Added to: curve (2, P), hits up to each point and the same
    divided by the relevant items.
    """
    for q in range(n_relevant.shape[0]):
        relevant = n_relevant[q]
        mine = ranks[rank_start[q] : rank_start[q] + relevant]
        i = 0
        total = 0.0
        for j in range(cuts.shape[0]):
            while i < relevant and mine[i] <= cuts[j]:
                i += 1
                total += i / mine[i - 1]
            sums[q, j] = total
            at_cut[q, j] = i
            ratios[q, j] = total / i if i else 0.0
        i = 0
        if relevant:
            for p in range(points.shape[0]):
                while i < relevant and mine[i] <= points[p]:
                    i += 1
                curve[0, p] += i
                curve[1, p] += i / relevant


@kernel
def _bucket_sums(before: int, taken: int, harmonic: Array) -> tuple[float, float]:
    """Return sum 1/(r+j) and sum (j-1)/(r+j) over j = 1..taken, with r = ``before``."""
    if taken <= DIRECT:
        plain = 0.0
        weighted = 0.0
        for j in range(1, taken + 1):
            plain += 1.0 / (before + j)
            weighted += (j - 1.0) / (before + j)
        return plain, weighted
    plain = harmonic[before + taken] - harmonic[before]
    return plain, taken - (before + 1.0) * plain


@kernel
def _bucket_gain(size: int, relevant: int, hits_before: int, plain: float, weighted: float) -> float:
    """Expected sum of precisions at hits over the first positions of a bucket in uniformly random order.

    A position is a hit with probability m/n, and then has (j-1)(m-1)/(n-1) expected hits before it in the
    bucket.
    """
    if relevant == 0:
        return 0.0
    slope = (relevant - 1.0) / (size - 1.0) if size > 1 else 0.0
    return relevant / size * ((hits_before + 1.0) * plain + slope * weighted)


@kernel
def _cut_ratio(
    total: float, hits_before: int, size: int, relevant: int, taken: int, plain: float, weighted: float,
) -> float:  # fmt: skip
    """Expected (sum of precisions at hits) / hits when a cut leaves ``taken`` positions of a bucket.

    Given x hits among the positions taken (hypergeometric), their order is uniform again. The weights start
    at the mode and follow the ratio of neighbouring probabilities, normalised at the end.
    """
    low = max(0, taken - (size - relevant))
    high = min(taken, relevant)
    mode = min(high, max(low, (taken + 1) * (relevant + 1) // (size + 2)))
    mass = 0.0
    value = 0.0
    for direction in (1, -1):
        x = mode
        weight = 1.0
        while low <= x <= high and weight > 1e-300:
            if direction == 1 or x != mode:
                mass += weight
                if hits_before + x > 0:
                    gain = _bucket_gain(taken, x, hits_before, plain, weighted) if x else 0.0
                    value += weight * (total + gain) / (hits_before + x)
            up = float(relevant - x) * (taken - x)
            if direction == 1:
                weight *= up / ((x + 1.0) * (size - relevant - taken + x + 1.0))
            else:
                weight *= x * (size - relevant - taken + x) / ((relevant - x + 1.0) * (taken - x + 1.0))
            x += direction
    return value / mass


@kernel
def _expect(
    counts: Array, hits: Array, cuts: Array, harmonic: Array, with_ratios: bool, sums: Array, at_cut: Array,
    ratios: Array,
) -> None:  # fmt: skip
    """Expected sums, hits and ratios of one query at all cuts, bucket by bucket: O(bins + cuts)."""
    j = 0
    before = 0
    hits_before = 0
    total = 0.0
    for b in range(counts.shape[0]):
        size = counts[b]
        if size == 0:
            continue
        relevant = hits[b]
        while j < cuts.shape[0] and cuts[j] < before + size:
            taken = cuts[j] - before
            plain, weighted = _bucket_sums(before, taken, harmonic)
            sums[j] = total + _bucket_gain(size, relevant, hits_before, plain, weighted)
            at_cut[j] = hits_before + relevant * taken / size
            if with_ratios:
                ratios[j] = _cut_ratio(total, hits_before, size, relevant, taken, plain, weighted)
            j += 1
        if relevant:
            plain, weighted = _bucket_sums(before, size, harmonic)
            total += _bucket_gain(size, relevant, hits_before, plain, weighted)
        before += size
        hits_before += relevant
    sums[j:] = total
    at_cut[j:] = hits_before
    ratios[j:] = total / hits_before if hits_before else 0.0


@kernel
def score_expected(
    counts: Array, hits: Array, n_relevant: Array, cuts: Array, points: Array, harmonic: Array,
    with_ratios: bool, sums: Array, at_cut: Array, ratios: Array, curve: Array,
) -> None:  # fmt: skip
    """As ``score_index``, in exact expectation over uniformly random order inside each distance bin.

    counts, hits: (m, bins) int64, all and relevant items per bin. harmonic: harmonic numbers up to the
    database size. ``ratios`` at cuts inside a bin are computed only ``with_ratios``.
    """
    for q in range(n_relevant.shape[0]):
        _expect(counts[q], hits[q], cuts, harmonic, with_ratios, sums[q], at_cut[q], ratios[q])
        if n_relevant[q] == 0:
            continue
        p = 0
        before = 0
        hits_before = 0
        for b in range(counts.shape[1]):
            size = counts[q, b]
            while p < points.shape[0] and points[p] <= before + size:
                hits_at_point = hits_before
                if size:
                    hits_at_point += hits[q, b] * (points[p] - before) / size
                curve[0, p] += hits_at_point
                curve[1, p] += hits_at_point / n_relevant[q]
                p += 1
            before += size
            hits_before += hits[q, b]


@kernel
def score_radius(
    counts: Array, hits: Array, n_relevant: Array, step: int, pairs: Array, shares: Array,
) -> None:  # fmt: skip
    """Add a batch of queries to the sums by Hamming radius 0..bits; a radius is ``step`` bins.

    pairs: (2, bits + 1) int64, retrieved and relevant retrieved items. shares: (3, bits + 1) float64, sums
    over queries of precision where something is retrieved, of queries that retrieve something, of recall
    where something is relevant.
    """
    for q in range(n_relevant.shape[0]):
        retrieved = 0
        relevant = 0
        for b in range(counts.shape[1]):
            retrieved += counts[q, b]
            relevant += hits[q, b]
            if b % step == 0:
                radius = b // step
                pairs[0, radius] += retrieved
                pairs[1, radius] += relevant
                if retrieved:
                    shares[0, radius] += relevant / retrieved
                    shares[1, radius] += 1
                if n_relevant[q]:
                    shares[2, radius] += relevant / n_relevant[q]
