"""Which queries the gallery shows, and their nearest videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.evaluation.hamming import Codes, distances2
from benchmark.evaluation.protocol import FIELD
from reports.drawing import style

CUT, TOP = 5, 5
COUNT, SPLIT = 6, 2
"""Queries at evenly spaced ranks, and queries on which the rows disagree (our choice)."""
FAILURE = 0.5
"""A query whose mean AP@5 is below counts as a failure: it leaves the page last where pictures take too much room."""
NAMES = 2
RULE = (
    f"All rows show the same queries. Those with a relevant video are ranked by AP@{CUT} ({FIELD} protocol), "
    f"averaged over the rows; {COUNT} are taken at evenly spaced ranks from the best to the worst, so that the last "
    f"ones are failures, and then {SPLIT} on which the rows disagree most (largest difference of AP@{CUT}). "
    f"Ties by query row. A mean below {FAILURE} is called a failure."
)


@dataclass(frozen=True)
class Query:
    """A chosen query: its row, why it was chosen, and its AP@5 averaged over the rows."""

    row: int
    why: str
    mean: float
    split: bool = False


def choose(precisions: Sequence[np.ndarray], answerable: np.ndarray) -> list[Query]:
    """Return the queries by the rule. ``precisions``: AP@5 (queries,) of each row; ``answerable``: (queries,) bool."""
    if not precisions:
        return []
    table = np.stack(precisions)
    # equal up to the rounding of sums is a tie
    mean, spread = table.mean(axis=0).round(9), np.ptp(table, axis=0).round(9)
    rows = np.flatnonzero(answerable & np.isfinite(mean))
    ranked = rows[np.argsort(-mean[rows], kind="stable")]
    places = np.unique(np.rint(np.linspace(0, len(ranked) - 1, min(COUNT, len(ranked)))).astype(int))
    ranked_queries = [
        Query(int(ranked[place]), f"rank {place + 1} of {len(ranked)}", float(mean[ranked[place]])) for place in places
    ]
    others = np.setdiff1d(rows[spread[rows] > 0], ranked[places])
    split = others[np.argsort(-spread[others], kind="stable")][:SPLIT]
    return ranked_queries + [Query(int(row), "methods disagree", float(mean[row]), split=True) for row in split]


def nearest(codes: Mapping[str, Codes], query: int, self_retrieval: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the five nearest database rows of a query, int64, and their distances in bits, float64; ties by row."""
    every = codes["query"]
    part = slice(query, query + 1)
    one = Codes(every.packed[part], None if every.nonzero is None else every.nonzero[part], every.bits)
    away = distances2(one, codes["database"])[0]
    order = np.argsort(away, kind="stable")
    rows = (order[order != query] if self_retrieval else order)[:TOP]
    return rows, away[rows] / 2


def names(classes: Sequence[str], hot: np.ndarray, first: np.ndarray | None = None) -> str:
    """Return a video's classes, two at most and the number of the others; those that ``first`` has come first."""
    places = np.flatnonzero(hot).tolist()
    if first is not None:
        places.sort(key=lambda place: not first[place])
    shown = [style.one_line(classes[place], 60) for place in places[:NAMES]]
    more = f" +{len(places) - NAMES}" if len(places) > NAMES else ""
    return ", ".join(shown) + more if shown else "no class"
