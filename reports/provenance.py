"""What made each number: one entry per record, each environment once, and the rows that are stale."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.records.record import Record, remarks
from benchmark.records.training import StageHistory
from reports import record_words
from reports.drawing import style
from reports.matrix.holes import cell_command, fill_command
from reports.matrix.labels import budget_words
from reports.matrix.rows import Group, Row

PHASES = ("prepare", "fit", "encode", "evaluate")
DIAGNOSTICS = {
    "bit_balance": ("bit balance", "mean |mean of a bit|: 0 even, 1 constant"),
    "bit_correlation": ("bit correlation", "mean |correlation| of two bits"),
    "distinct_codes": ("distinct codes", "number of different codes in the database"),
    "distinct_share": ("distinct share", "number of distinct codes over that of videos"),
    "zero_share": ("zero share", "share of undecided bits"),
    "constant_bits": ("constant bits", "number of bits with one value everywhere"),
    "entropy_bits": ("code entropy, bits", "Shannon entropy of whole codes"),
}


@dataclass(frozen=True)
class Environment:
    """What records ran in: its settings, and how many records have it."""

    name: str
    lines: list[tuple[str, str]]
    records: int


@dataclass(frozen=True)
class RecordEntry:
    """A record in words. ``anchor`` is its id on the page; ``cell`` and ``row`` name these; ``maps`` are unrounded."""

    label: str
    bits: int
    seed: int
    status: str
    state: str
    key: str
    anchor: str
    cell: str
    row: str
    stale: bool
    epochs: str
    steps: str
    fit: str
    throughput: str
    memory: str
    commit: str
    environment: str
    has_config: bool
    budget: list[tuple[str, str]]
    remarks: str
    command: str
    made_by: str
    finished: str
    failure: str
    stages: list[str]
    timing: list[tuple[str, str]]
    parameters: str
    resumed: int
    diagnostics: list[tuple[str, str]]
    maps: str


@dataclass(frozen=True)
class DatasetRecords:
    """The entries of all records of a dataset, row by row."""

    label: str
    entries: list[RecordEntry]


@dataclass(frozen=True)
class StaleRow:
    """A row whose records other code made than today's, with the command that makes them anew."""

    label: str
    group: str
    bits: list[int]
    seeds: list[int]
    command: str


def environments(groups: Sequence[Group]) -> dict[str, Environment]:
    """Return the distinct environments by their canonical text, named E1, E2 and so on in its order."""
    records: dict[str, list[Record]] = {}
    for group in groups:
        for row in group.rows:
            for record in row.all:
                records.setdefault(_text(record.environment), []).append(record)
    return {
        text: Environment(f"E{number}", style.flat_settings(records[text][0].environment), len(records[text]))
        for number, text in enumerate(sorted(records), 1)
    }


def records(groups: Sequence[Group], environments: Mapping[str, Environment]) -> list[DatasetRecords]:
    """Return the entries of each dataset that has records."""
    datasets = []
    for group in groups:
        entries = [_entry(group, row, record, environments) for row in group.rows for record in row.all]
        if entries:
            datasets.append(DatasetRecords(group.label, entries))
    return datasets


def _entry(group: Group, row: Row, record: Record, environments: Mapping[str, Environment]) -> RecordEntry:
    training, timing, identity = record.training, record.timing, record.identity
    stale = record.key in group.stale
    return RecordEntry(
        label=row.label, bits=identity.bits, seed=identity.seed, status=record.status,
        state="stale" if stale else record.status, key=record.key, anchor=group.anchor(record), stale=stale,
        cell=f"{group.slug}/{row.slug}/{identity.bits}", row=f"{group.slug}-{row.slug}",
        epochs=record_words.epochs(record), steps=style.count(_total(record, "steps")),
        fit=style.seconds(timing.get("fit")), throughput=style.count(timing.get("encode_videos_per_second")),
        memory=style.memory(record.peak_memory_bytes), commit=record_words.commit(record),
        environment=environments[_text(record.environment)].name,
        has_config=bool(identity.config), budget=style.flat_settings(budget_words(identity.budget)),
        remarks="; ".join(remarks(record)),
        command=style.one_line(cell_command(group, record), limit=2000),
        made_by=style.one_line(record.command, limit=2000),
        finished=style.one_line(record.finished), failure=record_words.failure(record),
        stages=[_stage(stage) for stage in training.stages],
        timing=[(phase, style.seconds(timing.get(phase))) for phase in PHASES if phase in timing],
        parameters=style.count(training.parameters), resumed=training.resumed,
        diagnostics=[
            (DIAGNOSTICS.get(key, (key,))[0], _diagnostic(value)) for key, value in _ordered(record.diagnostics)
        ],
        maps=_maps(record),
    )  # fmt: skip


def stale(group: Group) -> list[StaleRow]:
    """Return the rows of a group that are stale."""
    rows = []
    for row in group.rows:
        old = [record for record in row.records if record.key in group.stale]
        if old:
            bits = sorted({record.identity.bits for record in old})
            seeds = sorted({record.identity.seed for record in old})
            command = f"{fill_command(group, row, bits, seeds)} --rerun stale"
            rows.append(StaleRow(row.label, group.label, bits, seeds, command))
    return rows


def _maps(record: Record) -> str:
    """Return mAP under every preset, unrounded, in the order of the cut-offs, as preset:value,value;..."""
    return ";".join(
        f"{preset}:" + ",".join(
            "" if (value := style.number(measured.metrics.get(style.metric_key("map", cut)))) is None else repr(value)
            for cut in style.CUTS
        )
        for preset, measured in sorted(record.metrics.items())
    )  # fmt: skip


def _stage(stage: StageHistory) -> str:
    ends = []
    for name, values in sorted(stage.losses.items()):
        numbers = [style.number(value) for value in values]
        if numbers:
            ends.append(f"{name} {style.rounded(numbers[0], 4)} → {style.rounded(numbers[-1], 4)}")
    work = f"{style.count(stage.epochs)} epochs, {style.count(stage.steps)} steps"
    head = f"{stage.name}: {work}, {style.seconds(stage.seconds)}"
    return style.one_line("; ".join([head, *ends]))


def _diagnostic(value: Any) -> str:
    finite = style.number(value)
    if finite is None:
        return style.NOTHING
    return style.count(finite) if finite == int(finite) and abs(finite) > 1 else style.rounded(finite, 4)


def _ordered(diagnostics: Mapping[str, Any]) -> list[tuple[str, Any]]:
    order = list(DIAGNOSTICS)
    return sorted(diagnostics.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0]))


def _total(record: Record, key: str) -> float | None:
    numbers = [style.number(getattr(stage, key)) for stage in record.training.stages]
    finite = [value for value in numbers if value is not None]
    return sum(finite) if finite else None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
