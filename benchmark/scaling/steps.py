"""Seconds of one training step and of one batch of encoding, on batches that are ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmark.compute.encoding import BATCH, Encoder, encode_batch
from benchmark.compute.machine import autocast
from benchmark.compute.prefetch import pinned
from benchmark.evaluation.hamming import WORD
from benchmark.scaling.meter import Meter, TimedVideos
from benchmark.seeds import Draws

if TYPE_CHECKING:
    from benchmark.interfaces.method import Method
    from benchmark.training.stage import Stage, Trainable

WARM_UP = 2
"""Steps before those that are measured (our choice)."""


def measure_stage(
    meter: Meter, method: Trainable, stage: Stage, train: TimedVideos, steps: int, main: bool
) -> dict[str, Any]:
    """Return what an epoch of a stage takes: measured whole where it has at most ``steps`` steps, else from so many.

    All values are in seconds: ``step_seconds`` (a list; computing), ``moved`` to the device, ``making`` a batch beyond
    reading it, and ``reading``, each of the last three the mean per step. ``epoch_seconds`` is computing and moving,
    of all the epoch's videos.
    """
    draws = Draws(method.run.seed, stage.name, 0)
    chunks = _chunks(draws.generator("order").permutation(len(train)), stage.batch_size, steps)
    method.module.train()
    method.begin_epoch(stage, 0)
    optimiser = stage.optimiser(method.module.parameters())
    for group in optimiser.param_groups:
        group["lr"] = stage.learning_rate(0)
    with meter.memory("training") as phase:
        for rows in chunks[:WARM_UP]:
            _step(meter, method, stage, train, rows, draws, optimiser)
        times = np.array([_step(meter, method, stage, train, r, draws, optimiser) for r in chunks[WARM_UP:]])
    videos = sum(len(rows) for rows in chunks[WARM_UP:])
    computed, moved, making, reading = times.mean(0).tolist()
    of_epoch = len(times) * len(train) / videos
    if main:
        phase.seconds, phase.reading = (computed + moved) * of_epoch, reading * of_epoch
    return {
        "name": stage.name,
        "epochs": stage.epochs,
        "batch_size": stage.batch_size,
        "whole_epoch": videos == len(train),
        "step_seconds": times[:, 0].tolist(),
        "moved": moved,
        "making": making,
        "reading": reading,
        "epoch_seconds": (computed + moved) * of_epoch,
    }


def _chunks(order: np.ndarray, size: int, steps: int) -> list[np.ndarray]:
    """Return the rows of the steps of the warm-up and of those to measure: a whole epoch, or ``steps`` full batches."""
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    if len(chunks) > steps:
        chunks = chunks[: len(order) // size]
    measured = min(len(chunks), steps)
    return [chunks[place % len(chunks)] for place in range(-WARM_UP, 0)] + chunks[:measured]


def _step(
    meter: Meter,
    method: Trainable,
    stage: Stage,
    train: TimedVideos,
    rows: np.ndarray,
    draws: Draws,
    optimiser: torch.optim.Optimizer,
) -> tuple[float, float, float, float]:
    """Make one step and return the seconds of computing, moving, making the batch, and reading."""
    began, read = meter.now(), train.seconds
    batch = pinned(method.batch(train, rows, stage, draws), meter.device)
    made, reading = meter.now(), train.seconds - read
    moved = {name: value.to(meter.device, non_blocking=True) for name, value in batch.items()}
    there = meter.now()
    with autocast(meter.device, method.run.precision):
        total = method.loss(moved, stage)["total"]
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    optimiser.step()
    return meter.now() - there, there - made, max(0.0, made - began - reading), reading


def measure_encoding(meter: Meter, method: Method, database: TimedVideos, batches: int) -> float:
    """Measure ``encode`` on full batches of the database and return videos per second; the phase gets its whole.

    A database with fewer videos than a batch is repeated to fill it, as the engine fills up the last batch.
    """
    n = len(database)
    with meter.memory("encode") as phase:
        spent = [_encode(meter, method, database, start * BATCH) for start in range(-1, batches)]
        # The phase holds packed codes and masks, twice while they are joined.
        code_memory = np.ones((4, n, -(-method.bits // WORD)), np.uint64)
        computed, reading = np.mean(spent[1:], axis=0).tolist()
        del code_memory
        calls = -(-n // BATCH)
        phase.seconds, phase.reading = computed * calls, reading * n / BATCH
    return n / max(phase.seconds, 1e-9)


def _encode(meter: Meter, method: Encoder, database: TimedVideos, start: int) -> tuple[float, float]:
    """Encode one batch from ``start`` on, round and round; return the seconds of computing and of reading."""
    read = database.seconds
    rows = np.arange(start, start + BATCH) % len(database)
    frames = database.take(rows)
    reading, began = database.seconds - read, meter.now()
    encode_batch(method, frames, rows)
    return meter.now() - began, reading


def schedule_seconds(stages: Sequence[dict[str, Any]]) -> float:
    """Return the seconds of all epochs of all stages."""
    return float(sum(stage["epochs"] * stage["epoch_seconds"] for stage in stages))
