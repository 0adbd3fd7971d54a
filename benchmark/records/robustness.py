"""What a cell's robustness is on disk: ``robustness.json`` and ``robustness.npz`` beside its record, without torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.evaluation.hamming import Codes, full_mask
from benchmark.evaluation.protocol import HEADLINE_K
from benchmark.files.arrays import Unreadable, read_arrays, save_arrays, whole_number
from benchmark.files.atomic import write_json

__all__ = ["CUT", "GRID", "REFERENCE", "Condition", "Robustness", "code_digest", "conditions", "read", "settings"]

SCHEMA = 1
FILE, QUERIES = "robustness.json", "robustness.npz"
RECIPE = 1
"""Raised whenever the same seed would give other perturbed queries."""
SEED = 0
"""Of the perturbations (our choice). No cell's seed enters: cells of all seeds are measured on the same queries."""
GRID: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "drop": (0.25, 0.5, 0.75, 0.9),
        "shuffle": (0.25, 0.5, 0.75, 1.0),
        "reverse": (0.25, 0.5, 0.75, 1.0),
        "crop": (0.25, 0.5, 0.75, 0.9),
        "noise": (0.25, 0.5, 1.0, 2.0),
    }
)
"""Strengths above 0, which is the clean query (our choice)."""
CUT = HEADLINE_K
"""The K at which the AP of every query is kept and losses have an interval (our choice); means are kept at every K."""
REFERENCE: Mapping[str, float] = MappingProxyType(
    {"drop": 0.5, "shuffle": 1.0, "reverse": 1.0, "crop": 0.5, "noise": 1.0}
)
"""The strength of each perturbation that tables show (our choice)."""
AGREE = 1e-9
"""How far a mean over the per-query file may lie from the mAP in the JSON: the two are sums in another order."""


class Condition(NamedTuple):
    """One perturbation at one strength."""

    perturbation: str
    strength: float


def conditions() -> list[Condition]:
    """Return the whole grid in order."""
    return [Condition(name, strength) for name, strengths in GRID.items() for strength in strengths]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Loss(_Part):
    """mAP@``CUT`` of the clean queries less that of the perturbed ones; low and high of its interval over queries."""

    mean: float
    low: float
    high: float


class Perturbed(_Part):
    """What is left under one perturbation. ``map``: preset -> ``map@K`` and ``map`` -> value; ``loss``: by preset."""

    perturbation: str
    strength: float
    map: dict[str, dict[str, float]]
    loss: dict[str, Loss]


class Robustness(_Part):
    """The whole outcome for one cell. Floats are stored unrounded.

    ``key`` is the record's; ``codes`` the digest of the codes that were measured; ``clean`` has the form of ``map``.
    """

    schema_version: int = SCHEMA
    key: str
    codes: str
    settings: dict[str, Any]
    clean: dict[str, dict[str, float]]
    perturbed: list[Perturbed]
    self_retrieval: bool = False
    code: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    timing: dict[str, float] = {}
    finished: str = ""


def settings() -> dict[str, Any]:
    """Return what the perturbed queries depend on besides the data, as the file keeps it."""
    return {"recipe": RECIPE, "seed": SEED, "grid": {name: list(strengths) for name, strengths in GRID.items()}}


def code_digest(codes: Mapping[str, Codes]) -> str:
    """Return the hex digest of the codes of database and query."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("database", "query"):
        for part in (codes[name].packed, full_mask(codes[name])):
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def write(folder: Path, outcome: Robustness, precisions: Mapping[str, np.ndarray]) -> None:
    """Write both files atomically, the JSON last: its presence means done.

    precisions: preset -> AP@``CUT`` of every query, (queries, 1 + conditions) float64, the clean queries first.
    """
    arrays = {f"ap_{preset}": table for preset, table in precisions.items()}
    save_arrays(folder / QUERIES, {"k": np.array(CUT), **arrays})
    write_json(folder / FILE, outcome.model_dump(mode="json"))


def read(folder: Path, key: str) -> Robustness | str:
    """Return what was measured of the cell of this key on today's grid, or the reason why it is not at hand."""
    if not (folder / FILE).exists():
        return "its queries were not perturbed"
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if not isinstance(version, int) or version > SCHEMA:
            return f"{FILE} has schema version {version!r}; this suite reads up to {SCHEMA}"
        outcome = Robustness.model_validate(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return f"{FILE} does not fit the schema at '{where}'"
    except (OSError, ValueError, RecursionError) as error:
        return f"{FILE} cannot be read: {error}"
    if outcome.key != key:
        return f"{FILE} is of another cell"
    measured = [Condition(item.perturbation, item.strength) for item in outcome.perturbed]
    if outcome.settings != settings() or measured != conditions():
        return f"{FILE} was made with other perturbations than today's"
    return outcome if _is_whole(outcome) else f"{FILE} lacks numbers"


def _is_whole(outcome: Robustness) -> bool:
    """Return whether every condition has a finite mAP wherever the clean queries have one, and its loss."""
    heads = {preset: set(maps) for preset, maps in outcome.clean.items()}
    tables = [outcome.clean, *(item.map for item in outcome.perturbed)]
    losses = [loss for item in outcome.perturbed for loss in item.loss.values()]
    values = [value for table in tables for maps in table.values() for value in maps.values()]
    values += [value for loss in losses for value in (loss.mean, loss.low, loss.high)]
    return (
        all(f"map@{CUT}" in head for head in heads.values())
        and all({preset: set(maps) for preset, maps in table.items()} == heads for table in tables)
        and all(set(item.loss) == set(heads) for item in outcome.perturbed)
        and all(map(math.isfinite, values))
    )


def read_precisions(folder: Path, outcome: Robustness, preset: str) -> np.ndarray | str:
    """Return AP@``CUT`` of every query, (queries, 1 + conditions) float64, clean first, or why it is not at hand."""
    try:
        arrays = read_arrays(folder / QUERIES, ["k", f"ap_{preset}"])
        cut, table = whole_number(arrays, "k", folder / QUERIES), np.array(arrays[f"ap_{preset}"], np.float64)
    except (Unreadable, ValueError, TypeError):
        return f"{QUERIES} is absent, unreadable or without this protocol"
    expected = [outcome.clean[preset], *(item.map[preset] for item in outcome.perturbed)]
    if cut != CUT or table.ndim != 2 or table.shape[1] != len(expected) or not len(table):
        return f"{QUERIES} has another form than {FILE}"
    means = np.array([maps[f"map@{CUT}"] for maps in expected])
    return table if np.abs(table.mean(axis=0) - means).max() <= AGREE else f"{QUERIES} disagrees with {FILE}"
