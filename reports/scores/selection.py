"""Which epoch's weights a number is of, and what choosing it gained over the last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.records.record import Record
from benchmark.records.training import Selection
from reports.context import PageContext
from reports.drawing import style
from reports.matrix.rows import Group, Row
from reports.scores import tables


@dataclass(frozen=True)
class SelectionRow:
    """A row whose epoch was chosen, at one code length: mAP of the chosen and of the last epoch, means over seeds.

    ``epochs``: by seed, the chosen one of how many. ``slice``: what it was chosen on.
    """

    label: str
    slug: str
    colour: str
    bits: int
    selected_on_test: bool
    epochs: str
    seeds: int
    chosen: str
    last: str
    gain: str
    slice: str


def section(group: Group, context: PageContext) -> list[SelectionRow] | None:
    """Return the section of a dataset; None where no epoch was chosen."""
    return table(group, context.methods) or None


def table(group: Group, methods: Sequence[str]) -> list[SelectionRow]:
    """Return a line per code length of each row whose epoch was chosen."""
    rows = []
    for row in group.rows:
        for bits in group.bits:
            pairs = _pairs(row, bits)
            if not pairs:
                continue
            chosen, last = tables.average([c for _, c, _ in pairs]), tables.average([b for _, _, b in pairs])
            records = [record for record, _, _ in pairs]
            rows.append(
                SelectionRow(
                    label=row.label, slug=row.slug, colour=style.look(row.method, methods).variable, bits=bits,
                    selected_on_test=row.selected_on_test, epochs=", ".join(_epoch(record) for record in records),
                    seeds=len(records), chosen=style.rounded(chosen), last=style.rounded(last),
                    gain=_signed(chosen - last), slice=_slice(records[0]),
                )
            )  # fmt: skip
    return rows


def warnings(group: Group, row: Row) -> list[str]:
    """Return a sentence on a row whose epoch was chosen on the test queries, and none on another."""
    gains = []
    for bits in group.bits if row.selected_on_test else []:
        pairs = _pairs(row, bits)
        if pairs:
            gain = tables.average([chosen - last for _, chosen, last in pairs])
            gains.append(f"{_signed(gain)} at {bits} bits")
    if not gains:
        return []
    return [
        f"{row.label} on {group.label}: comparable with no row whose epoch was not chosen so. Over the last epoch it "
        f"gained, in mAP@{HEADLINE_K}, {', '.join(gains)}."
    ]


def _pairs(row: Row, bits: int) -> list[tuple[Record, float, float]]:
    """Return the records that hold both numbers: mAP of the chosen epoch and of the last."""
    key = style.metric_key("map", HEADLINE_K)
    pairs = []
    for record in row.done(bits):
        last_epoch = record.selection.last if record.selection else None
        chosen = style.number(record.metrics[FIELD].metrics.get(key)) if FIELD in record.metrics else None
        last = style.number(last_epoch.metrics.get(FIELD, {}).get(key)) if last_epoch else None
        if chosen is not None and last is not None:
            pairs.append((record, chosen, last))
    return pairs


def _epoch(record: Record) -> str:
    selection = record.selection or Selection()
    return f"{style.count(selection.epoch)} of {style.count(selection.last.epoch if selection.last else None)}"


def _slice(record: Record) -> str:
    held_out = record.selection.slice if record.selection else None
    if held_out is None:
        return "the test queries"
    videos, database, relevant = map(style.count, (held_out.queries, held_out.database, held_out.relevant))
    return f"{videos} held-out training videos in {database}, {relevant} nearest relevant"


def _signed(value: float) -> str:
    """Return a gain with its sign; one that rounds to 0 is positive."""
    return style.difference(round(value, style.DECIMALS) + 0.0)
