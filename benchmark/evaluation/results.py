"""From the sums of a pass to named metrics under one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.evaluation.protocol import Protocol

DENSE = 100  # curves by rank hold every rank up to here, then log-spaced ranks; our choice
CURVE_POINTS = 200  # at most as many points in a curve by rank; our choice


@dataclass(frozen=True)
class Result:
    """Metrics of one set of codes under one protocol.

    metrics: ``map@K`` and ``map`` (the whole ranking, AP divided by the relevant items), ``precision@K``,
    ``recall@K``, ``ceiling@K`` and ``ceiling`` (the best map that any ranking could reach), ``precision@radius2``
    (mean over queries; one that retrieves nothing counts 0), ``queries_without_relevant``; ``pr_rank`` with lists
    rank, precision, recall (means over queries, exact at these ranks); ``pr_radius`` with lists radius,
    precision_micro, precision_macro (over queries that retrieve something), recall_micro, recall_macro. A precision
    of nothing retrieved is None. Every recall that is a mean over queries is taken over the queries with a relevant
    item; it is 0 if there are none.
    ap: (queries, len(ks) + 1) float64, average precision of every query at each K and, last, at full depth.
    ks: the cut-offs, ascending.
    """

    protocol: Protocol
    n_query: int
    n_database: int
    bits: int
    ks: tuple[int, ...]
    metrics: dict[str, Any]
    ap: np.ndarray


@dataclass
class Totals:
    """What a pass collects about one ranking; see ``scoring`` for the tables and the sums."""

    bits: int
    cuts: np.ndarray
    points: np.ndarray
    n_relevant: np.ndarray
    sums: np.ndarray
    hits: np.ndarray
    ratios: np.ndarray
    curve: np.ndarray
    pairs: np.ndarray
    shares: np.ndarray

    @classmethod
    def empty(cls, n_query: int, bits: int, cuts: np.ndarray, points: np.ndarray) -> Totals:
        """Return tables to be filled for each query, and sums at zero."""
        sums, hits, ratios = np.empty((3, n_query, len(cuts)))
        pairs, shares = np.zeros((2, bits + 1), np.int64), np.zeros((3, bits + 1))
        relevant, curve = np.empty(n_query, np.int64), np.zeros((2, len(points)))
        return cls(bits, cuts, points, relevant, sums, hits, ratios, curve, pairs, shares)

    def add(self, curve: np.ndarray, pairs: np.ndarray, shares: np.ndarray) -> None:
        """Add the sums of one batch."""
        self.curve += curve
        self.pairs += pairs
        self.shares += shares


def curve_ranks(depth: int) -> np.ndarray:
    """Return the ranks at which curves have points, int64 ascending: 1..100, then log-spaced up to ``depth``."""
    if depth <= DENSE:
        return np.arange(1, depth + 1, dtype=np.int64)
    sparse = np.rint(np.geomspace(DENSE, depth, CURVE_POINTS - DENSE + 1)).astype(np.int64)
    return np.union1d(np.arange(1, DENSE + 1), sparse)


def make_result(protocol: Protocol, totals: Totals, ks: tuple[int, ...], n_database: int) -> Result:
    """Turn the sums of a pass into metrics."""
    n = len(totals.n_relevant)
    ap = _average_precision(protocol, totals, ks)
    metrics: dict[str, Any] = {}
    best = _best_average_precision(protocol, totals.n_relevant, ks)
    for column, at in enumerate([*(f"@{k}" for k in ks), ""]):
        metrics[f"map{at}"] = float(ap[:, column].mean())
        metrics[f"ceiling{at}"] = float(best[:, column].mean())
    some = totals.n_relevant > 0
    n_some = max(1, int(some.sum()))
    shares = totals.hits[some] / totals.n_relevant[some, None]
    for column, k in enumerate(ks):
        metrics[f"precision@{k}"] = float(totals.hits[:, column].mean() / k)
        metrics[f"recall@{k}"] = float(shares[:, column].sum() / n_some)
    metrics["precision@radius2"] = float(totals.shares[0, min(2, totals.bits)] / n)
    metrics["queries_without_relevant"] = int(n - some.sum())
    metrics["pr_rank"] = {
        "rank": totals.points.tolist(),
        "precision": (totals.curve[0] / (totals.points * n)).tolist(),
        "recall": (totals.curve[1] / n_some).tolist(),
    }
    metrics["pr_radius"] = _by_radius(totals, n_some)
    return Result(protocol, n, n_database, totals.bits, ks, metrics, ap)


def _average_precision(protocol: Protocol, totals: Totals, ks: tuple[int, ...]) -> np.ndarray:
    """Return (queries, len(ks) + 1): the sums over the denominator, 0 without a relevant item."""
    if protocol.denominator == "hits":
        at_k = totals.ratios[:, :-1]
    else:
        at_k = totals.sums[:, :-1] / np.maximum(_denominators(protocol, totals.n_relevant, ks), 1)
    return np.column_stack([at_k, totals.sums[:, -1] / np.maximum(totals.n_relevant, 1)])


def _best_average_precision(protocol: Protocol, n_relevant: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Return (queries, len(ks) + 1): average precision when all relevant items come first, last at full depth."""
    reachable, some = np.minimum(n_relevant[:, None], np.array(ks)), n_relevant > 0
    if protocol.denominator == "hits":
        return np.column_stack([reachable > 0, some]).astype(np.float64)
    return np.column_stack([reachable / np.maximum(_denominators(protocol, n_relevant, ks), 1), some])


def _denominators(protocol: Protocol, n_relevant: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Return (queries, len(ks)): what AP at each cut-off is divided by; 'hits' is not among these."""
    cuts, relevant = np.broadcast_arrays(np.array(ks), n_relevant[:, None])
    return {"k": cuts, "min": np.minimum(cuts, relevant), "relevant": relevant}[protocol.denominator]


def _by_radius(totals: Totals, n_some: int) -> dict[str, list[Any]]:
    retrieved, relevant = totals.pairs
    precision, nonempty, recall = totals.shares
    all_relevant = max(1, int(totals.n_relevant.sum()))
    return {
        "radius": list(range(totals.bits + 1)),
        "precision_micro": _quotients(relevant, retrieved),
        "precision_macro": _quotients(precision, nonempty),
        "recall_micro": (relevant / all_relevant).tolist(),
        "recall_macro": (recall / n_some).tolist(),
    }


def _quotients(numerator: np.ndarray, denominator: np.ndarray) -> list[float | None]:
    return [float(a / b) if b else None for a, b in zip(numerator, denominator, strict=True)]
