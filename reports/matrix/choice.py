"""Which cells stand for the rows of a dataset where a picture can show one code length and one seed only."""

from __future__ import annotations

from benchmark.records.record import Record
from reports.matrix.rows import Group, Row

BITS = 64
"""The code length that pictures show where there is one (as in CHAIN's poster)."""


def length(group: Group) -> int | None:
    """Return the code length that is shown: 64 where a cell of it is done, else the longest of a done cell."""
    done = [bits for bits in group.bits if any(row.done(bits) for row in group.rows)]
    return BITS if BITS in done else max(done, default=None)


def one_each(group: Group, bits: int) -> list[tuple[Row, Record | None]]:
    """Return a record per row: of the lowest seed that all rows with records share, else of its own lowest."""
    done = [row.done(bits) for row in group.rows]
    seeds = [{record.identity.seed for record in records} for records in done if records]
    shared = set.intersection(*seeds) if seeds else set()
    seed = min(shared, default=None)
    pairs = zip(group.rows, done, strict=True)
    return [(row, next((r for r in records if seed in (None, r.identity.seed)), None)) for row, records in pairs]
