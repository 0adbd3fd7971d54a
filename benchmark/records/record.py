"""One record = one cell of the matrix: its schema, its key and its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmark.interfaces.names import DEFAULT_VARIANT
from benchmark.records.options import TEST, CellOptions, RunOptions
from benchmark.records.training import CurvePoint, Selection, StageHistory

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


def options_of(identity: Identity, model: type[RunOptions] = RunOptions) -> RunOptions:
    """Return the options of a record's cell; nothing is checked, so that every record can be shown."""
    stored = {
        name: identity.budget.get(option.budget) if option.budget else getattr(identity, name, None)
        for name, option in model.declared().items()
    }
    return model.model_construct(**{name: value for name, value in stored.items() if value is not None})


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
    """How the method was fitted. ``scalars`` is what it logged, ``resumed`` the epochs taken over from a killed run.

    ``stopped_by`` says what ended training before its schedule: ``time``, or nothing.
    """

    stages: list[StageHistory] = []
    scalars: dict[str, float | None] = {}
    parameters: int = 0
    resumed: int = 0
    stopped_by: str = ""
    curve: list[CurvePoint] = []


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
    selection: Selection | None = None
    timing: dict[str, float | None] = {}
    peak_memory_bytes: int = 0
    metrics: dict[str, Measured] = {}
    diagnostics: dict[str, float | None] = {}
    examples: list[dict[str, Any]] = []
    failure: Failure | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Return dataset and key, which together say which cell this is: datasets of equal content share keys."""
        return self.identity.dataset, self.key


def epochs_text(stages: Sequence[StageHistory]) -> str:
    """Return the epochs of each stage joined by +, as done of planned where they were cut short, or nothing."""
    done = "+".join(str(stage.epochs) for stage in stages)
    planned = "+".join(str(stage.schedule) for stage in stages)
    return done if done == planned else f"{done} of {planned}"


def remarks(record: Record) -> list[str]:
    """Return what sets a record apart from one of the whole dataset, its whole schedule and its last epoch."""
    texts = [] if record.identity.subset is None else [f"subset of {record.identity.subset}"]
    if record.training.stopped_by:
        texts.append(f"stopped by {record.training.stopped_by} after {epochs_text(record.training.stages)} epochs")
    if record.selection is not None:
        where = "the test queries" if record.identity.selection == TEST else "held-out training videos"
        epoch = record.selection.epoch
        texts.append(f"epoch {epoch} chosen on {where}" if epoch else "no epoch to choose from")
    return texts


def cell_key(parts: Mapping[str, Any]) -> str:
    """Return the hash of the canonical JSON of everything that can move the number."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def cell_folder(root: Path, dataset: str, method: str, bits: int, seed: int, key: str) -> Path:
    """Return ``<root>/<dataset>/<method>/<bits>/seed<s>-<key>``."""
    return root / dataset / method / str(bits) / f"seed{seed}-{key}"
