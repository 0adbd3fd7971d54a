"""Which numbers of a record are compared, how they are named and rounded, and which direction is worse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.records.record import Record

MAP = ("map@5", "map@20", "map@100", "map")
CODES = {"bit_balance": -1, "bit_correlation": -1, "distinct_codes": 1, "zero_share": -1}
"""Diagnostics of the database's codes; +1 where more is better, -1 where less is."""
DIGITS = 6
"""Significant digits that are kept: far below every tolerance, and short enough to read a difference."""

Kind = Literal["map", "codes", "loss"]


@dataclass(frozen=True)
class Number:
    """One number of a cell. ``group`` is what shares a spread: the name, for losses without the epoch."""

    name: str
    group: str
    kind: Kind
    direction: int
    value: float


def taken(record: Record) -> dict[str, Any]:
    """Return the compared numbers of a finished cell as a baseline holds them."""
    return {
        "map": {
            preset: {name: _rounded(measured.metrics[name]) for name in MAP}
            for preset, measured in sorted(record.metrics.items())
        },
        "codes": {name: _rounded(record.diagnostics[name] or 0.0) for name in CODES},
        "losses": {
            stage.name: {term: [_rounded(v) for v in values] for term, values in stage.losses.items()}
            for stage in record.training.stages
        },
    }


def named(numbers: Mapping[str, Any]) -> dict[str, Number]:
    """Return the numbers of a cell by name, in the order in which they are shown."""
    return {number.name: number for number in _each(numbers)}


def _each(numbers: Mapping[str, Any]) -> Iterator[Number]:
    for preset, maps in numbers["map"].items():
        for metric in sorted(maps, key=_place):
            name = f"{metric.replace('map', 'mAP')} {preset}"
            yield Number(name, name, "map", 1, maps[metric])
    for name, value in numbers["codes"].items():
        yield Number(name.replace("_", " "), name.replace("_", " "), "codes", CODES.get(name, 0), value)
    for stage, terms in numbers["losses"].items():
        for term, values in terms.items():
            group = f"loss {stage}/{term}"
            for epoch, value in enumerate(values, 1):
                yield Number(f"{group}, epoch {epoch}", group, "loss", 0, value)


def _place(metric: str) -> int:
    return MAP.index(metric) if metric in MAP else len(MAP)


def _rounded(value: float | None) -> float:
    return math.nan if value is None else float(f"{value:.{DIGITS}g}")
