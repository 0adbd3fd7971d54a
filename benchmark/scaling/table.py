"""The measurements of one method as lines of text: sizes across, phases down, growth and extrapolation at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.scaling.laws import FLAT, NOTHING
from benchmark.scaling.store import counted_in

NAMES = {"prepare": "prepare", "encode": "encoding", "evaluate": "evaluation"}
HEADS = {"train": "videos to train on", "database": "videos in the database"}
FAR = 100
"""How many times the largest size a target may be before the reader is warned (our choice)."""
Measurements = Sequence[Mapping[str, Any]]


def lines(measurements: Measurements, law: Mapping[str, Any]) -> list[str]:
    """Return the lines of one method, from its measurements by size and its entry of ``laws``."""
    rows: list[list[str]] = []
    for side, phases in (("train", ("prepare", "training")), ("database", ("encode", "evaluate"))):
        sizes = [f"{measured['identity'][side]:,}" for measured in measurements]
        rows.append([HEADS[side], *sizes, "growth", f"at {law['target']:,}", "by last two"])
        for phase in phases:
            assert side == counted_in(phase)
            rows += _phase(measurements, law, phase)
        rows.append(_rate(measurements, side))
    rows += [_schedule(measurements, law)] if measurements[0]["stages"] else []
    if len(measurements) < 2:
        rows = [row[:2] for row in rows]
    return [
        _title(law["identity"]),
        *_aligned(rows),
        *([] if len(measurements) > 1 else ["one size: no growth is fitted"]),
    ]


def notes(measurements: Measurements, target: int) -> list[str]:
    """Return what a reader of the tables must know: what is counted, reckoned and extrapolated."""
    texts = [
        "Not counted: making or reading features. An epoch and the encoding are reckoned from the steps and batches "
        "that were measured."
    ]
    texts.append(
        f"Peaks of memory count as flat where they differ by no more than {size(FLAT)} over the sizes, or where their "
        "growth is less than twice its standard error."
    )
    largest = max(measured["identity"]["train"] for measured in measurements)
    if len({measured["identity"]["train"] for measured in measurements}) > 1:
        texts.append(
            f"{target:,} videos, to train on or to search, are extrapolated and not measured: by the law of all sizes, "
            "and times by that of the two largest sizes too."
        )
        if target > FAR * largest:
            texts.append(f"The target is {target / largest:,.0f} times the largest size: far more than such laws bear.")
    return texts


def _title(identity: Mapping[str, Any]) -> str:
    where = f"{identity['device']}, threads {identity['threads']}, {identity['precision']}"
    data = f"{identity['dataset']} of {identity['frames']} x {identity['dim']}"
    return f"{identity['label']}, {identity['bits']} bits, {data}, {where}"


def _phase(measurements: Measurements, law: Mapping[str, Any], phase: str) -> list[list[str]]:
    measured, fitted = [entry["phases"][phase] for entry in measurements], law["phases"][phase]
    name = NAMES.get(phase) or ("training epoch" if measurements[0]["stages"] else "training (fit)")
    rows = [[name, *(seconds(entry["seconds"]) for entry in measured), *_power(fitted["seconds"])]]
    if phase == "prepare" and max(entry["reading"] for entry in measured) >= NOTHING:
        rows.append(["  reading, not counted", *(seconds(entry["reading"]) for entry in measured), "", "", ""])
    kinds = {"resident": "  peak memory", "anonymous": "  of it anonymous", "device": "  on the device"}
    for kind, words in kinds.items():
        if measured[0][kind] is not None:
            rows.append([words, *(size(entry[kind]) for entry in measured), *_line(fitted[kind])])
    return rows


def _rate(measurements: Measurements, side: str) -> list[str]:
    key, name = ("training", "training") if side == "train" else ("encode", "encoding")
    rates = [entry[f"{key}_videos_per_second"] for entry in measurements]
    return [f"{name}, videos/s", *("-" if rate is None else f"{rate:,.0f}" for rate in rates), "", "", ""]


def _schedule(measurements: Measurements, law: Mapping[str, Any]) -> list[str]:
    epochs = " + ".join(str(stage["epochs"]) for stage in measurements[0]["stages"])
    times = [seconds(entry["schedule_seconds"]) for entry in measurements]
    return [f"whole schedule, {epochs} epochs", *times, *_power(law["schedule"])]


def _power(law: Mapping[str, float] | None) -> list[str]:
    if law is None:
        return ["-"] * 3
    return [f"n^{law['b']:.2f} ±{law['spread'] - 1:.0%}", seconds(law["at_target"]), seconds(law["last_two"])]


def _line(law: Mapping[str, float] | None) -> list[str]:
    if law is None:
        return ["-"] * 3
    growth = f"+{size(law['m1'] * 1e6)} per million" if law["m1"] else "flat"
    return [growth, size(law["at_target"]), ""]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def seconds(value: float) -> str:
    """Return a duration in the unit that a reader would choose."""
    if value < NOTHING:
        return "< 1 ms"
    for limit, unit, name in ((1, 1e-3, "ms"), (100, 1, "s"), (7200, 60, "min"), (2 * 86400, 3600, "h")):
        if value < limit:
            return f"{value / unit:.1f} {name}"
    return f"{value / 86400:,.1f} days"


def size(value: float) -> str:
    """Return bytes in binary units."""
    for power, name in ((40, "TiB"), (30, "GiB")):
        if value >= 2**power:
            return f"{value / 2**power:,.2f} {name}"
    return f"{value / 2**20:,.0f} MiB"
