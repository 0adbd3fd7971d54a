"""Which epoch's weights a number is of, and what choosing it gained over the last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.record import Record
from reports import style, tables
from reports.matrix.rows import Group, Row

PRESET = "field"
CUT = 20
"""The K of the mAP that stands for the gain here (ours)."""


def table(group: Group, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Return a line per code length of rows whose epoch was chosen: epochs, and mAP@20 of the chosen and the last."""
    found = []
    for row in group.rows:
        for bits in group.bits:
            pairs = _pairs(row, bits)
            if not pairs:
                continue
            chosen, last = tables.average([c for _, c, _ in pairs]), tables.average([b for _, _, b in pairs])
            records = [record for record, _, _ in pairs]
            found.append({
                "label": row.label, "slug": row.slug, "bits": bits, "peeked": row.selected_on_test,
                "colour": style.look(row.method, methods).variable,
                "epochs": ", ".join(_epoch(record) for record in records), "seeds": len(records),
                "chosen": style.rounded(chosen), "last": style.rounded(last), "gain": _signed(chosen - last),
                "slice": _slice(records[0]),
            })  # fmt: skip
    return found


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
        f"gained, in mAP@{CUT}, {', '.join(gains)}."
    ]


def _pairs(row: Row, bits: int) -> list[tuple[Record, float, float]]:
    """Return the records of which both numbers are known: mAP of the chosen epoch and of the last."""
    key = style.metric_key("map", CUT)
    found = []
    for record in row.done(bits):
        held = (record.selection or {}).get("last") or {}
        chosen = style.number(record.metrics[PRESET].metrics.get(key)) if PRESET in record.metrics else None
        last = style.number(held.get("metrics", {}).get(PRESET, {}).get(key))
        if chosen is not None and last is not None:
            found.append((record, chosen, last))
    return found


def _epoch(record: Record) -> str:
    held = record.selection or {}
    return f"{style.count(held.get('epoch'))} of {style.count((held.get('last') or {}).get('epoch'))}"


def _slice(record: Record) -> str:
    held = (record.selection or {}).get("slice")
    if not held:
        return "the test queries"
    return (
        f"{style.count(held.get('queries'))} held-out training videos in {style.count(held.get('database'))}, "
        f"{style.count(held.get('relevant'))} nearest relevant"
    )


def _signed(value: float) -> str:
    return f"{round(value, style.DECIMALS) + 0.0:+.{style.DECIMALS}f}".replace("-", "−")
