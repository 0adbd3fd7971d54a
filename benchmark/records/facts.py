"""What a results folder keeps of a dataset: its names and labels, so that codes can be judged again without its files.

``results/<dataset>/data-<fingerprint>/`` holds ``dataset.json``, ``labels.npz`` and, where the dataset has previews,
``previews/<split>-<row>.png`` or ``.jpg`` of the videos that a page showed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.files.arrays import Unreadable, read_arrays, save_arrays, whole_number
from benchmark.files.atomic import write_json

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset

FACTS, LABELS = "dataset.json", "labels.npz"


@dataclass(frozen=True)
class Facts:
    """A dataset as a run saw it. ``labels``: split -> multi-hot uint8 ``(videos, classes)`` of database and query.

    ``drawn``: how many training videos were drawn from the dataset of that name, None where it is whole.
    """

    name: str
    title: str
    source: str
    fingerprint: str
    argument: str
    classes: tuple[str, ...]
    self_retrieval: bool
    drawn: int | None = None
    labels: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)


def folder(results: Path, name: str, fingerprint: str) -> Path:
    """Return where the facts of a dataset of this content lie."""
    return results / name / f"data-{fingerprint[:16]}"


def keep(results: Path, dataset: Dataset, argument: str) -> Path:
    """Write the facts of a dataset, once per content or where they are damaged, and return their folder.

    ``argument`` is what names the dataset on the command line.
    """
    place = folder(results, dataset.name, dataset.fingerprint)
    if read(results, dataset.name, dataset.fingerprint) is None:
        labels = {name: dataset.labels(name) for name in ("database", "query")}
        arrays = {name: np.packbits(table.astype(bool), axis=1) for name, table in labels.items()}
        save_arrays(place / LABELS, {**arrays, "classes": np.array(labels["database"].shape[1])})
        facts = Facts(
            dataset.name, dataset.title, dataset.source, dataset.fingerprint, argument, tuple(dataset.classes),
            dataset.self_retrieval, dataset.drawn,
        )  # fmt: skip
        write_json(place / FACTS, {key: value for key, value in asdict(facts).items() if key != "labels"})
    return place


def argument(results: Path, name: str, fingerprint: str) -> str:
    """Return what names a dataset on the command line, or nothing where no facts of it can be read."""
    try:
        return str(json.loads((folder(results, name, fingerprint) / FACTS).read_text(encoding="utf-8"))["argument"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def read(results: Path, name: str, fingerprint: str) -> Facts | None:
    """Return the facts of a dataset, or None where there are none or they cannot be read."""
    place = folder(results, name, fingerprint)
    try:
        stored = json.loads((place / FACTS).read_text(encoding="utf-8"))
        arrays = read_arrays(place / LABELS, ["classes", "database", "query"])
        width = whole_number(arrays, "classes", place / LABELS)
        labels = {split: np.unpackbits(arrays[split], axis=1, count=width) for split in ("database", "query")}
        facts = Facts(
            str(stored["name"]), str(stored["title"]), str(stored["source"]), str(stored["fingerprint"]),
            str(stored["argument"]), tuple(str(c) for c in stored["classes"]), bool(stored["self_retrieval"]),
            None if stored.get("drawn") is None else int(stored["drawn"]), labels,
        )  # fmt: skip
    except (Unreadable, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, RecursionError):
        return None
    return facts if facts.fingerprint == fingerprint and len(facts.classes) == width else None
