"""Where cells run: here, in this process, one after the other.

A cell is idempotent and locked by its folder, so several processes may work on one results folder: a cell that another
process holds is left to the end and then read, not run twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.cells import summary
from benchmark.cells.cell import Cell
from benchmark.cells.runner import Settings, run_cell
from benchmark.cells.state import LOCK, has_curve, state_of
from benchmark.compute import machine
from benchmark.errors import BadInput
from benchmark.evaluation.evaluator import warm_up
from benchmark.files.atomic import writing_to
from benchmark.files.lock import Busy, locked
from benchmark.records import store
from benchmark.records.record import CHECKPOINT, Record


@dataclass
class Job:
    """A run: the cells and what they share. ``fresh`` has the folders of cells that were started again from scratch."""

    cells: Sequence[Cell]
    results: Path
    cache: Path
    device: str
    rerun: str | None
    command: str
    fresh: set[Path] = field(default_factory=set)


def show_plan(job: Job) -> None:
    """Print every cell with its state."""
    for cell in job.cells:
        state = state_of(cell.folder(job.results), cell).state
        print(f"{state:<12} {cell.label()}" + (f" ({cell.skip})" if cell.skip else ""))


@machine.configured()
def run(job: Job) -> int:
    """Run what is not done, print one line per cell, and return how many cells failed."""
    warm_up()
    settings = Settings(job.results, job.cache, machine.choose_device(job.device), job.command)
    failed, busy, number = 0, list[Cell](), 0
    queue = list(job.cells)
    while queue or busy:
        waiting = not queue
        cell = queue.pop(0) if queue else busy.pop(0)
        if cell.skip:
            number += 1
            print(summary.skip_line(number, len(job.cells), cell), flush=True)
            continue
        try:
            record, was_finished = _finish(job, cell, settings, wait=waiting)
            is_failure = record.status == "failed"
            line = summary.cell_line(number + 1, len(job.cells), cell, record, earlier=was_finished)
        except Busy:
            print(f"        {cell.label()}: another process is running it; it is read at the end", flush=True)
            busy.append(cell)
            continue
        except (BadInput, OSError) as error:  # its folder cannot be written, and the others still run
            is_failure, line = True, summary.unwritable_line(number + 1, len(job.cells), cell, error)
        number += 1
        failed += is_failure
        print(line, flush=True)
    return failed


def all_kept(job: Job) -> bool:
    """Return whether no cell is to run, so that nothing has to be written."""
    return all(cell.skip or _record_to_keep(job, cell) is not None for cell in job.cells)


def _finish(job: Job, cell: Cell, settings: Settings, wait: bool) -> tuple[Record, bool]:
    """Return the record of a cell and whether it was there already; it is run under its lock where there is none.

    A record that is kept is read without a lock, so that it can lie in a folder that cannot be written. Raises Busy,
    and Unwritable where the cell's folder cannot be made or locked.
    """
    record = _record_to_keep(job, cell)
    if record is not None:
        return record, True
    folder = cell.folder(job.results)
    with writing_to(folder, "make room"):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, wait=wait):
        record = _record_to_keep(job, cell)  # another process may have finished it since
        if record is not None:
            return record, True
        _start(job, cell)
        return run_cell(cell, settings), False


def _record_to_keep(job: Job, cell: Cell) -> Record | None:
    """Return the finished record of a cell, or None where the cell is to run."""
    folder = cell.folder(job.results)
    if _is_to_start_again(job, cell):
        return None
    record = store.load(folder)
    return record if record is not None and record.status == "done" and has_curve(cell, record) else None


def _is_to_start_again(job: Job, cell: Cell) -> bool:
    folder = cell.folder(job.results)
    return folder not in job.fresh and job.rerun in ("all", state_of(folder, cell).state)


def _start(job: Job, cell: Cell) -> None:
    """Drop the checkpoint of a cell that is started again from scratch.

    Its old record stays until the new one replaces it. The checkpoint of a stale cell stays too: only one of today's
    code would be continued anyway.
    """
    folder = cell.folder(job.results)
    if _is_to_start_again(job, cell):
        job.fresh.add(folder)
        if state_of(folder, cell).state != "stale":
            (folder / CHECKPOINT).unlink(missing_ok=True)
