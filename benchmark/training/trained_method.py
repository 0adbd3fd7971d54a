"""The interface of a method trained by gradient descent: it gives four things, the loop is shared."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import seeds
from benchmark.interfaces.method import Batch, Method
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import Videos
from benchmark.seeds import Draws
from benchmark.training import loop
from benchmark.training.session import Session
from benchmark.training.stage import FRESH, Stage, Start

__all__ = ["FRESH", "Batch", "Draws", "Stage", "Start", "TrainedMethod"]


class TrainedMethod(Method):
    """A method trained by gradient descent. It gives four things; the loop is shared.

    ``build`` is called under a seeded torch generator. ``batch`` runs in a prefetch thread and must draw its random
    numbers from ``draws`` only; tensors that it returns are moved to the device by the loop.
    """

    trained_in_epochs = True

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a ``fit`` of the class's own: the engine runs the loop itself, with a session that no method holds."""
        super().__init_subclass__(**options)
        if "fit" in vars(cls):
            raise TypeError(f"{cls.__name__}: the fit of a TrainedMethod is the shared loop; derive from Method")

    def __init__(self, bits: int, shape: Any, config: Any, run: Run) -> None:
        super().__init__(bits, shape, config, run)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(run.seed, "weights"))
            self.module = self.build().to(run.device)

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the network with freshly initialised weights."""

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """Return the stages in order; the last one is the main stage."""

    @abstractmethod
    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        """Gather and augment the videos ``rows``."""

    @abstractmethod
    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Return scalar terms; "total" is minimised, all are logged as epoch means."""

    def begin_stage(self, stage: Stage, train: Videos, start: Start = FRESH) -> None:
        """Prepare a stage: targets that the stage before made possible, or fresh weights.

        It is called again after a resume (``start.resumed``), before the weights of the middle of the stage are loaded;
        so what it derives from the weights must go through ``run.artefact``.
        """

    def begin_epoch(self, stage: Stage, epoch: int) -> None:
        """Set what depends on the 0-based epoch. Called again after a resume."""

    def state(self) -> dict[str, Tensor]:
        """Return the module's state dict on the CPU."""
        return {name: tensor.detach().cpu() for name, tensor in self.module.state_dict().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load a state dict, all keys required."""
        self.module.load_state_dict(dict(state))

    @final
    def fit(self, train: Videos) -> None:
        """Run all stages, without a budget, a checkpoint or a watch: the engine calls the loop with those."""
        loop.train(self, train, Session())
