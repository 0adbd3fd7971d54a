"""Measuring codes while a method trains: points of a learning curve, and the epoch whose weights are kept.

Measuring draws no random number that training would have drawn and leaves the weights as they are, so a cell with a
curve has the codes of one without. What was measured goes through the checkpoint, so a killed run loses none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmark import seeds
from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.records.options import RunOptions
from benchmark.records.training import Candidate, CurvePoint, LastEpoch

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.training.stage import Trainable

CUT = HEADLINE_K
"""The K of the mAP that epochs are compared by (our choice): field protocol on test queries, else the strict one."""

Maps = dict[str, dict[str, float]]
"""Protocol preset -> ``map@K`` and ``map`` -> value."""


@dataclass(frozen=True)
class Best:
    """The best epoch so far, the mAP that it was compared by, and its weights."""

    epoch: int
    value: float
    state: dict[str, Tensor]


@dataclass
class Watch:
    """What the training loop calls after each epoch of the main stage.

    ``measure`` returns mAP on the test queries; ``judge`` the mAP that epochs are compared by, or None where the former
    says it. Epochs count from 1. Of equal epochs the first is kept. ``seconds`` is the time that measuring took.
    """

    options: RunOptions
    measure: Callable[[Trainable], Maps]
    judge: Callable[[Trainable], float] | None = None
    points: list[CurvePoint] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    best: Best | None = None
    last: LastEpoch | None = None
    seconds: float = 0.0

    def after(self, method: Trainable, epoch: int, last: bool, trained: float) -> None:
        """Measure what is due after an epoch. trained: seconds of training so far."""
        options = self.options
        point = bool(options.curve) and (last or options.curve.wanted(epoch))
        candidate = options.selects and (last or epoch % options.eval_every == 0)
        if not (point or candidate):
            return
        began = time.perf_counter()
        method.module.eval()
        with seeds.forked(method.run.device):
            maps = self.measure(method) if point or last or self.judge is None else {}
            value = self.judge(method) if candidate and self.judge else None
        if point:
            self.points.append(CurvePoint(epoch=epoch, seconds=trained, metrics=maps))
        if candidate:
            self._compare(method, epoch, maps[FIELD][f"map@{CUT}"] if value is None else value)
        if last and options.selects:
            self.last = LastEpoch(epoch=epoch, metrics=maps)
        self.seconds += time.perf_counter() - began

    def _compare(self, method: Trainable, epoch: int, value: float) -> None:
        self.candidates.append(Candidate(epoch=epoch, value=value))
        if self.best is None or value > self.best.value:
            self.best = Best(epoch, value, {name: tensor.clone() for name, tensor in method.state().items()})

    def load_best(self, method: Trainable) -> None:
        """Load the best epoch's weights, if epochs were compared."""
        if self.best is not None:
            method.load(self.best.state)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it, as plain data and tensors."""
        return {
            "points": [point.model_dump() for point in self.points],
            "candidates": [candidate.model_dump() for candidate in self.candidates],
            "best": None if self.best is None else vars(self.best).copy(),
            "last": None if self.last is None else self.last.model_dump(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.points = [CurvePoint.model_validate(point) for point in state["points"]]
        self.candidates = [Candidate.model_validate(candidate) for candidate in state["candidates"]]
        self.best = None if state["best"] is None else Best(**state["best"])
        self.last = None if state["last"] is None else LastEpoch.model_validate(state["last"])
