"""Are the differences larger than chance? Intervals of each row and paired tests of each two rows, over the queries.

The AP of a query is averaged over a row's seeds first; queries alone are resampled. All rows of a group are judged on
the same resamples and the same flips.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation import statistics
from benchmark.record import QUERIES, Record
from reports import remembered, style, tables
from reports.matrix.rows import Group, Row
from reports.stored import Stored

VERSION = 1
"""Raised whenever the same input would give other numbers, so that no cache of before is read."""
SEED = 0
CUT = 20
"""The K of the table on the page (ours)."""
SURE = 0.05
DIGITS = 4
"""Decimals of the page's data."""
AGREE = 1e-9
"""How far the mean of the per-query file may lie from its record's mAP: the two are sums in another order."""
NUMBERS = ("difference", "low", "high", "p", "adjusted")


@dataclass(frozen=True)
class _Scores:
    """AP of every query at each cut-off, (queries, cuts) float64, mean over the seeds of a row."""

    label: str
    protocol: str
    table: np.ndarray


def compare(group: Group, preset: str, stored: Stored, cache: Path | None = None) -> dict[str, Any]:
    """Return what resampling the queries says of a group, plain and unrounded; it is kept in the folder ``cache``.

    ``level``, ``resamples``, ``permutations``, and ``bits``: by code length (as text) a dictionary of

    - ``rows``: labels; ``cuts``: headings of the cut-offs; ``absent``: by label, why a finished row has no numbers;
    - ``mean``, ``low``, ``high``: by row and cut-off, mAP and the ends of its interval;
    - ``pairs``: by ``"i,j"``, two places in ``rows``, lists by cut-off: ``difference`` (mAP of i less that of j),
      ``low`` and ``high`` (of its interval), ``p`` (paired permutation test, two-sided) and ``adjusted`` (p after
      Holm). The family of the correction is all pairs of one dataset, preset, code length and cut-off.

    Two rows make a pair where they were measured under the same protocol on as many queries.
    """
    gathered, absent = {}, {}
    for bits in group.bits:
        gathered[bits], absent[bits] = _gather(group, preset, bits, stored)
    if not any(gathered.values()):
        return _found({bits: _length([], absent[bits]) for bits in group.bits})
    inputs = _inputs(group, gathered, absent)
    path = cache / f"comparison-{style.slug(group.slug, preset)}.json" if cache else None
    found: dict[str, Any] = remembered.get(path, inputs, lambda: _compute(gathered, absent))
    return found


def ends(found: Mapping[str, Any], label: str, bits: int) -> list[tuple[float | None, float | None]]:
    """Return low and high of a row by cut-off, None where it has none."""
    length = found["bits"].get(str(bits), {"rows": []})
    if label not in length["rows"]:
        return [(None, None)] * len(style.CUTS)
    place = length["rows"].index(label)
    return list(zip(length["low"][place], length["high"][place], strict=True))


def embedded(group: Group, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs to compare two rows: ``labels`` by slug, ``cuts``, and rows and pairs by bits.

    A pair is four lists by cut-off: difference, low, high and adjusted p, to the digits that the page shows.
    """
    slugs = {row.label: row.slug for row in group.rows}
    held = {
        bits: {
            "rows": [slugs[label] for label in length["rows"]],
            "pairs": {key: _brief(pair) for key, pair in length["pairs"].items()},
        }
        for bits, length in found["bits"].items() if length["pairs"]
    }  # fmt: skip
    labels = {slugs[label]: label for length in found["bits"].values() for label in length["rows"]}
    return {"labels": labels, "cuts": [style.cut_label(cut).strip("@") for cut in style.CUTS], "bits": held}


def _brief(pair: Mapping[str, Any]) -> list[list[float]]:
    return [[round(value, DIGITS) for value in pair[name]] for name in ("difference", "low", "high", "adjusted")]


def pairs_csv(group: Group, preset: str, found: Mapping[str, Any]) -> dict[str, str]:
    """Return every pair as unrounded CSV by file name, a line per code length, pair and K; no file without a pair."""
    head = ("dataset", "fingerprint", "preset", "bits", "k", "row", "other", *NUMBERS)
    lines = []
    for bits, length in found["bits"].items():
        for key, pair in length["pairs"].items():
            row, other = (length["rows"][place] for place in _places(key))
            for at, cut in enumerate(style.CUTS):
                numbers = [repr(pair[name][at]) for name in NUMBERS]
                lines.append([group.name, group.fingerprint, preset, bits, cut or "full", row, other, *numbers])
    name = f"tables/pairs-{style.slug(group.slug, preset)}.csv"
    return {name: tables.write_csv(head, lines)} if lines else {}


def shown(found: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Return what the page says without a script: ``tables``, ``absences``, and the CSV ``files`` of the pairs."""
    flips = style.count(found["permutations"])
    return {"tables": _matrices(found), "absences": _absences(found), "files": files, "flips": flips}


def _matrices(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for each code length with a pair, the page's table of row less column at ``CUT``."""
    shown = []
    for bits, length in found["bits"].items():
        labels, at = length["rows"], style.CUTS.index(CUT)
        if not length["pairs"]:
            continue
        cells: list[list[dict[str, Any] | None]] = [[None] * len(labels) for _ in labels]
        for key, pair in length["pairs"].items():
            i, j = _places(key)
            cells[i][j], cells[j][i] = _cell(pair, at, 1), _cell(pair, at, -1)
        rows = [{"label": label, "cells": row} for label, row in zip(labels, cells, strict=True)]
        shown.append({"bits": int(bits), "rows": rows, "pairs": len(length["pairs"])})
    return shown


def _absences(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return reasons why finished rows are not compared, each with the rows and code lengths that it holds for."""
    held: dict[str, dict[str, list[str]]] = {}
    for bits, length in found["bits"].items():
        for label, reason in length["absent"].items():
            held.setdefault(reason, {}).setdefault(label, []).append(bits)
    return [
        (reason, "; ".join(f"{label} ({', '.join(bits)} bits)" for label, bits in rows.items()))
        for reason, rows in held.items()
    ]


def _cell(pair: Mapping[str, Any], at: int, sign: int) -> dict[str, Any]:
    p = pair["adjusted"][at]
    least = 10.0**-style.DECIMALS
    said = f"p < {style.rounded(least)}" if p < least else f"p = {style.rounded(p)}"
    return {
        "text": f"{sign * pair['difference'][at]:+.{style.DECIMALS}f}".replace("-", "−"),
        "p": said,
        "sure": p < SURE,
    }


def _places(key: str) -> tuple[int, int]:
    i, j = key.split(",")
    return int(i), int(j)


def _gather(group: Group, preset: str, bits: int, stored: Stored) -> tuple[list[_Scores], dict[str, str]]:
    """Return the scores of each finished row of a code length, and by label why others have none."""
    found, absent = [], {}
    for row in group.rows:
        if not row.done(bits):
            continue
        scores = _scores(row, preset, bits, stored)
        if isinstance(scores, str):
            absent[row.label] = scores
        else:
            found.append(scores)
    return found, absent


def _scores(row: Row, preset: str, bits: int, stored: Stored) -> _Scores | str:
    """Return a row's scores, mean over all of its finished seeds, or the reason why there are none.

    A seed without a file leaves the row out: the others' mean is not the number that the mAP table shows.
    """
    read: list[np.ndarray] = []
    for record in row.done(bits):
        table = _table(record, preset, stored)
        if isinstance(table, str):
            return f"seed {record.identity.seed}: {table}"
        read.append(table)
    sizes = sorted({len(table) for table in read})
    if len(sizes) > 1:
        return f"its seeds have {' and '.join(map(str, sizes))} queries"
    return _Scores(row.label, remembered.text(row.protocols.get(preset)), np.mean(read, axis=0))


def _table(record: Record, preset: str, stored: Stored) -> np.ndarray | str:
    """Return the AP of every query at ``style.CUTS``, or the reason why there is none."""
    found = stored.precisions(record, preset)
    if found is None or preset not in record.metrics:
        return f"{QUERIES} is absent, unreadable or without this protocol"
    cuts, table = found
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


def _compute(gathered: Mapping[int, Sequence[_Scores]], absent: Mapping[int, dict[str, str]]) -> dict[str, Any]:
    """Return ``compare``'s result; all rows with one number of queries share one product with the weights."""
    lengths = {bits: _length([s.label for s in rows], absent[bits], rows) for bits, rows in gathered.items()}
    for n in sorted({len(s.table) for rows in gathered.values() for s in rows}):
        alike = {(bits, i): s for bits, rows in gathered.items() for i, s in enumerate(rows) if len(s.table) == n}
        _judge(alike, lengths)
    for length in lengths.values():
        _adjust(length["pairs"])
    return _found(lengths)


def _judge(alike: Mapping[tuple[int, int], _Scores], lengths: Mapping[int, dict[str, Any]]) -> None:
    """Write intervals and tests of rows with one number of queries, by code length and place, into ``lengths``."""
    scores = np.concatenate([s.table for s in alike.values()], axis=1)
    means = statistics.resampled_means(scores, seed=SEED)
    flipped = statistics.flipped_sums(scores, seed=SEED)
    scale = np.abs(scores).sum(axis=0)
    width = len(style.CUTS)
    columns = {place: slice(at * width, (at + 1) * width) for at, place in enumerate(alike)}
    for (bits, i), own in columns.items():
        low, high = statistics.interval(means[:, own])
        lengths[bits]["low"][i], lengths[bits]["high"][i] = low.tolist(), high.tolist()
    for first, second in itertools.combinations(alike, 2):
        if first[0] == second[0] and alike[first].protocol == alike[second].protocol:
            a, b = columns[first], columns[second]
            low, high = statistics.interval(means[:, a] - means[:, b])
            p = statistics.permutation_p(flipped[:, a] - flipped[:, b], scale[a] + scale[b])
            difference = (scores[:, a] - scores[:, b]).mean(axis=0)
            numbers = {"difference": difference, "low": low, "high": high, "p": p}
            pair = {name: value.tolist() for name, value in numbers.items()}
            lengths[first[0]]["pairs"][f"{first[1]},{second[1]}"] = pair


def _adjust(pairs: dict[str, dict[str, list[float]]]) -> None:
    if pairs:
        adjusted = statistics.holm(np.array([pair["p"] for pair in pairs.values()]))
        for pair, values in zip(pairs.values(), adjusted.tolist(), strict=True):
            pair["adjusted"] = values


def _length(labels: list[str], absent: dict[str, str], rows: Sequence[_Scores] = ()) -> dict[str, Any]:
    empty: list[list[float]] = [[] for _ in labels]
    return {
        "rows": labels, "cuts": [style.cut_label(cut) for cut in style.CUTS], "absent": absent,
        "mean": [s.table.mean(axis=0).tolist() for s in rows], "low": list(empty), "high": list(empty), "pairs": {},
    }  # fmt: skip


def _found(lengths: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "level": statistics.LEVEL, "resamples": statistics.RESAMPLES, "permutations": statistics.PERMUTATIONS,
        "bits": {str(bits): length for bits, length in lengths.items()},
    }  # fmt: skip


def _inputs(group: Group, gathered: Mapping[int, Sequence[_Scores]], absent: Mapping[int, dict[str, str]]) -> str:
    """Return the hash of all that the result depends on."""
    settings = [VERSION, SEED, statistics.LEVEL, statistics.RESAMPLES, statistics.PERMUTATIONS, list(style.CUTS)]
    keys = [record.key for row in group.rows for bits in group.bits for record in row.done(bits)]
    parts: list[Any] = [[settings, keys, {str(bits): reasons for bits, reasons in absent.items()}]]
    for bits, rows in gathered.items():
        for scores in rows:
            parts += [[bits, scores.label, scores.protocol], scores.table]
    return remembered.digest(*parts)
