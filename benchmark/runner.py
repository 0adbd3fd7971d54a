"""One cell: prepare -> fit -> encode -> evaluate -> record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark import environment, record
from benchmark.artefacts import ArtefactStore
from benchmark.atomic import sweep
from benchmark.cells.cell import Cell, describe_data, identity, source_file
from benchmark.checkpoint import MODEL_FORMAT, CheckpointFile, save_tensors
from benchmark.code_file import save_arrays, write_codes
from benchmark.encoding import encode_split
from benchmark.evaluation.diagnostics import diagnose
from benchmark.evaluation.evaluator import KS, Result, evaluate
from benchmark.evaluation.hamming import Codes
from benchmark.examples import choose_examples
from benchmark.machine import accelerator
from benchmark.method import Method, Run
from benchmark.progress import Progress
from benchmark.records.command_line import run_command
from benchmark.training import TrainedMethod
from benchmark.watch import watched

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Settings:
    """What all cells of a run share."""

    results: Path
    cache: Path
    device: torch.device
    command: str = ""
    show_progress: bool = True


@dataclass
class _Work:
    """The state of a cell while it runs; ``phase`` is what a failure is blamed on."""

    cell: Cell
    settings: Settings
    progress: Progress
    phase: str = "prepare"
    timing: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str, total: int = 0) -> Iterator[None]:
        self.phase = phase
        self.progress.phase(phase, total)
        began = time.perf_counter()
        yield
        self.timing[phase] = time.perf_counter() - began


def run_cell(cell: Cell, settings: Settings) -> record.Record:
    """Run one cell and write its record, a failure included; only KeyboardInterrupt and SystemExit pass through.

    The caller holds the cell's lock. A checkpoint that the same code left for the same key is continued.
    """
    folder = cell.folder(settings.results)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    started = _now()
    environment.reset_peak_memory()
    with Progress(cell.label(), settings.show_progress) as progress:
        work = _Work(cell, settings, progress)
        code = environment.code_identity(cell.choice.name, source_file(cell))
        watching = "".join(f"-{word}" for word in cell.options.curve.words())
        checkpoint = CheckpointFile(folder / record.CHECKPOINT, f"{cell.key}-{code['digest']}{watching}")
        try:
            outcome = _measure(work, folder, checkpoint)
            status: dict[str, Any] = {"status": "done"}
        except Exception as error:  # a failed cell is recorded, and the others still run
            outcome = {"timing": work.timing}
            failure = record.Failure(
                phase=work.phase,
                type=type(error).__name__,
                message=str(error),
                traceback=traceback.format_exc(),
            )
            status = {"status": "failed", "failure": failure}
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
            peak_memory_bytes=environment.peak_memory(),
            **status,
            **outcome,
        )
    record.write(folder, done)
    if done.status == "done":
        checkpoint.remove()
    return done


def _measure(work: _Work, folder: Path, checkpoint: CheckpointFile) -> dict[str, Any]:
    cell, dataset = work.cell, work.cell.dataset
    seen = watched(cell)
    train = seen.train
    run = Run(
        seed=cell.seed,
        device=work.settings.device,
        precision=cell.options.precision,
        epochs=cell.options.epochs,
        seconds=cell.options.seconds,
        compiled=cell.options.compiled,
        watch=seen.watch,
        artefacts=ArtefactStore(work.settings.cache / "artefacts"),
        checkpoint=checkpoint,
        progress=work.progress,
    )
    method = cell.choice.cls(cell.bits, dataset.shape, cell.config, run)
    with work.timed("prepare"):
        method.prepare(train)
    with work.timed("fit", _videos_to_train(method, len(train))):
        method.fit(train)
    if seen.watch:
        work.timing["fit"] -= seen.watch.seconds
        work.timing["watch"] = seen.watch.seconds
    codes = _encode(work, method)
    with work.timed("evaluate"):
        labels = {name: dataset.labels(name) for name in ("database", "query")}
        results = evaluate(
            codes["query"],
            codes["database"],
            labels["query"],
            labels["database"],
            cell.protocols,
            ks=KS,
            self_retrieval=dataset.self_retrieval,
            device=accelerator(work.settings.device),
        )
        examples = choose_examples(codes, labels, results["field"].ap, dataset.self_retrieval)
    save_tensors(folder / record.MODEL, model_file(cell, method))
    write_codes(folder / record.CODES, codes)
    save_arrays(folder / record.QUERIES, _per_query(results))
    return {
        "training": record.Training(
            stages=run.history,
            scalars=run.scalars,
            parameters=method.parameters_count(),
            resumed=run.resumed,
            stopped_by=run.stopped_by,
            curve=seen.watch.points if seen.watch else [],
        ),
        "selection": seen.selection(),
        "timing": work.timing,
        "metrics": {name: measured(result) for name, result in results.items()},
        "diagnostics": diagnose(codes["database"]),
        "examples": examples,
    }


def _encode(work: _Work, method: Method) -> dict[str, Codes]:
    dataset = work.cell.dataset
    names = ["database"] if dataset.self_retrieval else ["database", "query"]
    splits = {name: dataset.split(name) for name in names}
    total = sum(len(videos) for videos in splits.values())
    with work.timed("encode", total):
        codes = {name: encode_split(method, videos, work.progress.advance) for name, videos in splits.items()}
    work.timing["encode_videos_per_second"] = total / max(work.timing["encode"], 1e-9)
    codes.setdefault("query", codes["database"])
    return codes


def _videos_to_train(method: Method, n: int) -> int:
    return sum(stage.epochs for stage in method.planned_stages()) * n if isinstance(method, TrainedMethod) else 0


def measured(result: Result) -> record.Measured:
    """Return an evaluator's result as it goes into a record."""
    return record.Measured(protocol=result.protocol.model_dump(), metrics=result.metrics)


def _per_query(results: dict[str, Result]) -> dict[str, np.ndarray]:
    return {"k": np.array(KS), **{f"ap_{name}": result.ap for name, result in results.items()}}


def model_file(cell: Cell, method: Method) -> dict[str, Any]:
    """Return what ``encode --checkpoint`` needs to build the method again."""
    return {
        "format": MODEL_FORMAT,
        "method": cell.choice.name,
        "variant": cell.choice.variant,
        "bits": cell.bits,
        "frames": cell.dataset.shape.frames,
        "dim": cell.dataset.shape.dim,
        "config": cell.config.model_dump_json(),
        "seed": cell.seed,
        "precision": cell.options.precision,
        "state": method.state(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
