"""Stages of a training, and what the loop and the watch need of a method that is trained in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from benchmark.interfaces.method import Batch
    from benchmark.interfaces.run import Run
    from benchmark.interfaces.videos import Videos
    from benchmark.seeds import Draws


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own optimiser and schedule."""

    name: str
    epochs: int
    batch_size: int
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    learning_rate: Callable[[int], float]
    """0-based epoch -> learning rate of that epoch."""


@dataclass(frozen=True)
class Start:
    """How a stage begins: ``before``, the epochs of the stages before it, and ``resumed``, those of its own.

    ``resumed`` is 0 unless a killed run had trained some; then the weights of the stage's start are gone.
    """

    before: int = 0
    resumed: int = 0


FRESH = Start()


class Trainable(Protocol):
    """What the loop and the watch use of a method."""

    run: Run
    module: nn.Module

    def stages(self) -> Sequence[Stage]:
        """Return the stages in order; the last one is the main stage."""

    def begin_stage(self, stage: Stage, train: Videos, start: Start = FRESH) -> None:
        """Prepare a stage."""

    def begin_epoch(self, stage: Stage, epoch: int) -> None:
        """Set what depends on the 0-based epoch."""

    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        """Gather and augment the videos ``rows``."""

    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Return scalar terms; "total" is minimised."""

    def encode(self, frames: Tensor) -> Tensor:
        """Return ``(batch, bits)`` reals for ``(batch, frames, dim)`` float32."""

    def state(self) -> dict[str, Tensor]:
        """Return the weights."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights."""


def planned_stages(stages: Sequence[Stage], epochs: int | None) -> list[Stage]:
    """Return the stages under a budget of epochs: the last, main one has as many, the others at most."""
    if epochs is None:
        return list(stages)
    *earlier, main = stages
    return [*(replace(stage, epochs=min(stage.epochs, epochs)) for stage in earlier), replace(main, epochs=epochs)]


def step_decay(initial: float, factor: float, every: int, floor: float) -> Callable[[int], float]:
    """Return the schedule ``max(initial * factor ** (epoch // every), floor)``."""
    return lambda epoch: max(initial * factor ** (epoch // every), floor)
