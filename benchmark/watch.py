"""Measuring codes while a method trains: points of a learning curve, and the epoch whose weights are kept.

Measuring draws no random number that training would have drawn and leaves the weights as they are, so a cell with a
curve has the codes of one without. What was measured goes through the checkpoint, so a killed run loses none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from benchmark import validation
from benchmark.encoding import encode_split
from benchmark.evaluation.evaluator import KS, evaluate
from benchmark.evaluation.protocol import STRICT
from benchmark.machine import accelerator
from benchmark.records.options import RunOptions
from benchmark.rows import RowVideos

if TYPE_CHECKING:
    from benchmark.cells.cell import Cell
    from benchmark.features import Videos
    from benchmark.training import TrainedMethod

CUT = 20
"""The K of the mAP that epochs are compared by (ours): field protocol on test queries, else the strict one."""

Maps = dict[str, dict[str, float]]
"""Protocol preset -> ``map@K`` and ``map`` -> value."""


@dataclass
class Watch:
    """What the training loop calls after each epoch of the main stage.

    ``measure`` returns mAP on the test queries; ``judge`` the mAP that epochs are compared by, or None where the former
    says it. Epochs count from 1. Of equal epochs the first is kept. ``seconds`` is the time that measuring took.
    """

    options: RunOptions
    measure: Callable[[TrainedMethod], Maps]
    judge: Callable[[TrainedMethod], float] | None = None
    points: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    seconds: float = 0.0

    def after(self, method: TrainedMethod, epoch: int, last: bool, trained: float) -> None:
        """Measure what is due after an epoch. trained: seconds of training so far."""
        asks = self.options
        point = bool(asks.curve) and (last or asks.curve.wanted(epoch))
        candidate = asks.selects and (last or epoch % asks.eval_every == 0)
        if not (point or candidate):
            return
        began = time.perf_counter()
        method.module.eval()
        with torch.random.fork_rng(devices=_cuda(method.run.device)):
            maps = self.measure(method) if point or last or self.judge is None else {}
            value = self.judge(method) if candidate and self.judge else None
        if point:
            self.points.append({"epoch": epoch, "seconds": trained, "metrics": maps})
        if candidate:
            self._compare(method, epoch, maps["field"][f"map@{CUT}"] if value is None else value)
        if last and asks.selects:
            self.last = {"epoch": epoch, "metrics": maps}
        self.seconds += time.perf_counter() - began

    def _compare(self, method: TrainedMethod, epoch: int, value: float) -> None:
        self.candidates.append({"epoch": epoch, "value": value})
        if self.best is None or value > self.best["value"]:
            state = {name: tensor.clone() for name, tensor in method.state().items()}
            self.best = {"epoch": epoch, "value": value, "state": state}

    def choose(self, method: TrainedMethod) -> None:
        """Give the method the weights of the best epoch, if epochs were compared."""
        if self.best is not None:
            method.load(self.best["state"])

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return {"points": self.points, "candidates": self.candidates, "best": self.best, "last": self.last}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.points, self.candidates = state["points"], state["candidates"]
        self.best, self.last = state["best"], state["last"]


@dataclass(frozen=True)
class Watched:
    """What a cell is trained on, and who watches: ``watch`` is None where the last epoch is the result, unwatched."""

    train: Videos
    watch: Watch | None = None
    part: validation.Slice | None = None

    def selection(self) -> dict[str, Any] | None:
        """Return how the result's epoch was chosen, for the record; None where it is the last one."""
        watch = self.watch
        if watch is None or not watch.options.selects:
            return None
        found = {
            "on": watch.options.selection,
            "by": f"map@{CUT}, {'strict' if watch.judge else 'field'} protocol",
            "every": watch.options.eval_every,
            "epoch": None if watch.best is None else watch.best["epoch"],
            "candidates": watch.candidates,
            "last": watch.last,
        }
        return found if self.part is None else {**found, "slice": self.part.described()}


def watched(cell: Cell) -> Watched:
    """Return the training videos of a cell, less those held out for selection, and its watch; raises BadInput."""
    options, dataset = cell.options, cell.dataset
    train = dataset.split("train")
    if not (options.selects or options.curve):
        return Watched(train)
    if options.selection != "validation":
        return Watched(train, Watch(options, _on_test(cell)))
    part = validation.carve(dataset)
    watch = Watch(options, _on_test(cell), _on_slice(train, part))
    return Watched(validation.training_part(dataset, part), watch, part)


def _on_test(cell: Cell) -> Callable[[TrainedMethod], Maps]:
    dataset = cell.dataset
    labels = {name: dataset.labels(name) for name in ("database", "query")}

    def measure(method: TrainedMethod) -> Maps:
        database = encode_split(method, dataset.split("database"))
        query = database if dataset.self_retrieval else encode_split(method, dataset.split("query"))
        results = evaluate(
            query,
            database,
            labels["query"],
            labels["database"],
            cell.protocols,
            ks=KS,
            self_retrieval=dataset.self_retrieval,
            device=accelerator(method.run.device),
        )
        return {
            name: {key: value for key, value in result.metrics.items() if key.startswith("map")}
            for name, result in results.items()
        }

    return measure


def _on_slice(train: Videos, part: validation.Slice) -> Callable[[TrainedMethod], float]:
    labels = validation.pseudo_labels(train, part)
    queries, database = RowVideos(train, part.queries), RowVideos(train, part.database)

    def judge(method: TrainedMethod) -> float:
        codes = encode_split(method, queries), encode_split(method, database)
        place = accelerator(method.run.device)
        results = evaluate(*codes, labels["query"], labels["database"], {"strict": STRICT}, ks=(CUT,), device=place)
        return float(results["strict"].metrics[f"map@{CUT}"])

    return judge


def _cuda(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
