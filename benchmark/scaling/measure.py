"""One method at one size: its phases measured in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark import seeds
from benchmark.catalogue.choice import choose_method
from benchmark.cells import plan
from benchmark.compute import child, machine
from benchmark.records import environment
from benchmark.records.code_digest import code_identity
from benchmark.scaling.task import Task

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import torch

    from benchmark.evaluation.hamming import Codes
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import Method
    from benchmark.scaling.meter import Meter, TimedVideos

PHASES = ("prepare", "training", "encode", "evaluate")
AT_LEAST = 0.5
"""Seconds over which evaluations are repeated, as one may take milliseconds (our choice)."""


def in_own_process(task: Task) -> dict[str, Any]:
    """Measure in a new process, so that the peaks of memory are this task's alone, and return what ``measure`` does.

    Raises what ``measure`` raises, and MemoryError where the process ends without an answer.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(task, sender), daemon=True)
    with child.ended_together():
        process.start()
        sender.close()
        try:
            answer = receiver.recv()
        except EOFError as error:
            raise MemoryError("the process ended without an answer, as it does when memory runs out") from error
        finally:
            process.terminate()
            process.join()
    if isinstance(answer, Exception):
        raise answer
    return dict(answer)


def _answer(task: Task, sender: Connection) -> None:
    child.begin()
    try:
        sender.send(measure(task))
    except Exception as error:  # it is raised again where it was asked for
        sender.send(error)


@machine.configured()
def measure(task: Task) -> dict[str, Any]:
    """Return phases, stages, rates, the environment and the code of one measurement; times in seconds, memory in bytes.

    Prepare and training come first, in the order of a run; then some batches are encoded and made-up codes evaluated.
    """
    import torch

    from benchmark.evaluation.evaluator import warm_up
    from benchmark.interfaces.run import Run
    from benchmark.scaling.meter import MemoryArtefacts, Meter, TimedVideos
    from benchmark.scaling.steps import measure_encoding, schedule_seconds

    warm_up()
    device = torch.device(task.device)
    choice, dataset, meter = choose_method(task.method), task.open(), Meter(device)
    run = Run(seed=0, device=device, precision=task.precision, artefacts=MemoryArtefacts())
    method = choice.cls(task.bits, dataset.shape, task.config(), run)
    stages = _train(meter, method, TimedVideos(dataset.split("train")), task.steps)
    rate = measure_encoding(meter, method, TimedVideos(dataset.split("database")), task.steps)
    parameters = method.parameters_count()
    del method, run
    _evaluate(meter, dataset, task.bits, task.steps, machine.accelerator(device))
    trained = meter.phases["training"].seconds
    return {
        "phases": {name: meter.phases[name].to_dict() for name in PHASES},
        "stages": stages,
        "schedule_seconds": schedule_seconds(stages) if stages else trained,
        "training_videos_per_second": task.size / trained if stages else None,
        "encode_videos_per_second": rate,
        "parameters": parameters,
        "environment": environment.describe(device),
        "code": code_identity(choice.name, dataset),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _train(meter: Meter, method: Method, train: TimedVideos, steps: int) -> list[dict[str, Any]]:
    """Measure ``prepare`` and ``training``, and return what was measured of each stage, if there are any."""
    from benchmark.scaling.steps import measure_stage
    from benchmark.training.trained_method import TrainedMethod

    with meter.part("prepare", train):
        method.prepare(train)
    if not isinstance(method, TrainedMethod):
        with meter.part("training", train):
            method.fit(train)
        return []
    measured = []
    stages = method.stages()
    for stage in stages:
        with meter.part("prepare", train):
            method.begin_stage(stage, train)
        measured.append(measure_stage(meter, method, stage, train, steps, main=stage is stages[-1]))
    method.module.eval()
    return measured


def _evaluate(meter: Meter, dataset: Dataset, bits: int, times: int, device: torch.device | None) -> None:
    """Measure ``evaluate``, every metric of both protocols: the mean of some repetitions on made-up codes."""
    from benchmark.evaluation.evaluator import KS, evaluate

    query, database = (_made_up_codes(name, len(dataset.split(name)), bits) for name in ("query", "database"))
    relevant, labels = dataset.labels("query"), dataset.labels("database")
    with meter.memory("evaluate") as phase:
        began, done = meter.now(), 0
        while done < times or meter.now() - began < AT_LEAST:
            evaluate(query, database, relevant, labels, plan.protocols_of(dataset), ks=KS, device=device)
            done += 1
        phase.seconds = (meter.now() - began) / done


def _made_up_codes(purpose: str, n: int, bits: int, block: int = 4096) -> Codes:
    from benchmark.evaluation.hamming import Codes, pack

    rng = seeds.generator(0, "codes", purpose)
    parts = [pack(rng.standard_normal((min(block, n - at), bits), np.float32)).packed for at in range(0, n, block)]
    return Codes(np.concatenate(parts), None, bits)
