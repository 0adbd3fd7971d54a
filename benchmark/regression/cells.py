"""The cells of a check, run in processes of their own; what comes back are numbers or the reason why there are none."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmark.compute.child import ended_together
from benchmark.data.subset import SubsetDataset
from benchmark.errors import BadInput
from benchmark.paths import Roots
from benchmark.regression.plan import Plan

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Machine:
    """How the cells are computed; none of it may move a number by more than rounding.

    threads: of each process. products: ``chosen`` takes the library of float32 products that the suite finds fastest,
    ``default`` that of torch. environment: variables of the processes, set before torch is imported.
    """

    threads: int = 1
    products: str = "chosen"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckTask:
    """One cell of a check; ``out`` is the folder of its record."""

    plan: Plan
    method: str
    bits: int
    seed: int
    precision: str
    roots: Roots
    out: Path

    @property
    def place(self) -> tuple[str, int]:
        """Return what tells the cells of one check apart."""
        return self.method, self.bits


@dataclass(frozen=True)
class CheckOutcome:
    """What became of a cell: ``numbers`` as a baseline holds them, or ``problem``; ``skipped`` if it cannot run."""

    method: str
    bits: int
    numbers: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    data: str = ""
    problem: str = ""
    skipped: bool = False
    seconds: float = 0.0


def run(tasks: Sequence[CheckTask], machine: Machine, jobs: int) -> Iterator[CheckOutcome]:
    """Run the cells in ``jobs`` new processes and yield outcomes as they come; a cell that fails stops no other."""
    with _environment(machine), ProcessPoolExecutor(jobs, get_context("spawn"), begin, (machine,)) as pool:
        try:
            with ended_together():
                running: dict[Future[CheckOutcome], CheckTask] = {pool.submit(run_task, task): task for task in tasks}
                for done in as_completed(running):
                    yield _answer(done, running[done])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _answer(done: Future[CheckOutcome], task: CheckTask) -> CheckOutcome:
    try:
        return done.result()
    except BrokenProcessPool:
        return CheckOutcome(*task.place, problem="the process ended without an answer, as it does when memory runs out")


@contextmanager
def _environment(machine: Machine) -> Iterator[None]:
    """Set the variables that new processes inherit, and put back what was there."""
    wanted = {**dict.fromkeys(THREADS, str(machine.threads)), **machine.environment}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def begin(machine: Machine) -> None:
    """Set up a process for cells."""
    import torch

    from benchmark.compute import child
    from benchmark.compute import machine as this_machine
    from benchmark.evaluation.evaluator import warm_up

    child.begin()
    torch.set_num_threads(machine.threads)
    this_machine.set_up()
    if machine.products == "default":
        this_machine.default_products()
    warm_up()


@functools.lru_cache(maxsize=1)
def _opened(text: str, roots: Roots) -> SubsetDataset:
    return Plan.model_validate_json(text).open(roots)


def run_task(task: CheckTask) -> CheckOutcome:
    """Run one cell in this process, which ``begin`` has set up."""
    import torch

    from benchmark.cells.measure import Settings
    from benchmark.cells.runner import run_cell
    from benchmark.regression.numbers import taken

    try:
        dataset = _opened(task.plan.model_dump_json(by_alias=True), task.roots)
        cell = task.plan.cell(dataset, task.method, task.bits, task.seed, task.precision)
    except BadInput as error:
        return CheckOutcome(*task.place, problem=str(error))
    if cell.skip:
        return CheckOutcome(*task.place, problem=cell.skip, skipped=True)
    # Artefacts lie with the records, not in the cache: a check shall see how they are made.
    settings = Settings(task.out, task.out / "cache", torch.device("cpu"), "check", show_progress=False)
    done = run_cell(cell, settings)
    if done.failure is not None:
        problem = f"failed in {done.failure.phase}: {done.failure.type}: {done.failure.message}"
        return CheckOutcome(*task.place, problem=problem)
    return CheckOutcome(
        *task.place,
        numbers=taken(done),
        config=cell.config.model_dump(mode="json"),
        data=dataset.fingerprint,
        seconds=sum(done.timing.get(phase) or 0.0 for phase in ("prepare", "fit", "encode", "evaluate")),
    )
