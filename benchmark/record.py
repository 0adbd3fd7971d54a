"""One record = one cell of the matrix: schema, key, atomic write, read, migrate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.atomic import write_json
from benchmark.interfaces.names import DEFAULT_VARIANT
from benchmark.records.options import CellOptions

SCHEMA = 1
RECORD, FAILURE = "record.json", "failure.json"
CODES, QUERIES, MODEL, CHECKPOINT = "codes.npz", "queries.npz", "model.pt", "checkpoint.pt"
RESERVED = {"baselines"}
"""Folders of the results root that hold no cells."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Identity(CellOptions, _Part):
    """What the cell is: its method, its data and its options, which ``options_of`` returns as one model.

    ``config`` is resolved: defaults, variant, preset and command line in one. ``settings`` are those of it that the
    command line has to name, None in records of before they were kept. ``budget`` holds the options that limit
    training.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    method: str
    method_title: str
    variant: str
    dataset: str
    dataset_title: str
    bits: int
    seed: int
    config: dict[str, Any]
    budget: dict[str, Any]
    settings: dict[str, Any] | None = None

    @property
    def named_variant(self) -> str:
        """Return the name of the variant, or nothing where the method has only one."""
        return "" if self.variant == DEFAULT_VARIANT else self.variant


class SplitInfo(_Part):
    """Size and content of one split; ``official`` is the count the field uses, where one is known."""

    n: int
    frames: int
    dim: int
    fingerprint: str
    official: int | None = None


class Data(_Part):
    """The data the cell saw."""

    fingerprint: str
    subset: bool
    classes: int
    multi_label: bool
    self_retrieval: bool
    splits: dict[str, SplitInfo]


class Training(_Part):
    """How the method was fitted. A stage holds name, epochs, steps, seconds and the epoch means of each loss term.

    A stage that was cut short, or not begun, because of ``stopped_by`` (``time``), holds the epochs that it had and
    those that were ``planned``. ``curve`` holds mAP on the test queries after chosen epochs of the main stage.
    """

    stages: list[dict[str, Any]] = []
    scalars: dict[str, float | None] = {}
    parameters: int = 0
    resumed: int = 0
    stopped_by: str = ""
    curve: list[dict[str, Any]] = []


class Measured(_Part):
    """Metrics under one protocol; see benchmark/evaluation for the keys."""

    protocol: dict[str, Any]
    metrics: dict[str, Any]


class Failure(_Part):
    """Why a cell has no numbers."""

    phase: str
    type: str
    message: str
    traceback: str


class Record(_Part):
    """The whole outcome of one cell. Floats are stored unrounded; a NaN is null in the file and None here."""

    schema_version: int = SCHEMA
    status: Literal["done", "failed"]
    key: str
    identity: Identity
    data: Data | None = None
    code: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    command: str = ""
    rerun: str = ""
    started: str = ""
    finished: str = ""
    training: Training = Training()
    selection: dict[str, Any] | None = None
    timing: dict[str, float | None] = {}
    peak_memory_bytes: int = 0
    metrics: dict[str, Measured] = {}
    diagnostics: dict[str, float | None] = {}
    examples: list[dict[str, Any]] = []
    failure: Failure | None = None


def epochs_text(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return the epochs of each stage joined by +, as done of planned where they were cut short, or nothing."""
    done = "+".join(str(stage.get("epochs", "?")) for stage in stages)
    planned = "+".join(str(stage.get("planned", stage.get("epochs", "?"))) for stage in stages)
    return done if done == planned else f"{done} of {planned}"


def remarks(found: Record) -> list[str]:
    """Return what sets a record apart from one of the whole dataset, its whole schedule and its last epoch."""
    said = [] if found.identity.subset is None else [f"subset of {found.identity.subset}"]
    if found.training.stopped_by:
        said.append(f"stopped by {found.training.stopped_by} after {epochs_text(found.training.stages)} epochs")
    if found.selection is not None:
        where = "the test queries" if found.identity.selection == "test" else "held-out training videos"
        epoch = found.selection.get("epoch")
        said.append(f"epoch {epoch} chosen on {where}" if epoch else "no epoch to choose from")
    return said


@dataclass(frozen=True)
class Damaged:
    """A file that should be a record and cannot be read as one."""

    path: Path
    reason: str


@dataclass
class Found:
    """What a results folder holds; ``folders`` maps a record's key to its cell folder."""

    records: list[Record] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)


def cell_key(parts: Mapping[str, Any]) -> str:
    """Return the hash of the canonical JSON of everything that can move the number."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def cell_folder(root: Path, dataset: str, method: str, bits: int, seed: int, key: str) -> Path:
    """Return ``<root>/<dataset>/<method>/<bits>/seed<s>-<key>``."""
    return root / dataset / method / str(bits) / f"seed{seed}-{key}"


def write(folder: Path, record: Record) -> None:
    """Write a record (or a failure beside it) atomically; success removes an older failure."""
    name = RECORD if record.status == "done" else FAILURE
    write_json(folder / name, record.model_dump(mode="json"))
    if record.status == "done":
        (folder / FAILURE).unlink(missing_ok=True)


def read(path: Path) -> Record | Damaged:
    """Read one record of any schema version up to the current one."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            return Damaged(path, "is no JSON object")
        version = raw.get("schema_version")
        if not isinstance(version, int) or version > SCHEMA:
            return Damaged(path, f"has schema version {version!r}; this suite reads up to {SCHEMA}")
        return Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Damaged(path, f"does not fit the schema at '{where}': {first['msg']}")
    except (OSError, ValueError) as error:
        return Damaged(path, f"cannot be read: {error}")


def load(folder: Path) -> Record | None:
    """Return the cell's record if it is done, else its failure, else None."""
    for name in (RECORD, FAILURE):
        if (folder / name).exists():
            found = read(folder / name)
            if isinstance(found, Record):
                return found
    return None


def scan(root: Path) -> Found:
    """Read every record under a results root, in path order; a failure counts where no record is done."""
    found = Found()
    for folder in sorted({path.parent for path in root.glob("*/*/*/*/*.json")}):
        if folder.relative_to(root).parts[0] in RESERVED:
            continue
        path = folder / RECORD if (folder / RECORD).exists() else folder / FAILURE
        if not path.exists():
            continue
        outcome = read(path)
        if isinstance(outcome, Damaged):
            found.damaged.append(outcome)
        else:
            found.records.append(outcome)
            found.folders[outcome.key] = folder
    return found
