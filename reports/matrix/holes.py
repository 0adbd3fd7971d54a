"""What the matrix lacks, and the commands that make cells, missing or not."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.records import command_line
from benchmark.records.record import Record
from reports.drawing import style
from reports.matrix.rows import NO_RECORD, Group, Hole, Row


def holes(group: Group) -> list[Hole]:
    """Return what the group's matrix lacks: cells that were planned, and code lengths that another row has."""
    return [hole for row in group.rows for hole in _holes(group, row)]


def _holes(group: Group, row: Row) -> list[Hole]:
    present = {(r.identity.bits, r.identity.seed) for r in row.all}
    lacking: dict[str, dict[int, set[int]]] = {}
    commands = {}
    for (bits, seed), cell in sorted(row.expected.items()):
        if (bits, seed) not in present:
            reason = style.one_line(cell.reason or NO_RECORD)
            lacking.setdefault(reason, {}).setdefault(bits, set()).add(seed)
            commands[reason] = cell.command
    planned = {bits for bits, _ in row.expected} | {bits for bits, _ in present}
    for bits in group.bits:
        if bits not in planned:
            seeds = {r.identity.seed for r in row.all} or set(group.seeds)
            lacking.setdefault(NO_RECORD, {}).setdefault(bits, set()).update(seeds)
    missing = []
    for reason, cells in lacking.items():
        lengths, numbers = tuple(sorted(cells)), tuple(sorted(set().union(*cells.values())))
        command = commands.get(reason) or fill_command(group, row, lengths, numbers)
        missing.append(Hole(group.label, row.label, lengths, numbers, reason, command))
    return missing


def fill_command(group: Group, row: Row, bits: Sequence[int], seeds: Sequence[int]) -> str:
    """Return the command that runs cells of a row, with the settings of its records."""
    if row.all:
        return command_line.again(row.all[0], group.argument, bits, seeds)
    return command_line.run_command(row.identity, group.argument, bits, seeds)


def cell_command(group: Group, record: Record) -> str:
    """Return the command that makes the cell of a record again."""
    return command_line.again(record, group.argument)
