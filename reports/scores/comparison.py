"""Whether differences are larger than chance: intervals of rows and paired tests of two rows, over the queries.

The AP of a query is averaged over a row's seeds first; queries alone are resampled. All rows of a group are judged on
the same resamples and the same flips.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation import statistics
from benchmark.records.record import QUERIES, Record
from reports.drawing import style
from reports.matrix.cache import cached, canonical, digest
from reports.matrix.rows import Group, Row
from reports.matrix.stored import Stored
from reports.scores.tables import Ends

VERSION = 2
"""Raised whenever the same input would give another result, so that no older cache is read."""
SEED = 0
AGREE = 1e-9
"""How far the mean of the per-query file may lie from its record's mAP: the two are sums in another order."""


@dataclass(frozen=True)
class Pair:
    """Row ``first`` less row ``second``, two places among the rows; lists by cut-off, unrounded.

    ``difference``: of mAP. ``low``, ``high``: ends of its interval. ``p``: paired permutation test, two-sided.
    ``adjusted``: p after Holm; the family is all pairs of one dataset, preset, code length and cut-off.
    """

    first: int
    second: int
    difference: list[float]
    low: list[float]
    high: list[float]
    p: list[float]
    adjusted: list[float]


@dataclass(frozen=True)
class Length:
    """One code length: labels of ``rows``; by row and cut-off mAP and the ends of its interval; and the pairs.

    ``absent``: by label, why a finished row has no numbers.
    """

    bits: int
    rows: list[str]
    absent: dict[str, str]
    mean: list[list[float]]
    low: list[list[float]]
    high: list[list[float]]
    pairs: list[Pair]


@dataclass(frozen=True)
class Comparison:
    """What resampling the queries says of a group under one preset, by code length."""

    lengths: tuple[Length, ...]

    def of(self, bits: int) -> Length | None:
        """Return the comparison at a code length."""
        return next((length for length in self.lengths if length.bits == bits), None)

    def ends(self, label: str, bits: int) -> Ends:
        """Return low and high of a row by cut-off, None where it has none."""
        length = self.of(bits)
        if length is None or label not in length.rows:
            return [(None, None)] * len(style.CUTS)
        place = length.rows.index(label)
        return list(zip(length.low[place], length.high[place], strict=True))


@dataclass(frozen=True)
class _Scores:
    """AP of every query at each cut-off, (queries, cuts) float64, mean over the seeds of a row."""

    label: str
    protocol: str
    table: np.ndarray


_Gathered = Mapping[int, Sequence[_Scores]]
_Absent = Mapping[int, dict[str, str]]


def compare(group: Group, preset: str, stored: Stored, cache: Path | None = None) -> Comparison:
    """Return what resampling the queries says of a group; the result is kept in the folder ``cache``.

    Two rows make a pair where they were measured under the same protocol on as many queries.
    """
    gathered, absent = {}, {}
    for bits in group.bits:
        gathered[bits], absent[bits] = _gather(group, preset, bits, stored)
    path = cache / f"comparison-{style.slug(group.slug, preset)}.json" if cache and any(gathered.values()) else None
    plain = cached(path, _inputs(group, gathered, absent), lambda: _compute(gathered, absent))
    return Comparison(tuple(Length(**{**p, "pairs": [Pair(**pair) for pair in p["pairs"]]}) for p in plain))


def _gather(group: Group, preset: str, bits: int, stored: Stored) -> tuple[list[_Scores], dict[str, str]]:
    """Return the scores of each finished row of a code length, and by label why others have none."""
    gathered, absent = [], {}
    for row in group.rows:
        if not row.done(bits):
            continue
        scores = _scores(row, preset, bits, stored)
        if isinstance(scores, str):
            absent[row.label] = scores
        else:
            gathered.append(scores)
    return gathered, absent


def _scores(row: Row, preset: str, bits: int, stored: Stored) -> _Scores | str:
    """Return a row's scores, mean over all of its finished seeds, or the reason why there are none.

    A seed without a file leaves the row out: the others' mean is not the number that the mAP table shows.
    """
    tables: list[np.ndarray] = []
    for record in row.done(bits):
        table = _table(record, preset, stored)
        if isinstance(table, str):
            return f"seed {record.identity.seed}: {table}"
        tables.append(table)
    sizes = sorted({len(table) for table in tables})
    if len(sizes) > 1:
        return f"its seeds have {' and '.join(map(str, sizes))} queries"
    return _Scores(row.label, canonical(row.protocols.get(preset)), np.mean(tables, axis=0))


def _table(record: Record, preset: str, stored: Stored) -> np.ndarray | str:
    """Return the AP of every query at ``style.CUTS``, or the reason why there is none."""
    precisions = stored.precisions(record, preset)
    if precisions is None or preset not in record.metrics:
        return f"{QUERIES} is absent, unreadable or without this protocol"
    cuts, table = precisions
    columns = [*cuts.tolist(), None]
    lacking = [cut for cut in style.CUTS if cut not in columns]
    if lacking:
        return f"{QUERIES} lacks K = {', '.join(map(str, lacking))}"
    table = table[:, [columns.index(cut) for cut in style.CUTS]]
    if not len(table) or not np.isfinite(table).all():
        return f"{QUERIES} holds no finite numbers"
    for cut, mean in zip(style.CUTS, table.mean(axis=0), strict=True):
        recorded = style.number(record.metrics[preset].metrics.get(style.metric_key("map", cut)))
        if recorded is None or abs(recorded - mean) > AGREE:
            return f"{QUERIES} disagrees with the record's mAP, so it is of another run"
    return table


def _compute(gathered: _Gathered, absent: _Absent) -> list[dict[str, Any]]:
    """Return the lengths as plain data; all rows with one number of queries share one product with the weights."""
    intervals: dict[tuple[int, int], tuple[list[float], list[float]]] = {}
    pairs: dict[int, list[Pair]] = {bits: [] for bits in gathered}
    for n in sorted({len(s.table) for rows in gathered.values() for s in rows}):
        alike = {(bits, i): s for bits, rows in gathered.items() for i, s in enumerate(rows) if len(s.table) == n}
        for place, interval, own in _judge(alike):
            intervals[place] = interval
            pairs[place[0]] += own
    return [
        asdict(
            Length(
                bits=bits, rows=[s.label for s in rows], absent=absent[bits],
                mean=[s.table.mean(axis=0).tolist() for s in rows],
                low=[intervals[bits, i][0] for i in range(len(rows))],
                high=[intervals[bits, i][1] for i in range(len(rows))],
                pairs=_adjusted(pairs[bits]),
            )
        )
        for bits, rows in gathered.items()
    ]  # fmt: skip


def _judge(
    alike: Mapping[tuple[int, int], _Scores],
) -> Iterable[tuple[tuple[int, int], tuple[list[float], list[float]], list[Pair]]]:
    """Yield each row by code length and place, its interval, and its pairs with the rows after it."""
    scores = np.concatenate([s.table for s in alike.values()], axis=1)
    means = statistics.resampled_means(scores, seed=SEED)
    flipped = statistics.flipped_sums(scores, seed=SEED)
    scale = np.abs(scores).sum(axis=0)
    width = len(style.CUTS)
    columns = {place: slice(at * width, (at + 1) * width) for at, place in enumerate(alike)}
    for first, a in columns.items():
        pairs = []
        for second, b in columns.items():
            fair = alike[first].protocol == alike[second].protocol
            if first[0] == second[0] and first[1] < second[1] and fair:
                low, high = statistics.interval(means[:, a] - means[:, b])
                p = statistics.permutation_p(flipped[:, a] - flipped[:, b], scale[a] + scale[b])
                difference = (scores[:, a] - scores[:, b]).mean(axis=0)
                pair = Pair(
                    first[1], second[1], difference.tolist(), low.tolist(), high.tolist(), p.tolist(), adjusted=[]
                )
                pairs.append(pair)
        low, high = statistics.interval(means[:, a])
        yield first, (low.tolist(), high.tolist()), pairs


def _adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    if not pairs:
        return []
    adjusted = statistics.holm(np.array([pair.p for pair in pairs])).tolist()
    return [replace(pair, adjusted=values) for pair, values in zip(pairs, adjusted, strict=True)]


def _inputs(group: Group, gathered: _Gathered, absent: _Absent) -> str:
    """Return the hash of all that the result depends on."""
    settings = [VERSION, SEED, statistics.LEVEL, statistics.RESAMPLES, statistics.PERMUTATIONS, list(style.CUTS)]
    keys = [record.key for row in group.rows for bits in group.bits for record in row.done(bits)]
    parts: list[Any] = [[settings, keys, {str(bits): reasons for bits, reasons in absent.items()}]]
    for bits, rows in gathered.items():
        for scores in rows:
            parts += [[bits, scores.label, scores.protocol], scores.table]
    return digest(*parts)
