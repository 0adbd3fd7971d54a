"""The plain reference: every metric in numpy, one query and one position at a time, on whole matrices.

It shares no code with the kernels and is what they are tested against. ``evaluator.evaluate`` is what runs
use.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

from benchmark.evaluation.labels import relevance_matrix
from benchmark.evaluation.protocol import Denominator, Protocol
from benchmark.evaluation.results import curve_ranks


def average_precision(relevant: np.ndarray, k: int, denominator: Denominator) -> float:
    """Return average precision at ``k`` of a whole ranking, (n,) bool in rank order."""
    top = np.asarray(relevant, np.float64)[:k]
    total = float((top * np.cumsum(top) / np.arange(1, len(top) + 1)).sum())
    return _over(total, denominator, k, int(np.sum(relevant)), float(top.sum()))


def expected_average_precision(sizes: np.ndarray, hits: np.ndarray, k: int, denominator: Denominator) -> float:
    """Return the expectation of average precision at ``k`` over uniformly random order inside each bucket.

    sizes, hits: (buckets,) int, all and relevant items of each distance, in ascending distance.
    """
    n_relevant, total, before, hits_before = int(hits.sum()), 0.0, 0, 0
    for size, m in zip(sizes.tolist(), hits.tolist(), strict=True):
        taken = min(size, k - before)
        if taken < size:
            break
        total += _bucket(size, m, size, before, hits_before)
        before, hits_before = before + size, hits_before + m
    else:
        return _over(total, denominator, k, n_relevant, hits_before)
    if denominator != "hits":
        return _over(total + _bucket(size, m, taken, before, hits_before), denominator, k, n_relevant, 0)
    value = 0.0
    for x in range(max(0, taken - (size - m)), min(taken, m) + 1):
        chance = comb(m, x) * comb(size - m, taken - x) / comb(size, taken)
        value += chance * _over(
            total + _bucket(taken, x, taken, before, hits_before), "hits", k, n_relevant, hits_before + x
        )
    return value


def plain_metrics(
    query: np.ndarray,
    database: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    protocol: Protocol,
    ks: tuple[int, ...],
    self_retrieval: bool = False,
) -> tuple[dict[str, Any], np.ndarray]:
    """Return the metrics and the per-query average precisions of ``evaluator.evaluate``, slowly.

    query, database: (n, bits) real code values; labels as for ``evaluate``; ks ascending. At full depth, last,
    average precision is divided by the relevant items.
    """
    a, c = signs(query, protocol), signs(database, protocol)
    bits = a.shape[1]
    twice = bits - a @ c.T
    relevant = relevance_matrix(query_labels, database_labels)
    rankings = []
    for q in range(len(a)):
        keep = np.arange(len(c)) != q if self_retrieval and protocol.self_match == "exclude" else slice(None)
        rankings.append(_Ranking(twice[q][keep], relevant[q][keep], protocol))
    depth = len(rankings[0].chance)
    cuts: list[tuple[int, Denominator]] = [*((k, protocol.denominator) for k in ks), (depth, "relevant")]
    ap = np.array([[ranking.average_precision(*cut) for cut in cuts] for ranking in rankings])
    found = np.array([np.cumsum(ranking.chance) for ranking in rankings])
    n_relevant = np.array([ranking.relevant.sum() for ranking in rankings])
    best = [[average_precision(np.arange(depth) < r, *cut) for cut in cuts] for r in n_relevant]
    some = n_relevant > 0
    metrics: dict[str, Any] = {"queries_without_relevant": int((~some).sum())}
    for j, (k, _) in enumerate(cuts):
        at = f"@{k}" if j < len(ks) else ""
        metrics[f"map{at}"], metrics[f"ceiling{at}"] = ap[:, j].mean(), np.mean([row[j] for row in best])
    for k in ks:
        at_k = found[:, min(k, depth) - 1] if depth else np.zeros(len(a))
        metrics[f"precision@{k}"] = (at_k / k).mean()
        metrics[f"recall@{k}"] = _mean((at_k / np.maximum(n_relevant, 1))[some], 0.0)
    ranks = curve_ranks(depth)
    metrics["pr_rank"] = {
        "rank": ranks.tolist(),
        "precision": [(found[:, r - 1] / r).mean() for r in ranks],
        "recall": [_mean((found[:, r - 1] / np.maximum(n_relevant, 1))[some], 0.0) for r in ranks],
    }
    metrics["pr_radius"] = by_radius(rankings, bits)
    inside = [r.relevant[r.twice <= 4] for r in rankings]
    metrics["precision@radius2"] = float(np.mean([_mean(hit, 0.0) for hit in inside]))
    return metrics, ap


def by_radius(rankings: list[_Ranking], bits: int) -> dict[str, list[Any]]:
    """Return precision and recall within each Hamming radius 0..bits, micro (pairs) and macro (queries)."""
    curves: dict[str, list[Any]] = {"radius": list(range(bits + 1))}
    everything = sum(int(r.relevant.sum()) for r in rankings)
    for radius in range(bits + 1):
        inside = [r.relevant[r.twice <= 2 * radius] for r in rankings]
        recalls = [hit.sum() / r.relevant.sum() for hit, r in zip(inside, rankings, strict=True) if r.relevant.any()]
        row = {
            "precision_micro": _mean(np.concatenate(inside), None),
            "precision_macro": _mean([hit.mean() for hit in inside if len(hit)], None),
            "recall_micro": sum(int(hit.sum()) for hit in inside) / max(1, everything),
            "recall_macro": _mean(recalls, 0.0),
        }
        for name, value in row.items():
            curves.setdefault(name, []).append(value)
    return curves


def signs(values: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Return the values as -1, 0, +1 int64, with zeros read as the protocol says."""
    codes = np.sign(values).astype(np.int64)
    return np.where(codes == 0, {"ternary": 0, "positive": 1, "negative": -1}[protocol.zeros], codes)


class _Ranking:
    """One query's ranking: relevance in rank order or, under expected ties, the chance of it at each rank."""

    def __init__(self, twice: np.ndarray, relevant: np.ndarray, protocol: Protocol) -> None:
        order = np.argsort(twice, kind="stable")
        self.twice, self.relevant, self.protocol = twice[order], relevant[order], protocol
        _, start, size = np.unique(self.twice, return_index=True, return_counts=True)
        self.sizes = size
        self.hits = np.array([self.relevant[i : i + n].sum() for i, n in zip(start, size, strict=True)], np.int64)
        self.chance = self.relevant.astype(np.float64)
        if protocol.ties == "expected":
            self.chance = np.repeat(self.hits / size, size)

    def average_precision(self, k: int, denominator: Denominator) -> float:
        if self.protocol.ties == "index":
            return average_precision(self.relevant, k, denominator)
        return expected_average_precision(self.sizes, self.hits, k, denominator)


def _bucket(size: int, relevant: int, taken: int, before: int, hits_before: int) -> float:
    """Sum of precisions at hits over the first ``taken`` of ``size`` positions after rank ``before``, expected."""
    if relevant == 0:
        return 0.0
    others = (relevant - 1) / (size - 1) if size > 1 else 0.0
    terms = [(hits_before + 1 + (j - 1) * others) / (before + j) for j in range(1, taken + 1)]
    return relevant / size * sum(terms)


def _over(total: float, denominator: Denominator, k: int, n_relevant: int, hits: float) -> float:
    by = {"k": k, "min": min(k, n_relevant), "relevant": n_relevant, "hits": hits}[denominator]
    return total / by if by else 0.0


def _mean(values: Any, empty: float | None) -> float | None:
    return float(np.mean(values)) if len(values) else empty
