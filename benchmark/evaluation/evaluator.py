"""The streaming evaluator: every metric of every protocol from one pass over the pairs of codes.

Nothing of size (queries x database) is ever in memory: a batch of queries is ranked by counting (``ranking``),
scored (``scoring``), and added up in batch order, so the numbers do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.evaluation.hamming import Codes, full_mask, in_batches, kernel_words, nearest, pack, same_bits
from benchmark.evaluation.labels import Relevance, relevance
from benchmark.evaluation.protocol import KS, PRESETS, Protocol
from benchmark.evaluation.ranking import rank_batch
from benchmark.evaluation.results import Result, Totals, curve_ranks, make_result
from benchmark.evaluation.scoring import harmonic_numbers, score_expected, score_index, score_radius
from benchmark.progress import Progress

if TYPE_CHECKING:
    import torch

    from benchmark.evaluation.accelerated import Ranker

Ranking = tuple[bool, bool]  # (query excluded from its own ranking?, expected ties?)


def evaluate(
    query: Codes,
    database: Codes,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    protocols: Mapping[str, Protocol],
    ks: Sequence[int] = KS,
    self_retrieval: bool = False,
    threads: int | None = None,
    device: torch.device | None = None,
    altered: bool = False,
) -> dict[str, Result]:
    """Return the metrics of the query codes against the database codes, by the name of each protocol.

    Labels are multi-hot (n, classes) 0/1, or (n,) integer class ids; two items are relevant to each other
    when they share a class. Queries without a relevant item have average precision 0 and stay in the mean.
    ``ks`` may exceed the database: then the whole ranking is what the top K holds. ``self_retrieval`` says
    that the queries are the database, row for row; only then does ``Protocol.self_match`` matter. ``altered``
    says that they are altered copies of it: their codes may differ, and an excluded self-match is the intact
    copy. See ``Result`` for the metrics. Codes with zeros take one pass per way of reading zeros, all others a single
    pass. ``device`` ranks on a torch device in place of the compiled kernels; the numbers are the same.

    Raises BadInput when bits, numbers of rows, labels or ``ks`` do not fit together.
    """
    cutoffs = _checked_ks(ks)
    _check(query, database, query_labels, database_labels, self_retrieval, altered)
    related = relevance(query_labels, database_labels)
    zeros_matter = query.nonzero is not None or database.nonzero is not None
    groups: dict[str, dict[str, Protocol]] = {}
    for name, protocol in protocols.items():
        groups.setdefault(protocol.zeros if zeros_matter else "none", {})[name] = protocol
    results: dict[str, Result] = {}
    for zeros, group in groups.items():
        wanted: dict[Ranking, bool] = {}
        for protocol in group.values():
            ranking = _ranking(protocol, self_retrieval)
            wanted[ranking] = wanted.get(ranking, False) or protocol.denominator == "hits"
        codes = _read_zeros(query, zeros), _read_zeros(database, zeros)
        totals = _scan(*codes, related, wanted, cutoffs, threads, device)
        for name, protocol in group.items():
            sums = totals[_ranking(protocol, self_retrieval)]
            results[name] = make_result(protocol, sums, cutoffs, database.n)
    return {name: results[name] for name in protocols}


def warm_up() -> None:
    """Compile the kernels, so that no measured time includes it; numba keeps them for the next process."""
    codes, labels = pack(np.eye(2)[:, :1] * 2 - 1), np.zeros(2, np.int64)
    with Progress("compiling the kernels of evaluation (once)"):
        evaluate(codes, codes, labels, labels, PRESETS, self_retrieval=True)
        nearest(codes, codes, 1)


@dataclass
class _Pass:
    """What all batches of one pass share: the arrays of the kernels, and the tables that batches fill."""

    words: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]
    bits: int
    related: Relevance
    room: np.ndarray
    wanted: dict[Ranking, bool]
    totals: dict[Ranking, Totals]
    harmonic: np.ndarray
    ranker: Ranker | None = None

    def batch(self, first: int, last: int) -> dict[Ranking, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rank and score queries first..last-1; return what is to be added up over batches."""
        excludes = sorted({exclude for exclude, _ in self.wanted})
        step = 2 if self.words[-1] else 1
        m, bins = last - first, step * self.bits + 1
        rank_start = self.room[first:last] - self.room[first]
        room = int(self.room[last] - self.room[first])
        if self.ranker is not None:
            counts, hits, ranks, n_relevant = self.ranker.batch(first, last, excludes, rank_start, room)
        else:
            counts, hits = np.empty((2, len(excludes), m, bins), np.int64)
            ranks, n_relevant = np.empty((len(excludes), room), np.int64), np.empty((len(excludes), m), np.int64)
            rank_batch(
                *self.words, self.bits, first, last, *self.related, np.array(excludes, np.int64), rank_start,
                counts, hits, ranks, n_relevant,
            )  # fmt: skip
        sums: dict[Ranking, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        for (exclude, expected), with_ratios in self.wanted.items():
            s, total = excludes.index(exclude), self.totals[exclude, expected]
            total.n_relevant[first:last] = n_relevant[s]
            curve = np.zeros((2, len(total.points)))
            pairs, shares = np.zeros((2, self.bits + 1), np.int64), np.zeros((3, self.bits + 1))
            tables = (total.sums[first:last], total.hits[first:last], total.ratios[first:last], curve)
            if expected:
                score_expected(
                    counts[s], hits[s], n_relevant[s], total.cuts, total.points, self.harmonic,
                    with_ratios, *tables,
                )  # fmt: skip
            else:
                score_index(ranks[s], rank_start, n_relevant[s], total.cuts, total.points, *tables)
            score_radius(counts[s], hits[s], n_relevant[s], step, pairs, shares)
            sums[exclude, expected] = curve, pairs, shares
        return sums


def _scan(
    query: Codes,
    database: Codes,
    related: Relevance,
    wanted: dict[Ranking, bool],
    ks: tuple[int, ...],
    threads: int | None,
    device: torch.device | None,
) -> dict[Ranking, Totals]:
    """Make one pass over the pairs; ``wanted`` says of each ranking whether quotients by hits are needed."""
    totals = {}
    for ranking in wanted:
        depth = database.n - int(ranking[0])
        cuts = np.array([min(k, depth) for k in ks] + [depth], np.int64)
        totals[ranking] = Totals.empty(query.n, query.bits, cuts, curve_ranks(depth))
    class_sizes = np.diff(related.class_start)
    reached = np.concatenate([[0], np.cumsum(class_sizes[related.query_classes])])[related.query_start]
    room = np.concatenate([[0], np.cumsum(np.minimum(np.diff(reached), database.n))]).astype(np.int64)
    harmonic = harmonic_numbers(database.n)
    work = _Pass(kernel_words(query, database), query.bits, related, room, wanted, totals, harmonic)
    if device is not None:
        from benchmark.evaluation.accelerated import Ranker

        work.ranker, threads = Ranker(query, database, related, device), 1
    for batch in in_batches(work.batch, query.n, threads):
        for ranking, sums in batch.items():
            totals[ranking].add(*sums)
    return totals


def _ranking(protocol: Protocol, self_retrieval: bool) -> Ranking:
    return self_retrieval and protocol.self_match == "exclude", protocol.ties == "expected"


def _read_zeros(codes: Codes, zeros: str) -> Codes:
    """Return the codes with their zeros read as +1 or -1, or as they are."""
    if codes.nonzero is None or zeros == "ternary":
        return codes
    packed = codes.packed
    if zeros == "positive":
        packed = packed | (full_mask(codes._replace(nonzero=None)) & ~codes.nonzero)
    return Codes(packed, None, codes.bits)


def _checked_ks(ks: Sequence[int]) -> tuple[int, ...]:
    for k in ks:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise BadInput("every K of a top-K metric must be a positive whole number", found=k)
    if not ks:
        raise BadInput("no K is given; name at least one cut-off")
    return tuple(sorted({int(k) for k in ks}))


def _check(
    query: Codes, database: Codes, query_labels: Any, database_labels: Any, self_retrieval: bool, altered: bool
) -> None:
    same_bits(query, database)
    for side, codes, labels in (("query", query, query_labels), ("database", database, database_labels)):
        if codes.n == 0:
            raise BadInput(f"there is no {side} code")
        if len(labels) != codes.n:
            what = f"{side} labels do not fit the codes"
            raise BadInput(what, expected=f"{codes.n} rows", found=len(labels))
    if self_retrieval and not (
        np.array_equal(query_labels, database_labels)
        and (altered or np.array_equal(query.packed, database.packed))
        and (altered or np.array_equal(full_mask(query), full_mask(database)))
    ):
        raise BadInput("self-retrieval needs the same codes and labels as queries and as database")
