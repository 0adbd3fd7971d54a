"""The laws of one method's phases over the sizes, and what they say of a larger size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from benchmark.scaling.growth import LinearLaw, PowerLaw, fit_line, fit_power, grows
from benchmark.scaling.store import counted_in, key_of

NOTHING = 1e-3
"""Seconds below which a phase counts as nothing, and no law is fitted (our choice)."""
FLAT = 64 * 2**20
"""Bytes within which peaks of memory count as equal (our choice): what the allocator keeps differs by as much."""
SIZES = ("train", "database", "query")


def laws(measurements: Sequence[Mapping[str, Any]], target: int) -> list[dict[str, Any]]:
    """Return one entry per method: its identity without sizes, and of each phase the laws, None where there is none.

    ``schedule`` is the law of all epochs of all stages in seconds. A phase has laws of ``seconds`` (a power) and of
    ``resident``, ``anonymous`` and ``device`` (lines, in bytes), each with its parameters, ``spread`` and
    ``at_target``, its value for ``target`` videos. ``last_two`` is the value by the two largest sizes alone: where
    small sizes are ruled by what does not grow, it differs.
    """
    entries = []
    for _, same in groupby(measurements, key=lambda measured: key_of(of_method(measured["identity"]))):
        group = list(same)
        phases = {name: _phase(group, name, target) for name in group[0]["phases"]}
        whole = [(measured["identity"]["train"], measured["schedule_seconds"]) for measured in group]
        schedule = _law(fit_power, _slow(whole), target)
        identity = of_method(group[0]["identity"])
        entries.append({"identity": identity, "target": target, "phases": phases, "schedule": schedule})
    return entries


def of_method(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity without the sizes."""
    return {name: value for name, value in identity.items() if name not in SIZES}


def _phase(group: Sequence[Mapping[str, Any]], phase: str, target: int) -> dict[str, Any]:
    points = {name: _points(group, phase, name) for name in ("seconds", "resident", "anonymous", "device")}
    slow = _slow(points.pop("seconds"))
    lines = {name: _law(_fit_memory, values, target) for name, values in points.items()}
    return {"seconds": _law(fit_power, slow, target), **lines}


def _fit_memory(sizes: Sequence[float], values: Sequence[float]) -> LinearLaw:
    """Return the line, flat where the values differ by no more than ``FLAT`` or no growth shows in their scatter."""
    if max(values) - min(values) > FLAT and grows(sizes, values):
        return fit_line(sizes, values)
    mean = sum(values) / len(values)
    return fit_line(sizes, [mean] * len(values))


def _slow(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(n, seconds) for n, seconds in points if seconds >= NOTHING]


def _points(group: Sequence[Mapping[str, Any]], phase: str, name: str) -> list[tuple[int, float]]:
    points = [(measured["identity"][counted_in(phase)], measured["phases"][phase][name]) for measured in group]
    return [(n, value) for n, value in points if value is not None]


def _law(
    fit: Callable[[Sequence[float], Sequence[float]], PowerLaw | LinearLaw],
    points: Sequence[tuple[int, float]],
    target: int,
) -> dict[str, float] | None:
    sizes = sorted({n for n, _ in points})
    if len(sizes) < 2:
        return None
    largest = [(n, value) for n, value in points if n >= sizes[-2]]
    law, end = (fit(*zip(*some, strict=True)) for some in (points, largest))
    return {**asdict(law), "at_target": law.at(target), "last_two": end.at(target)}
