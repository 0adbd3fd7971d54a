"""From records to the matrix that the page shows: groups (one per dataset content), rows and cells.

A row holds records that may be averaged: same method, variant, configuration, budget, precision, protocol and choice
of the epoch. Nothing else is ever averaged together.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.record import Data, Record
from reports import style

PLAIN_VARIANT = "default"
FULL = "fp32"
LAST, ON_TEST = "last", "test"
"""Whose weights a row's numbers are of: the last epoch's, or the best's on the test queries."""
OPTIONS = ("precision", "selection", "eval_every", "compiled")
"""Of an identity, what tells rows of one reading, configuration and budget apart."""
SELECTED = {ON_TEST: "test queries", "validation": "held-out videos"}
NO_RECORD = "no record: this cell was not run"


@dataclass
class Row:
    """One line of a table. ``expected`` holds cells (bits, seed) that were asked for, with the reason of a hole."""

    method: str
    title: str
    variant: str
    config: Mapping[str, Any] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)
    protocols: Mapping[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    expected: dict[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    label: str = ""
    slug: str = ""
    sibling: int = 0
    precision: str = FULL
    selection: str = LAST
    eval_every: int = 1
    compiled: bool = False

    @property
    def selected_on_test(self) -> bool:
        """Return whether the epoch was chosen on the test queries: such a row competes with no other."""
        return self.selection == ON_TEST

    def done(self, bits: int) -> list[Record]:
        """Return the finished records of a code length, by seed."""
        return sorted((r for r in self.records if r.identity.bits == bits), key=lambda r: (r.identity.seed, r.key))

    def failed(self, bits: int) -> list[Record]:
        """Return the failures of a code length, by seed."""
        return sorted((r for r in self.failures if r.identity.bits == bits), key=lambda r: (r.identity.seed, r.key))

    @property
    def budgeted(self) -> bool:
        """Say whether a budget shaped the row's numbers: it has no effect on a method that trains in no stages."""
        return bool(self.budget) and (not self.records or any(r.training.stages for r in self.records))

    @property
    def all(self) -> list[Record]:
        """Return every record of the row, by bits and seed."""
        return sorted([*self.records, *self.failures], key=lambda r: (r.identity.bits, r.identity.seed, r.key))


@dataclass(frozen=True)
class Hole:
    """Cells that have no record, and the command that fills them."""

    group: str
    label: str
    bits: tuple[int, ...]
    seeds: tuple[int, ...]
    reason: str
    command: str


@dataclass
class Group:
    """One dataset as the records saw it; another content (fingerprint) of the same name is another group."""

    name: str
    title: str
    fingerprint: str
    data: Data | None = None
    label: str = ""
    slug: str = ""
    rows: list[Row] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    """Keys of records that other code made than today's."""

    @property
    def drawn(self) -> int | None:
        """Return how many training videos were drawn from the dataset, None where it is whole."""
        found = [r.identity.subset for row in self.rows for r in row.all]
        found += [cell.get("subset") for row in self.rows for cell in row.expected.values()]
        return next((n for n in found if n is not None), None)

    @property
    def bits(self) -> list[int]:
        """Return the code lengths that any row has or was asked for."""
        found = {r.identity.bits for row in self.rows for r in row.all}
        return sorted(found | {bits for row in self.rows for bits, _ in row.expected})

    @property
    def seeds(self) -> list[int]:
        """Return the seeds that any row has or was asked for."""
        found = {r.identity.seed for row in self.rows for r in row.all}
        return sorted(found | {seed for row in self.rows for _, seed in row.expected})

    @property
    def presets(self) -> list[str]:
        """Return the protocol presets of the records: field, strict, then others by name."""
        return style.preset_order({name for row in self.rows for record in row.records for name in record.metrics})


def build(records: Iterable[Record], expected: Sequence[Mapping[str, Any]] = ()) -> list[Group]:
    """Return the groups by name, with rows for records, for expected cells, and for methods that others have."""
    unique = {record.key: record for record in sorted(records, key=lambda r: r.status == "done")}
    ordered = sorted(unique.values(), key=lambda r: (r.identity.dataset, r.status != "done", r.key))
    groups: dict[tuple[str, str], Group] = {}
    for record in ordered:
        _row(_group(groups, record), record)
    for cell in expected:
        _expect(groups, cell)
    _add_missing_methods(groups.values())
    for group in groups.values():
        group.rows.sort(key=_order)
        _label(group.rows)
        _name_rows(group.rows)
    names = Counter(group.name for group in groups.values())
    called = Counter((group.name, group.drawn) for group in groups.values())
    for group in groups.values():
        several, mark = names[group.name] > 1, group.fingerprint[:8] or "unknown"
        part = "" if group.drawn is None else f" (subset of {group.drawn})"
        same = called[group.name, group.drawn] > 1
        group.label = style.one_line(group.title) + part + (f" [data {mark}]" if same else "")
        group.slug = style.slug(group.name, mark) if several else style.slug(group.name)
    return sorted(groups.values(), key=lambda g: (g.title.lower(), g.name, g.drawn or 0, g.fingerprint))


def methods(groups: Iterable[Group]) -> list[str]:
    """Return all method names, sorted: what colours are assigned by."""
    return sorted({row.method for group in groups for row in group.rows})


def holes(group: Group) -> list[Hole]:
    """Return what the group's matrix lacks: cells asked for, and code lengths that another row has."""
    found = []
    for row in group.rows:
        have = {(r.identity.bits, r.identity.seed) for r in row.all}
        lacking: dict[str, dict[int, set[int]]] = {}
        commands = {}
        for (bits, seed), cell in sorted(row.expected.items()):
            if (bits, seed) not in have:
                reason = style.one_line(cell.get("reason") or NO_RECORD)
                lacking.setdefault(reason, {}).setdefault(bits, set()).add(seed)
                commands[reason] = cell.get("command")
        asked = {bits for bits, _ in row.expected} | {bits for bits, _ in have}
        for bits in group.bits:
            if bits not in asked:
                seeds = {r.identity.seed for r in row.all} or set(group.seeds)
                lacking.setdefault(NO_RECORD, {}).setdefault(bits, set()).update(seeds)
        for reason, cells in lacking.items():
            bits_, seeds_ = tuple(sorted(cells)), tuple(sorted(set().union(*cells.values())))
            command = commands.get(reason) or fill_command(group, row, bits_, seeds_)
            found.append(Hole(group.label, row.label, bits_, seeds_, reason, command))
    return found


def fill_command(group: Group, row: Row, bits: Sequence[int], seeds: Sequence[int]) -> str:
    """Return the command that runs cells of a row, after the command of one of its records where there is one."""
    lengths, numbers = " ".join(map(str, bits)), " ".join(map(str, seeds))
    for record in row.all:
        if record.rerun:
            command = re.sub(r"--bits \d+( \d+)*", f"--bits {lengths}", record.rerun)
            return re.sub(r"--seeds \d+( \d+)*", f"--seeds {numbers}", command)
    method = row.method if row.variant in ("", PLAIN_VARIANT) else f"{row.method}:{row.variant}"
    words = f"python -m benchmark run --methods {method} --datasets {group.name} --bits {lengths} --seeds {numbers}"
    words += f" --subset {group.drawn}" if group.drawn is not None else ""
    words += f" --epochs {row.budget['epochs']}" if "epochs" in row.budget else ""
    words += f" --precision {row.precision}" if row.precision != FULL else ""
    words += f" --select {row.selection}" if row.selection != LAST else ""
    words += f" --eval-every {row.eval_every}" if row.eval_every != 1 else ""
    words += " --compile" if row.compiled else ""
    return words + (f" --time-budget {row.budget['seconds']}s" if "seconds" in row.budget else "")


def _order(row: Row) -> tuple[Any, ...]:
    shortest_first = [style.number(value) or 0.0 for _, value in sorted(row.budget.items())]
    told = (
        row.precision != FULL,
        row.compiled,
        (row.selection != LAST, row.selection, row.eval_every),
        shortest_first,
        _text(row.config),
        _text(row.protocols),
    )
    return row.title.lower(), row.method, row.variant, *told


def _group(groups: dict[tuple[str, str], Group], record: Record) -> Group:
    """Return the group of a record; a failure that saw no data joins another group of its dataset."""
    identity = record.identity
    fingerprint = record.data.fingerprint if record.data else ""
    if not fingerprint:
        same = [group for (name, _), group in groups.items() if name == identity.dataset]
        if same:
            return same[0]
    group = groups.setdefault(
        (identity.dataset, fingerprint), Group(identity.dataset, identity.dataset_title, fingerprint, record.data)
    )
    group.title = group.title or identity.dataset_title or identity.dataset
    return group


def _row(group: Group, record: Record) -> None:
    """Put a record into its row; a failure, which has no protocol yet, goes to the first row that fits."""
    identity = record.identity
    protocols = {name: measured.protocol for name, measured in sorted(record.metrics.items())}
    for row in group.rows:
        same = (row.method, row.variant) == (identity.method, identity.variant)
        same = same and all(getattr(row, name) == getattr(identity, name) for name in OPTIONS)
        same = same and _text(row.config) == _text(identity.config) and _text(row.budget) == _text(identity.budget)
        if same and (not protocols or not row.protocols or _text(row.protocols) == _text(protocols)):
            break
    else:
        title = identity.method_title or identity.method
        row = Row(identity.method, title, identity.variant, identity.config, identity.budget)
        for name in OPTIONS:
            setattr(row, name, getattr(identity, name))
        group.rows.append(row)
    row.protocols = row.protocols or protocols
    (row.records if record.status == "done" else row.failures).append(record)


def _expect(groups: dict[tuple[str, str], Group], cell: Mapping[str, Any]) -> None:
    dataset, method = str(cell["dataset"]), str(cell["method"])
    content = cell.get("fingerprint")
    held = [group for (name, mark), group in groups.items() if name == dataset and content in (None, "", mark)]
    if held:
        group = held[0]
    else:
        title, content = str(cell.get("dataset_title") or dataset), str(content or "")
        group = groups[dataset, content] = Group(dataset, title, content)
    variant = str(cell.get("variant") or "")
    title = next((r.title for g in groups.values() for r in g.rows if r.method == method), method)
    for row in group.rows:
        fits = row.method == method and variant in ("", row.variant)
        if fits and all(cell.get(name) in (None, getattr(row, name)) for name in ("config", "budget", *OPTIONS)):
            break
    else:
        row = Row(method, str(cell.get("method_title") or title), variant or PLAIN_VARIANT)
        row.config, row.budget = cell.get("config") or {}, cell.get("budget") or {}
        row.precision, row.selection = str(cell.get("precision") or FULL), str(cell.get("selection") or LAST)
        row.eval_every, row.compiled = int(cell.get("eval_every") or 1), bool(cell.get("compiled"))
        group.rows.append(row)
    row.expected[int(cell["bits"]), int(cell["seed"])] = cell


def _add_missing_methods(groups: Iterable[Group]) -> None:
    """Give every group an empty row for each method reading that another group has."""
    groups = list(groups)
    known = {(row.method, row.variant): row.title for group in groups for row in group.rows}
    for group in groups:
        have = {(row.method, row.variant) for row in group.rows}
        for (method, variant), title in sorted(known.items()):
            if (method, variant) not in have:
                group.rows.append(Row(method, title, variant))


def _label(rows: Sequence[Row]) -> None:
    """Name each row: title, variant, budget, and the settings in which it differs from rows of the same reading."""
    for row in rows:
        same = [r for r in rows if (r.method, r.variant) == (row.method, row.variant) and r.all]
        differing = _differing([_settings(r) for r in same], _settings(row)) if row.all else {}
        told = row.budgeted or any(_text(r.budget) != _text(row.budget) for r in same)
        details = {
            **({} if row.precision == FULL else {"precision": row.precision}),
            **({"compiled": "yes"} if row.compiled else {}),
            **({} if row.selection == LAST else {"epoch chosen on": SELECTED.get(row.selection, row.selection)}),
            **({} if row.eval_every == 1 else {"every": row.eval_every}),
            **(budget_words(row.budget) if told else {}),
            **{f"config {k}" if k in row.budget else k: v for k, v in differing.items()},
        }
        variant = "" if row.variant in ("", PLAIN_VARIANT) else f" ({row.variant})"
        row.label = style.one_line(row.title + variant) + (f" [{style.settings_text(details)}]" if details else "")
    for row in rows:
        if sum(r.title == row.title for r in rows if r.method != row.method):
            row.label += f" · {style.one_line(row.method)}"
        row.sibling = sum(r.method == row.method for r in rows[: rows.index(row)])
    taken = Counter(row.label for row in rows)
    for row in rows:
        if taken[row.label] > 1 and row.all:
            row.label += f" · {row.all[0].key[:6]}"


def _name_rows(rows: Sequence[Row]) -> None:
    """Give each row a slug that rows of the same reading have on every dataset; further ones of it are numbered."""
    taken: Counter[str] = Counter()
    for row in rows:
        reading = style.slug(row.method, *([] if row.variant in ("", PLAIN_VARIANT) else [row.variant]))
        taken[reading] += 1
        row.slug = reading if taken[reading] == 1 else f"{reading}-{taken[reading]}"


def _settings(row: Row) -> dict[str, Any]:
    options = {f"{name}.{key}": v for name, protocol in row.protocols.items() for key, v in protocol.items()}
    return {**row.config, **options}


def budget_words(budget: Mapping[str, Any]) -> dict[str, Any]:
    """Return a budget as the page says it."""
    return {
        "time budget" if key == "seconds" else key: style.duration(value) if key == "seconds" else value
        for key, value in budget.items()
    }


def _differing(others: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, Any]:
    return {key: v for key, v in own.items() if any(_text(other.get(key)) != _text(v) for other in others)}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
