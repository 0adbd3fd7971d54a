"""What the page and its files show of a comparison: tables of differences, the data of its script, and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation import statistics
from benchmark.evaluation.protocol import HEADLINE_K
from reports.drawing import style
from reports.drawing.table_formats import csv_text
from reports.matrix.rows import Group
from reports.scores.comparison import Comparison, Length, Pair

SURE = 0.05
"""Adjusted p below which a difference is bold (our choice)."""
DIGITS = 4
"""Decimals of the page's data."""
NUMBERS = ("difference", "low", "high", "p", "adjusted")


@dataclass(frozen=True)
class DifferenceCell:
    """mAP of the row less mAP of the column, its p-value in words, and whether that is below ``SURE``."""

    text: str
    p: str
    sure: bool


@dataclass(frozen=True)
class DifferenceRow:
    """A row of the table of differences; None where two rows make no pair."""

    label: str
    cells: list[DifferenceCell | None]


@dataclass(frozen=True)
class DifferenceTable:
    """All pairs of one code length at the headline K."""

    bits: int
    rows: list[DifferenceRow]
    pairs: int


@dataclass(frozen=True)
class ComparisonView:
    """What the page says without a script; ``files`` are the CSV of the pairs, ``flips`` the number of random flips.

    ``absences``: reasons why finished rows are not compared, each with the rows and code lengths that it holds for.
    """

    tables: list[DifferenceTable]
    absences: list[tuple[str, str]]
    files: list[str]
    flips: str


def view(comparison: Comparison, files: Sequence[str]) -> ComparisonView:
    """Return what the page shows of a comparison."""
    tables = [_table(length) for length in comparison.lengths if length.pairs]
    return ComparisonView(tables, _absences(comparison), list(files), style.count(statistics.PERMUTATIONS))


def script_data(group: Group, comparison: Comparison) -> dict[str, Any]:
    """Return the JSON from which the page compares two rows: ``labels`` by slug, ``cuts``, and rows and pairs by bits.

    A pair is four lists by cut-off: difference, low, high and adjusted p, to the digits that the page shows. Its key
    holds the places of its two rows.
    """
    slugs = {row.label: row.slug for row in group.rows}
    labels = {slugs[label]: label for length in comparison.lengths for label in length.rows}
    by_bits = {
        str(length.bits): {
            "rows": [slugs[label] for label in length.rows],
            "pairs": {f"{pair.first},{pair.second}": _brief(pair) for pair in length.pairs},
        }
        for length in comparison.lengths if length.pairs
    }  # fmt: skip
    return {"labels": labels, "cuts": [style.cut_label(cut).strip("@") for cut in style.CUTS], "bits": by_bits}


def _brief(pair: Pair) -> list[list[float]]:
    lists = (pair.difference, pair.low, pair.high, pair.adjusted)
    return [[round(value, DIGITS) for value in values] for values in lists]


def pairs_csv(group: Group, preset: str, comparison: Comparison) -> dict[str, str]:
    """Return every pair as unrounded CSV by file name, a line per code length, pair and K; no file without a pair."""
    head = ("dataset", "fingerprint", "preset", "bits", "k", "row", "other", *NUMBERS)
    lines = []
    for length in comparison.lengths:
        for pair in length.pairs:
            row, other = length.rows[pair.first], length.rows[pair.second]
            for at, cut in enumerate(style.CUTS):
                numbers = [repr(getattr(pair, name)[at]) for name in NUMBERS]
                lines.append([group.name, group.fingerprint, preset, length.bits, cut or "full", row, other, *numbers])
    name = f"tables/pairs-{style.slug(group.slug, preset)}.csv"
    return {name: csv_text(head, lines)} if lines else {}


def _table(length: Length) -> DifferenceTable:
    at = style.CUTS.index(HEADLINE_K)
    cells: list[list[DifferenceCell | None]] = [[None] * len(length.rows) for _ in length.rows]
    for pair in length.pairs:
        cells[pair.first][pair.second] = _cell(pair.difference[at], pair.adjusted[at])
        cells[pair.second][pair.first] = _cell(-pair.difference[at], pair.adjusted[at])
    rows = [DifferenceRow(label, own) for label, own in zip(length.rows, cells, strict=True)]
    return DifferenceTable(length.bits, rows, len(length.pairs))


def _cell(difference: float, p: float) -> DifferenceCell:
    least = 10.0**-style.DECIMALS
    words = f"p < {style.rounded(least)}" if p < least else f"p = {style.rounded(p)}"
    return DifferenceCell(style.difference(difference), words, p < SURE)


def _absences(comparison: Comparison) -> list[tuple[str, str]]:
    lengths: dict[str, dict[str, list[str]]] = {}
    for length in comparison.lengths:
        for label, reason in length.absent.items():
            lengths.setdefault(reason, {}).setdefault(label, []).append(str(length.bits))
    return [
        (reason, "; ".join(f"{label} ({', '.join(bits)} bits)" for label, bits in rows.items()))
        for reason, rows in lengths.items()
    ]
