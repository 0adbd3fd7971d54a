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
from benchmark.evaluation.evaluator import warm_up
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
        folder = cell.folder(job.results)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(folder / LOCK, wait=waiting):
                ready = _keep(job, cell)
                done = ready or run_cell(cell, settings)
        except Busy:
            print(f"        {cell.label()}: another process is running it; it is read at the end", flush=True)
            busy.append(cell)
            continue
        number += 1
        failed += done.status == "failed"
        print(summary.cell_line(number, len(job.cells), cell, done, earlier=ready is not None), flush=True)
    return failed


def _keep(job: Job, cell: Cell) -> Record | None:
    """Return the record to keep, or None where the cell is to run.

    A cell that is started again keeps its old record until the new one replaces it. Its checkpoint is dropped, except
    for a stale cell: there only a checkpoint of today's code would be continued anyway.
    """
    folder = cell.folder(job.results)
    state = state_of(folder, cell).state
    if folder not in job.fresh and job.rerun in ("all", state):
        job.fresh.add(folder)
        if state != "stale":
            (folder / CHECKPOINT).unlink(missing_ok=True)
        return None
    record = store.load(folder)
    return record if record is not None and record.status == "done" and has_curve(cell, record) else None
