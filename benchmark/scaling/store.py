"""``scaling.json``: every finished measurement, unrounded, and the laws fitted to those that were asked for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput
from benchmark.files.atomic import write_json, write_text

FORMAT = "video-hashing-scaling-1"
JSON, CSV = "scaling.json", "scaling.csv"

COUNTED = {
    "prepare": "prepare and what the training stages make before they start (graph, anchors, scenes); reading the "
    "videos is taken off and given as 'reading'",
    "training": "methods that train in epochs: one epoch of the main stage, from seconds per step on batches that are "
    "ready, after 2 steps of warm-up, times the steps of an epoch; a whole epoch where it has no more steps than are "
    "measured. Others: the whole fit, reading taken off",
    "encode": "seconds per batch of videos that are ready, times the batches of the database; its "
    "memory has room for the outputs of the whole database",
    "evaluate": "every metric of both protocols on made-up codes; at most 1,000 queries",
    "memory": "peak of the process during the phase, freed memory given back before it: resident, anonymous (looked at "
    "every 20 ms), and on the device; one process for each method and size",
}
"""What each number counts, as it goes into the file."""

COLUMNS = (
    "method", "variant", "dataset", "bits", "frames", "dim", "device", "precision", "kind", "phase", "videos",
    "seconds", "reading", "resident", "anonymous", "on_device",
)  # fmt: skip


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the key under which a measurement is kept."""
    return json.dumps(identity, sort_keys=True)


def load(folder: Path) -> list[dict[str, Any]]:
    """Return the measurements that a folder keeps; raises BadInput where its file is not one of ours."""
    path = folder / JSON
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise BadInput("is of another format", file=path, expected=FORMAT, found=content["format"])
        measurements = list(content["measurements"])
        if not all(isinstance(measured[part], dict) for measured in measurements for part in ("identity", "phases")):
            raise ValueError("a measurement has another form")
        return measurements
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            "is damaged or no file of measurements", file=path, next_step="give another --out, or move it away"
        ) from error


def save(folder: Path, measurements: Sequence[Mapping[str, Any]], head: Mapping[str, Any]) -> None:
    """Write all measurements and what belongs to the present command (``head``), atomically."""
    write_json(folder / JSON, {"format": FORMAT, "counted": COUNTED, **head, "measurements": list(measurements)})


def save_csv(folder: Path, measurements: Sequence[Mapping[str, Any]], laws: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per phase and size, and one per extrapolation, unrounded; seconds and bytes."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for measured in measurements:
        for phase, costs in measured["phases"].items():
            videos = measured["identity"][counted_in(phase)]
            own = {"kind": "measured", "phase": phase, "videos": videos, "on_device": costs["device"]}
            table.writerow({**costs, **measured["identity"], **own})
    for law in laws:
        for phase, lines in law["phases"].items():
            costs = {name: lines[name] and lines[name]["at_target"] for name in ("seconds", "resident", "anonymous")}
            own = {"kind": "extrapolated", "phase": phase, "videos": law["target"], **costs}
            table.writerow({**law["identity"], **own})
    write_text(folder / CSV, text.getvalue())


def counted_in(phase: str) -> str:
    """Return whose videos a phase grows with: ``train`` or ``database``."""
    return "database" if phase in ("encode", "evaluate") else "train"
