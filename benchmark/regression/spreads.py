"""How far a number scatters without a fault, measured, and the tolerance that follows from it.

Every number is computed again in ways that may not matter: with other numbers of threads, by another library of matrix
products, with the instructions of an older processor (``rounding``), with products of bfloat16 (``bf16``), and with
other seeds (``seeds``). The first two say how far rounding moves a number of the *same* seed. A check's seeds are
fixed, so its tolerances come from these; the deviation over seeds, mostly several times that, is shown beside what
moved, and says from where on a better number is too good to be believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import BadInput
from benchmark.evaluation.statistics import mean_deviation
from benchmark.files.atomic import write_json
from benchmark.interfaces.names import FP32
from benchmark.regression.baseline import SPREADS
from benchmark.regression.cells import Machine
from benchmark.regression.numbers import Number

FACTOR = 3.0
"""A tolerance is this many times the measured spread (our choice): few ways of rounding were tried, and more exist."""
FLOORS = {"map": 0.003, "codes": 0.003, "loss": 0.001}
"""Least tolerance (our choice), what some ten flipped signs move: of mAP and shares absolute, of losses and counts as a
share of the baseline's value."""
SMALL = 0.05
"""The floor of an mAP is at most this share of the baseline's value, as some definitions give small numbers (our
choice)."""
LEAP = 0.05
"""A rise of mAP is suspicious from this, or from ``FACTOR`` deviations of the seeds if that is more (our choice)."""
SEEDS = 5
OLD_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Instructions of 2013, in torch, oneDNN, MKL and OpenBLAS."""


@dataclass(frozen=True)
class Way:
    """One way to compute a check again. ``kind`` is rounding, bf16 or seeds."""

    name: str
    kind: str
    machine: Machine = field(default_factory=Machine)
    precision: str = FP32
    seed: int = 0
    """Added to the plan's seed for the methods alone; the part of the dataset stays."""


def ways() -> Iterator[Way]:
    """Yield what is measured beside the check itself."""
    for products in ("chosen", "default"):
        for threads in (1, 2, 4):
            if (products, threads) != ("chosen", 1):
                name = f"{threads} thread{'s' * (threads > 1)}, {products} products"
                yield Way(name, "rounding", Machine(threads, products))
    yield Way("AVX2 instructions", "rounding", Machine(environment=OLD_PROCESSOR))
    yield Way("bfloat16 products", "bf16", precision="bf16")
    for seed in range(1, SEEDS):
        yield Way(f"seed + {seed}", "seeds", seed=seed)


class Spread(BaseModel):
    """Largest movement by rounding and by bfloat16, and the deviation over seeds; of losses, shares of the value."""

    model_config = ConfigDict(extra="forbid")

    rounding: float = 0.0
    bf16: float = 0.0
    seeds: float = 0.0


class Spreads(BaseModel):
    """What ``check --measure`` has measured. ``methods`` maps method and group of numbers to their spread."""

    model_config = ConfigDict(extra="forbid")

    check: dict[str, Any]
    made: dict[str, Any]
    ways: list[str]
    methods: dict[str, dict[str, Spread]]


@dataclass(frozen=True)
class Tolerance:
    """By how much a number may move, from which rise on an mAP is suspicious, and what other seeds move."""

    band: float
    leap: float
    seeds: float = 0.0


def tolerance(spreads: Spreads, method: str, number: Number) -> Tolerance:
    """Return the tolerance of one number of a baseline.

    A method or number that was never measured has the widest spread of any method for this kind of number.
    """
    spread = spreads.methods.get(method, {}).get(number.group) or _widest(spreads, number)
    scale = 1.0 if number.kind == "map" or _is_share(number) else abs(number.value)
    floor = FLOORS[number.kind] if number.kind != "map" else min(FLOORS["map"], SMALL * abs(number.value))
    band = max(floor, FACTOR * max(spread.rounding, spread.bf16)) * scale
    return Tolerance(band, max(LEAP, FACTOR * spread.seeds, band), spread.seeds * scale)


def _is_share(number: Number) -> bool:
    return number.kind == "codes" and number.direction < 0


def _widest(spreads: Spreads, number: Number) -> Spread:
    loss = number.kind == "loss"
    alike = [
        spread
        for groups in spreads.methods.values()
        for group, spread in groups.items()
        if group == number.group or (loss and group.startswith("loss"))
    ]
    return Spread(
        rounding=max((s.rounding for s in alike), default=0.0),
        bf16=max((s.bf16 for s in alike), default=0.0),
        seeds=max((s.seeds for s in alike), default=0.0),
    )


Table = Mapping[tuple[str, int], Mapping[str, Number]]
"""Method and bits to the cell's numbers by name."""


def measured(base: Table, again: Sequence[tuple[Way, Table]]) -> dict[str, dict[str, Spread]]:
    """Return the spreads of every method and group: the largest over code lengths and epochs."""
    spreads: dict[str, dict[str, Spread]] = {}
    for (method, bits), numbers in base.items():
        groups = spreads.setdefault(method, {})
        for name, number in numbers.items():
            scale = 1.0 if number.kind == "map" or _is_share(number) else max(abs(number.value), 1e-12)
            values = {kind: _values(again, kind, (method, bits), name) for kind in ("rounding", "bf16", "seeds")}
            moved = {kind: max((abs(v - number.value) for v in values[kind]), default=0.0) for kind in values}
            moved["seeds"] = mean_deviation([number.value, *values["seeds"]])[1] or 0.0
            before = groups.get(number.group, Spread()).model_dump()
            groups[number.group] = Spread(**{k: max(before[k], float(f"{moved[k] / scale:.3g}")) for k in moved})
    return spreads


def _values(again: Sequence[tuple[Way, Table]], kind: str, place: tuple[str, int], name: str) -> list[float]:
    tables = [table for way, table in again if way.kind == kind]
    return [table[place][name].value for table in tables if name in table.get(place, {})]


def read(folder: Path) -> Spreads:
    """Read what was measured; raises BadInput where it is missing or damaged."""
    path = folder / SPREADS
    measure = "'python -m benchmark check --measure' writes it, in some minutes"
    try:
        return Spreads.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BadInput("holds the tolerances, and is missing", file=path, next_step=measure) from error
    except (OSError, ValueError, ValidationError) as error:
        raise BadInput("holds the tolerances, and cannot be read", file=path, next_step=measure) from error


def write(folder: Path, spreads: Spreads) -> None:
    """Write what was measured."""
    write_json(folder / SPREADS, spreads.model_dump(mode="json"))
