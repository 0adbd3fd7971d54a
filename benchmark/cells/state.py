"""The state of a cell: one function for ``run``, ``--dry-run``, ``status`` and the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark.catalogue import registry
from benchmark.errors import LONGEST, one_line, shortened
from benchmark.files import lock
from benchmark.paths import ROOT
from benchmark.records import code_digest, store
from benchmark.records.record import CHECKPOINT, Record, remarks

if TYPE_CHECKING:
    from benchmark.cells.cell import Cell

LOCK = ".lock"
"""The file in a cell's folder that the process which runs the cell has locked."""

State = Literal["missing", "running", "interrupted", "done", "stale", "failed", "damaged", "unsupported", "no curve"]


@dataclass(frozen=True)
class CellState:
    """What has become of a cell.

    ``no curve`` is a finished record without the learning curve that the cell asks for; it is made again.
    ``detail`` says more in words: why a cell failed, or when it was finished.
    """

    state: State
    detail: str = ""


@dataclass(frozen=True)
class StatusRow:
    """A line of ``status``; ``cell`` is the cell's folder, relative to the results root."""

    state: State
    cell: str
    detail: str


def state_of(folder: Path, cell: Cell | None = None) -> CellState:
    """Return the state of the cell of a folder; ``cell`` is what a run asks for, None where only the folder counts."""
    if cell is not None and cell.skip:
        return CellState("unsupported", cell.skip)
    record = store.read_cell(folder)
    if isinstance(record, store.Damaged):
        return CellState("damaged", f"{record.path.name} {record.reason}")
    if record is not None:
        return state_of_record(record, cell)
    if is_locked(folder):
        return CellState("running", "another process holds it")
    if (folder / CHECKPOINT).exists():
        return CellState("interrupted", "the same run command goes on")
    return CellState("missing", "started, nothing kept")


def state_of_record(record: Record, cell: Cell | None = None) -> CellState:
    """Return the state of a cell that has this record."""
    if record.failure is not None:
        return CellState("failed", f"{record.failure.phase}: {shortened(one_line(record.failure.message), LONGEST)}")
    detail = "  ".join([record.finished, *remarks(record)])
    if _is_of_other_code(record):
        return CellState("stale", detail)
    return CellState("done" if cell is None or has_curve(cell, record) else "no curve", detail)


def is_stale(record: Record) -> bool:
    """Return whether a finished record was made by other code than today's."""
    return state_of_record(record).state == "stale"


def _is_of_other_code(record: Record) -> bool:
    file = ROOT / str(record.code.get("dataset_file", ""))
    if record.identity.method not in registry.methods() or not file.is_file():
        return True
    try:
        return bool(record.code.get("digest") != code_digest.code_digest(record.identity.method, file))
    except (SyntaxError, ValueError):  # a file that is no Python, such as a method that is being edited
        return True


def has_curve(cell: Cell, record: Record) -> bool:
    """Return whether a record has every point of the learning curve that its cell asks for."""
    curve, stages = cell.options.curve, record.training.stages
    if not curve or not stages:
        return True
    measured = {point.epoch for point in record.training.curve}
    last = stages[-1].epochs
    return not last or {last, *(epoch for epoch in range(1, last) if curve.wanted(epoch))} <= measured


def is_locked(folder: Path) -> bool:
    """Return whether a process is running the cell of this folder."""
    return lock.is_locked(folder / LOCK)


def states(results: Path) -> list[StatusRow]:
    """Return the state of every cell folder under a results root, in path order."""
    rows = []
    for folder in store.cell_folders(results):
        cell_state = state_of(folder)
        rows.append(StatusRow(cell_state.state, str(folder.relative_to(results)), cell_state.detail))
    return rows
