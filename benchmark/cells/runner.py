"""The books of one cell: its folder, its checkpoint, its record."""

from __future__ import annotations

import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.cells.cell import Cell, describe_data, identity
from benchmark.cells.measure import Outcome, Settings, Work, measure, measured, per_query
from benchmark.cells.model_file import model_file
from benchmark.compute.memory import peak_memory, reset_peak_memory
from benchmark.errors import BadInput
from benchmark.files.arrays import save_arrays
from benchmark.files.atomic import sweep
from benchmark.files.tensors import save_tensors
from benchmark.progress import Progress
from benchmark.records import environment, record, store
from benchmark.records.code_digest import code_identity
from benchmark.records.code_file import write_codes
from benchmark.records.command_line import run_command
from benchmark.training.checkpoint import CheckpointFile

_MADE = {"status", "failure", "training", "selection", "metrics", "diagnostics", "examples"}
"""The fields of a record that say what came of its cell."""


def run_cell(cell: Cell, settings: Settings) -> record.Record:
    """Run one cell and write its record, a failure included; only KeyboardInterrupt and SystemExit pass through.

    The caller holds the cell's lock. A checkpoint that the same code left for the same key is continued. A cell whose
    files cannot be written has failed; its failure is returned even where it cannot be written either.
    """
    folder = cell.folder(settings.results)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    started = _now()
    reset_peak_memory()
    with Progress(cell.label(), settings.show_progress) as progress:
        work = Work(cell, settings, progress)
        code = code_identity(cell.choice.name, cell.dataset)
        watching = "".join(f"-{word}" for word in cell.options.curve.words())
        checkpoint = CheckpointFile(folder / record.CHECKPOINT, f"{cell.key}-{code['digest']}{watching}")
        try:
            outcome = measure(work, checkpoint)
            _write_files(folder, cell, outcome)
            status: dict[str, Any] = {"status": "done", **_made(outcome)}
        except Exception as error:  # a failed cell is recorded, and the others still run
            status = {"status": "failed", "failure": _failure(work.phase, error)}
        cell_identity = identity(cell)
        done = record.Record(
            key=cell.key,
            identity=cell_identity,
            data=describe_data(cell),
            code=code,
            environment=environment.describe(settings.device),
            command=settings.command,
            rerun=run_command(cell_identity, cell.dataset_argument),
            started=started,
            finished=_now(),
            peak_memory_bytes=peak_memory(),
            timing=work.timing,
            **status,
        )
    return _write_record(folder, done, checkpoint)


def _write_record(folder: Path, done: record.Record, checkpoint: CheckpointFile) -> record.Record:
    """Write a record, drop the checkpoint of a finished cell, and return the record, or what failed in writing it."""
    try:
        store.write(folder, done)
    except (BadInput, OSError) as error:
        if done.status == "failed":
            return done
        failed = record.Record(
            **{name: value for name, value in done if name not in _MADE},
            status="failed",
            failure=_failure("write", error),
        )
        with suppress(BadInput, OSError):  # the line that is printed says it all the same
            store.write(folder, failed)
        return failed
    if done.status == "done":
        with suppress(OSError):
            checkpoint.remove()
    return done


def _failure(phase: str, error: Exception) -> record.Failure:
    """Return what a record says of an exception that is being handled."""
    return record.Failure(phase=phase, type=type(error).__name__, message=str(error), traceback=traceback.format_exc())


def _write_files(folder: Path, cell: Cell, outcome: Outcome) -> None:
    save_tensors(folder / record.MODEL, model_file(cell, outcome.method))
    write_codes(folder / record.CODES, outcome.codes)
    save_arrays(folder / record.QUERIES, per_query(outcome.results))


def _made(outcome: Outcome) -> dict[str, Any]:
    """Return the part of a record that a cell's measurement fills."""
    return {
        "training": outcome.training,
        "selection": outcome.selection,
        "metrics": {name: measured(result) for name, result in outcome.results.items()},
        "diagnostics": outcome.diagnostics,
        "examples": outcome.examples,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
