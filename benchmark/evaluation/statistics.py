"""Statistics in one place: means over seeds, intervals over queries, paired tests, ranks over datasets.

Pure functions of arrays; what is drawn at random comes from Philox with the caller's seed, in an order that does not
depend on how the work is cut into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

import numpy as np

from benchmark.errors import BadInput

RESAMPLES = 2_000
"""Bootstrap rounds (our choice): between seeds, the ends of a 95 % interval move by a few hundredths of its width."""
PERMUTATIONS = 10_000
"""Random sign flips (our choice): the smallest p is 1e-4, which leaves room to correct for some hundred pairs."""
LEVEL = 0.95
BLOCK = 2**25
"""Bytes of the weights that are in memory at a time (our choice)."""
TIE = 1e-12
"""Sums that differ by less than this share of their terms' absolute sum are equal: the difference is rounding."""


def mean_deviation(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return mean and sample deviation (n - 1); no mean of nothing, and no deviation of fewer than two values."""
    numbers = [float(value) for value in values]
    return fmean(numbers) if numbers else None, stdev(numbers) if len(numbers) > 1 else None


def resampled_means(scores: np.ndarray, *, rounds: int = RESAMPLES, seed: int) -> np.ndarray:
    """Return the means of bootstrap resamples of the queries, (rounds, m) float64.

    A resample is the same for all columns, so the difference of two columns of the result is what resampling the
    difference of two columns of the scores gives. Beside scores and result, about ``BLOCK`` bytes are used.

    Args:
        scores: (queries, m) numbers, at least one query, all finite.
        rounds: number of resamples, at least 1.
        seed: the same seed and number of queries give the same resamples.

    Raises:
        BadInput: the scores are not such a table.
    """
    table = _table(scores)
    n = len(table)
    rng = np.random.Generator(np.random.Philox(seed))
    means = np.empty((rounds, table.shape[1]))
    weights = np.empty((min(_block(n), rounds), n))
    for start in range(0, rounds, len(weights)):
        block = weights[: rounds - start]
        for row in block:
            row[:] = np.bincount(rng.integers(0, n, n), minlength=n)
        means[start : start + len(block)] = block @ table
    return means / n


def interval(means: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of resampled means (rounds, m): low (m,) and high (m,) float64."""
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def bootstrap_interval(
    scores: np.ndarray, *, level: float = LEVEL, rounds: int = RESAMPLES, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile bootstrap interval of the mean over queries: low (m,) and high (m,) float64.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Arguments and errors are those of
    ``resampled_means``; ``level`` lies between 0 and 1.
    """
    return interval(resampled_means(scores, rounds=rounds, seed=seed), level)


def flipped_sums(scores: np.ndarray, *, rounds: int = PERMUTATIONS, seed: int) -> np.ndarray:
    """Return sums over queries after random sign flips of whole queries, (1 + rounds, m) float64.

    The first row is the sum without a flip. Where all 2**queries flips are no more than ``rounds``, the result is all
    of them, once each. A flip is the same for all columns, so differences of columns of the result are the flipped
    sums of the differences. Arguments and errors are those of ``resampled_means``.
    """
    table = _table(scores)
    n = len(table)
    exact = n < 63 and 2**n <= rounds
    sums = np.empty((2**n if exact else 1 + rounds, table.shape[1]))
    start = 0
    for flips in _all_flips(n) if exact else _random_flips(n, rounds, seed):
        sums[start : start + len(flips)] = flips @ table
        start += len(flips)
    return table.sum(axis=0) - 2 * sums


def permutation_p(sums: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return two-sided p-values (m,) in (0, 1] of flipped sums (flips, m), whose first row is what was observed.

    ``scale`` (m,) is the sum of the absolute numbers that went into a sum; see ``TIE``.
    """
    size = np.abs(sums)
    return (size >= size[0] - TIE * scale).mean(axis=0)


def paired_permutation(differences: np.ndarray, *, rounds: int = PERMUTATIONS, seed: int) -> np.ndarray:
    """Return two-sided p-values (m,) of the paired permutation test that the mean difference is zero.

    Under the null hypothesis two methods may be exchanged at each query, which flips the sign of its difference. With
    random flips p is (1 + count) / (1 + rounds), so never 0; with all of them it is exact. A query without a difference
    changes no sum, and columns of zeros have p = 1.

    Source: Smucker, Allan and Carterette, A comparison of statistical significance tests for information retrieval
    evaluation, CIKM 2007. ``differences`` is (queries, m); arguments and errors are those of ``resampled_means``.
    """
    sums = flipped_sums(differences, rounds=rounds, seed=seed)
    return permutation_p(sums, np.abs(_table(differences)).sum(axis=0))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number along the first axis, float64 in [0, 1].

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, axis=0, kind="stable")
    factors = np.arange(len(values), 0, -1).reshape(-1, *[1] * (values.ndim - 1))
    steps = np.maximum.accumulate(np.take_along_axis(values, order, axis=0) * factors, axis=0)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.minimum(steps, 1), axis=0)
    return adjusted


def ranks(scores: np.ndarray) -> np.ndarray:
    """Return the ranks of the methods in each cell, (cells, methods) float64: 1 is the highest score, ties share."""
    from scipy.stats import rankdata

    return rankdata(-_table(scores), axis=1)


def average_ranks(scores: np.ndarray) -> np.ndarray:
    """Return each method's rank averaged over cells, (methods,) float64, from scores (cells, methods)."""
    return ranks(scores).mean(axis=0)


def critical_difference(methods: int, cells: int, level: float = 0.05) -> float:
    """Return the difference of average ranks beyond which two methods differ, by Nemenyi's test.

    Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006, section 3.2.2. The
    cells are taken as independent. ``level`` is the chance of any wrong call among all pairs.
    """
    from scipy.stats import studentized_range

    if methods < 2 or cells < 1:
        raise BadInput(
            "ranks cannot be compared", expected="two methods and one cell, or more", found=f"{methods} and {cells}"
        )
    q = float(studentized_range.ppf(1 - level, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * cells))


def friedman(scores: np.ndarray) -> tuple[float, float]:
    """Return Friedman's statistic, corrected for ties, and its p-value, from scores (cells, methods).

    The p-value is that of the chi-square distribution, which is rough for few cells. Where every cell is one tie there
    is nothing to tell apart: 0 and 1. Source: Demšar, JMLR 7, 2006, section 3.2.2.
    """
    from scipy.stats import chi2

    cell_ranks = ranks(scores)
    cells, methods = cell_ranks.shape
    ties = sum(
        int((counts**3 - counts).sum()) for counts in (np.unique(row, return_counts=True)[1] for row in cell_ranks)
    )
    spread = 1 - ties / (cells * methods * (methods**2 - 1)) if methods > 1 else 0.0
    if spread <= 0:
        return 0.0, 1.0
    total = float((cell_ranks.sum(axis=0) ** 2).sum())
    statistic = (12 / (cells * methods * (methods + 1)) * total - 3 * cells * (methods + 1)) / spread
    return statistic, float(chi2.sf(statistic, methods - 1))


def _table(scores: np.ndarray) -> np.ndarray:
    """Return scores as a float64 table, or refuse them."""
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or not len(table):
        raise BadInput("scores are no table", expected="a line per query, at least one", found=f"shape {table.shape}")
    unusable = int(table.size - np.isfinite(table).sum())
    if unusable:
        raise BadInput("scores are not all finite", expected="numbers", found=f"{unusable} NaN or infinite")
    return table


def _block(n: int) -> int:
    return max(1, BLOCK // (8 * n))


def _all_flips(n: int) -> Iterator[np.ndarray]:
    """Yield all 2**n flips as (block, n) float64 of 0 and 1, the one without a flip first."""
    for start in range(0, 2**n, _block(n)):
        numbers = np.arange(start, min(start + _block(n), 2**n))
        yield (numbers[:, None] >> np.arange(n) & 1).astype(np.float64)


def _random_flips(n: int, rounds: int, seed: int) -> Iterator[np.ndarray]:
    """Yield no flip, then ``rounds`` random ones, as (block, n) float64 of 0 and 1; a block is valid until the next."""
    rng = np.random.Generator(np.random.Philox(seed))
    yield np.zeros((1, n))
    flips = np.empty((min(_block(n), rounds), n))
    words = -(-n // 64)
    for start in range(0, rounds, len(flips)):
        block = flips[: rounds - start]
        octets = rng.integers(0, 2**64, (len(block), words), np.uint64).astype("<u8").view(np.uint8)
        block[:] = np.unpackbits(octets, axis=1, count=n)
        yield block
