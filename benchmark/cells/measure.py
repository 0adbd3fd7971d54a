"""What makes a cell's numbers: prepare -> fit -> encode -> evaluate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.cells.watching import watched
from benchmark.compute.encoding import encode_split
from benchmark.compute.machine import accelerator
from benchmark.evaluation.diagnostics import diagnose
from benchmark.evaluation.evaluator import KS, Result, evaluate
from benchmark.evaluation.examples import choose_examples
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.lent_videos import LentVideos
from benchmark.interfaces.run import Run
from benchmark.records.record import Measured, Training
from benchmark.training import loop
from benchmark.training.session import Session
from benchmark.training.stage import planned_stages
from benchmark.training.trained_method import TrainedMethod

if TYPE_CHECKING:
    import torch

    from benchmark.cells.plan import Cell
    from benchmark.evaluation.hamming import Codes
    from benchmark.interfaces.method import Method
    from benchmark.interfaces.videos import Videos
    from benchmark.progress import Progress
    from benchmark.records.training import Selection
    from benchmark.training.checkpoint import CheckpointFile
    from benchmark.training.watch import Watch


@dataclass(frozen=True)
class Settings:
    """What all cells of a run share."""

    results: Path
    cache: Path
    device: torch.device
    command: str = ""
    show_progress: bool = True


@dataclass
class Work:
    """The state of a cell while it runs; ``phase`` is what a failure is blamed on."""

    cell: Cell
    settings: Settings
    progress: Progress
    phase: str = "prepare"
    timing: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str, total: int = 0) -> Iterator[None]:
        """Time a phase of ``total`` videos and show its progress."""
        self.phase = phase
        self.progress.phase(phase, total)
        began = time.perf_counter()
        yield
        self.timing[phase] = time.perf_counter() - began


@dataclass(frozen=True)
class Outcome:
    """What was made of a cell. ``codes`` has ``database`` and ``query``; ``results`` has a protocol preset's each."""

    method: Method
    codes: dict[str, Codes]
    results: dict[str, Result]
    training: Training
    selection: Selection | None
    diagnostics: dict[str, float]
    examples: list[dict[str, Any]]


def measure(work: Work, checkpoint: CheckpointFile) -> Outcome:
    """Run a cell and return what came of it; nothing is written but artefacts and the checkpoint."""
    cell = work.cell
    given = watched(cell)
    train = LentVideos(given.train)
    progress = work.progress
    artefacts = ArtefactStore(work.settings.cache / "artefacts")
    run = Run(
        cell.seed,
        work.settings.device,
        cell.options.precision,
        artefacts=artefacts,
        advance=progress.advance,
        phase=progress.phase,
    )
    session = _session(work, checkpoint, given.watch)
    method = cell.choice.cls(cell.bits, cell.dataset.shape, cell.config, run)
    with work.timed("prepare"):
        method.prepare(train)
    with work.timed("fit", _videos_to_train(method, len(train), session)):
        _fit(method, train, session)
    if given.watch:
        work.timing["fit"] -= given.watch.seconds
        work.timing["watch"] = given.watch.seconds
    codes = _encode(work, method)
    with work.timed("evaluate"):
        results, examples = _evaluate(work, codes)
    training = Training(
        stages=session.history,
        scalars=dict(run.scalars),
        parameters=method.parameters_count(),
        resumed=session.resumed,
        stopped_by=session.stopped_by,
        curve=given.watch.points if given.watch else [],
    )
    return Outcome(method, codes, results, training, given.selection(), diagnose(codes["database"]), examples)


def _session(work: Work, checkpoint: CheckpointFile, watch: Watch | None) -> Session:
    cell = work.cell
    return Session(
        options=cell.options,
        checkpoint=checkpoint,
        watch=watch,
        progress=work.progress,
    )


def _fit(method: Method, train: Videos, session: Session) -> None:
    if isinstance(method, TrainedMethod):
        loop.train(method, train, session)
    else:
        method.fit(train)


def _videos_to_train(method: Method, n: int, session: Session) -> int:
    if not isinstance(method, TrainedMethod):
        return 0
    return sum(stage.epochs for stage in planned_stages(method.stages(), session.options.epochs)) * n


def _encode(work: Work, method: Method) -> dict[str, Codes]:
    dataset = work.cell.dataset
    names = ["database"] if dataset.self_retrieval else ["database", "query"]
    splits = {name: dataset.split(name) for name in names}
    total = sum(len(videos) for videos in splits.values())
    with work.timed("encode", total):
        codes = {name: encode_split(method, videos, work.progress.advance) for name, videos in splits.items()}
    work.timing["encode_videos_per_second"] = total / max(work.timing["encode"], 1e-9)
    codes.setdefault("query", codes["database"])
    return codes


def _evaluate(work: Work, codes: dict[str, Codes]) -> tuple[dict[str, Result], list[dict[str, Any]]]:
    """Return the results of each protocol, and the examples for the page."""
    dataset = work.cell.dataset
    labels = {name: dataset.labels(name) for name in ("database", "query")}
    results = evaluate(
        codes["query"],
        codes["database"],
        labels["query"],
        labels["database"],
        work.cell.protocols,
        ks=KS,
        self_retrieval=dataset.self_retrieval,
        device=accelerator(work.settings.device),
    )
    return results, choose_examples(codes, labels, results["field"].ap, dataset.self_retrieval)


def measured(result: Result) -> Measured:
    """Return an evaluator's result as it goes into a record."""
    return Measured(protocol=result.protocol.model_dump(), metrics=result.metrics)


def per_query(results: dict[str, Result]) -> dict[str, np.ndarray]:
    """Return every query's AP under each protocol, ``ap_<preset>`` (queries, cuts), and the cuts ``k``."""
    return {"k": np.array(KS), **{f"ap_{name}": result.ap for name, result in results.items()}}
