"""The books of one cell: its folder, its checkpoint, its record."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark import environment, record
from benchmark.atomic import sweep
from benchmark.cells.measure import Outcome, Settings, Work, measure, measured, per_query
from benchmark.cells.model_file import model_file
from benchmark.checkpoint import CheckpointFile
from benchmark.code_file import write_codes
from benchmark.compute.memory import peak_memory, reset_peak_memory
from benchmark.files.arrays import save_arrays
from benchmark.files.tensors import save_tensors
from benchmark.plan import Cell
from benchmark.progress import Progress
from benchmark.records import store
from benchmark.records.code_digest import code_identity


def run_cell(cell: Cell, settings: Settings) -> record.Record:
    """Run one cell and write its record, a failure included; only KeyboardInterrupt and SystemExit pass through.

    The caller holds the cell's lock. A checkpoint that the same code left for the same key is continued.
    """
    folder = cell.folder(settings.results)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    started = _now()
    reset_peak_memory()
    with Progress(cell.label(), settings.show_progress) as progress:
        work = Work(cell, settings, progress)
        code = code_identity(cell.choice.name, cell.dataset)
        watching = "".join(f"-{word}" for word in cell.regime.curve.words())
        checkpoint = CheckpointFile(folder / record.CHECKPOINT, f"{cell.key}-{code['digest']}{watching}")
        try:
            outcome = measure(work, checkpoint)
            _write_files(folder, cell, outcome)
            status: dict[str, Any] = {"status": "done", **_made(outcome)}
        except Exception as error:  # a failed cell is recorded, and the others still run
            failure = record.Failure(
                phase=work.phase,
                type=type(error).__name__,
                message=str(error),
                traceback=traceback.format_exc(),
            )
            status = {"status": "failed", "failure": failure}
        done = record.Record(
            key=cell.key,
            identity=identity(cell),
            data=describe_data(cell),
            code=code,
            environment=environment.describe(settings.device),
            command=settings.command,
            rerun=rerun_command(cell),
            started=started,
            finished=_now(),
            peak_memory_bytes=peak_memory(),
            timing=work.timing,
            **status,
        )
    store.write(folder, done)
    if done.status == "done":
        checkpoint.remove()
    return done


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


def identity(cell: Cell) -> record.Identity:
    """Return what the cell is, for its record."""
    return record.Identity(
        method=cell.choice.name,
        method_title=cell.choice.cls.title,
        variant=cell.choice.variant,
        dataset=cell.dataset.name,
        dataset_title=cell.dataset.title,
        bits=cell.bits,
        seed=cell.seed,
        config=cell.config.model_dump(mode="json"),
        budget=dict(cell.budget),
        precision=cell.precision,
        selection=cell.regime.selection,
        eval_every=cell.regime.every,
        compiled=cell.regime.compiled,
        subset=cell.dataset.drawn,
    )


def describe_data(cell: Cell) -> record.Data:
    """Return the data that the cell saw, for its record."""
    dataset = cell.dataset
    splits = {name: dataset.split(name) for name in ("train", "database", "query")}
    labels = dataset.labels("database")
    return record.Data(
        fingerprint=dataset.fingerprint,
        subset=dataset.subset(),
        classes=labels.shape[1],
        multi_label=bool((labels.sum(axis=1) > 1).any()),
        self_retrieval=dataset.self_retrieval,
        splits={
            name: record.SplitInfo(
                n=len(videos),
                frames=videos.shape.frames,
                dim=videos.shape.dim,
                fingerprint=videos.fingerprint,
                official=dataset.official.get(name),
            )
            for name, videos in splits.items()
        },
    )


def rerun_command(cell: Cell) -> str:
    """Return the one command that makes the cell again."""
    base = type(cell.config)().model_dump(mode="json")
    base |= dict(cell.choice.cls.presets.get(cell.dataset.name, {}))
    base |= dict(cell.choice.cls.variants[cell.choice.variant])
    changed = {key: value for key, value in cell.config.model_dump(mode="json").items() if base[key] != value}
    words = ["python -m benchmark run", f"--methods {cell.choice.name}:{cell.choice.variant}"]
    words += [f"--datasets {cell.dataset_argument}", f"--bits {cell.bits}", f"--seeds {cell.seed}"]
    words += [f"--subset {cell.dataset.drawn}"] if cell.dataset.drawn is not None else []
    words += [f"--epochs {cell.budget['epochs']}"] if "epochs" in cell.budget else []
    words += [f"--precision {cell.precision}"] if cell.precision != "fp32" else []
    words += cell.regime.words()
    words += [f"--set {cell.choice.name}.{key}={value}" for key, value in changed.items()]
    return " ".join(words)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
