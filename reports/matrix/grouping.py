"""From records and planned cells to the groups and rows of the matrix.

A row holds records that may be averaged: same method, variant, configuration, options that can move a number, and
protocol. Nothing else is ever averaged together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmark.records.command_line import stored_argument
from benchmark.records.expected import ExpectedCell
from benchmark.records.record import Identity, Record
from reports.matrix.labels import label_rows, name_groups, name_rows
from reports.matrix.rows import Group, Row, alike, as_text

ArgumentReader = Callable[[str, str], str]
"""Name and fingerprint of a dataset -> what names it on the command line, or nothing."""


def build(
    records: Iterable[Record],
    expected: Sequence[ExpectedCell] = (),
    argument_of: ArgumentReader = lambda name, fingerprint: "",
) -> list[Group]:
    """Return the groups by name, with rows for records, for planned cells, and for methods that others have."""
    unique = {record.place: record for record in sorted(records, key=lambda r: r.status == "done")}
    ordered = sorted(unique.values(), key=lambda r: (r.identity.dataset, r.status != "done", r.key))
    groups: dict[tuple[str, str], Group] = {}
    for record in ordered:
        _add_record(_group(groups, record), record)
    for cell in expected:
        _add_planned(groups, cell)
    _add_missing_methods(groups.values())
    for group in groups.values():
        group.rows.sort(key=_order)
        label_rows(group.rows)
        name_rows(group.rows)
        group.argument = argument_of(group.name, group.fingerprint) or _stored_argument(group)
    ordered_groups = sorted(groups.values(), key=lambda g: (g.title.lower(), g.name, g.drawn or 0, g.fingerprint))
    name_groups(ordered_groups)
    return ordered_groups


def methods(groups: Iterable[Group]) -> list[str]:
    """Return all method names, sorted: what colours are assigned by."""
    return sorted({row.method for group in groups for row in group.rows})


def _stored_argument(group: Group) -> str:
    """Return what names the dataset in the stored command of a record, else its name."""
    arguments = (stored_argument(record) for row in group.rows for record in row.all)
    return next(filter(None, arguments), group.name)


def _order(row: Row) -> tuple[Any, ...]:
    return (
        row.title.lower(),
        row.method,
        row.variant,
        row.options.order(),
        as_text(row.config),
        as_text(row.protocols),
    )


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


def _add_record(group: Group, record: Record) -> None:
    """Put a record into its row; a failure, which has no protocol yet, goes to the first row that fits."""
    identity = record.identity
    mark = alike(identity)
    protocols = {name: measured.protocol for name, measured in sorted(record.metrics.items())}
    for row in group.rows:
        fits = not protocols or not row.protocols or as_text(row.protocols) == as_text(protocols)
        if fits and row.alike == mark:
            break
    else:
        row = Row(identity, identity.method_title or identity.method)
        group.rows.append(row)
    row.protocols = row.protocols or protocols
    (row.records if record.status == "done" else row.failures).append(record)


def _add_planned(groups: dict[tuple[str, str], Group], cell: ExpectedCell) -> None:
    """Put a planned cell into its row; one without a fingerprint goes to the first group of its dataset."""
    identity, fingerprint = cell.identity, cell.fingerprint
    name = identity.dataset
    same = [group for key, group in groups.items() if key[0] == name and fingerprint in ("", key[1])]
    if same:
        group = same[0]
    else:
        group = groups[name, fingerprint] = Group(name, identity.dataset_title or name, fingerprint)
    mark = alike(identity)
    for row in group.rows:
        if row.alike == mark:
            break
    else:
        row = Row(identity, identity.method_title or identity.method)
        group.rows.append(row)
    row.expected[identity.bits, identity.seed] = cell


def _add_missing_methods(groups: Iterable[Group]) -> None:
    """Give every group an empty row for each variant of a method that another group has."""
    groups = list(groups)
    variants = {(row.method, row.variant): row.title for group in groups for row in group.rows}
    for group in groups:
        present = {(row.method, row.variant) for row in group.rows}
        for (method, variant), title in sorted(variants.items()):
            if (method, variant) not in present:
                group.rows.append(Row(_bare_identity(group, method, variant, title), title))


def _bare_identity(group: Group, method: str, variant: str, title: str) -> Identity:
    return Identity(
        method=method,
        method_title=title,
        variant=variant,
        dataset=group.name,
        dataset_title=group.title,
        bits=0,
        seed=0,
        config={},
        budget={},
        subset=group.drawn,
    )
