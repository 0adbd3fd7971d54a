"""Where cells run: here, in this process, one after the other.

A cell is idempotent and locked by its folder, so several processes may work on one results folder: a cell that another
process holds is left to the end and then read, not run twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import environment, machine, record
from benchmark.cells.cell import Cell, source_file

LOCK = ".lock"


@dataclass
class Job:
    """A run: the cells and what they share. ``fresh`` remembers which cells were started again from scratch."""

    cells: Sequence[Cell]
    results: Path
    cache: Path
    device: str
    rerun: str | None
    command: str
    fresh: set[str] = field(default_factory=set)


def state_of(cell: Cell, results: Path) -> str:
    """Return ``done``, ``stale``, ``failed``, ``interrupted``, ``missing``, ``unsupported`` or ``no curve``.

    The last is a record without the learning curve that is asked for, which is made again.
    """
    if cell.skip:
        return "unsupported"
    folder = cell.folder(results)
    found = record.load(folder)
    if found is None:
        return "interrupted" if (folder / record.CHECKPOINT).exists() else "missing"
    if found.status == "failed":
        return "failed"
    digest = environment.code_digest(cell.choice.name, source_file(cell))
    if found.code.get("digest") != digest:
        return "stale"
    return "done" if has_curve(cell, found) else "no curve"


def has_curve(cell: Cell, found: record.Record) -> bool:
    """Say whether a record holds every point of the learning curve that its cell asks for."""
    curve, stages = cell.options.curve, found.training.stages
    if not curve or not stages:
        return True
    held = {point.get("epoch") for point in found.training.curve}
    done = int(stages[-1].get("epochs", 0))
    return not done or {done, *(epoch for epoch in range(1, done) if curve.wanted(epoch))} <= held


def is_locked(folder: Path) -> bool:
    """Tell whether a process is running the cell of this folder."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def show_plan(job: Job) -> None:
    """Print every cell with its state."""
    for cell in job.cells:
        print(f"{state_of(cell, job.results):<12} {cell.label()}" + (f" ({cell.skip})" if cell.skip else ""))


def run(job: Job) -> int:
    """Run what is not done, print one line per cell, and return how many cells failed."""
    from filelock import FileLock, Timeout

    from benchmark import summary
    from benchmark.evaluation.evaluator import warm_up
    from benchmark.runner import Settings, run_cell

    machine.set_up()
    warm_up()
    settings = Settings(job.results, job.cache, environment.choose_device(job.device), job.command)
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
            with FileLock(folder / LOCK, timeout=-1 if waiting else 0):
                ready = _keep(job, cell)
                done = ready or run_cell(cell, settings)
        except Timeout:
            print(f"        {cell.label()}: another process is running it; it is read at the end", flush=True)
            busy.append(cell)
            continue
        number += 1
        failed += done.status == "failed"
        print(summary.cell_line(number, len(job.cells), cell, done, kept=ready is not None), flush=True)
    return failed


def _keep(job: Job, cell: Cell) -> record.Record | None:
    """Return the record to keep, or None where the cell is to run.

    A cell that is started again keeps its old record until the new one replaces it. Its checkpoint is dropped, except
    for a stale cell: there only a checkpoint of today's code would be continued anyway.
    """
    state = state_of(cell, job.results)
    folder = cell.folder(job.results)
    if cell.key not in job.fresh and job.rerun in ("all", state):
        job.fresh.add(cell.key)
        if state != "stale":
            (folder / record.CHECKPOINT).unlink(missing_ok=True)
        return None
    found = record.load(folder)
    return found if found is not None and found.status == "done" and has_curve(cell, found) else None
