"""The one gradient loop: stages, schedules, prefetch, NaN guard, checkpoint after every epoch, exact resume."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import seeds
from benchmark.checkpoint import CheckpointFile
from benchmark.compiled import loss_of
from benchmark.data.resident_videos import resident
from benchmark.errors import TrainingDiverged
from benchmark.machine import autocast
from benchmark.method import Batch, Method, Run, Videos
from benchmark.prefetch import Ahead, pinned
from benchmark.regime import cut_short, ran_out
from benchmark.seeds import Draws

__all__ = ["CheckpointFile", "Draws", "Stage", "TrainedMethod", "step_decay"]


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own optimiser and schedule."""

    name: str
    epochs: int
    batch_size: int
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    learning_rate: Callable[[int], float]
    """0-based epoch -> learning rate of that epoch."""


def step_decay(initial: float, factor: float, every: int, floor: float) -> Callable[[int], float]:
    """Return the schedule ``max(initial * factor ** (epoch // every), floor)``."""
    return lambda epoch: max(initial * factor ** (epoch // every), floor)


class TrainedMethod(Method):
    """A method trained by gradient descent. It gives four things; the loop is shared.

    ``build`` is called under a seeded torch generator. ``batch`` runs in a prefetch thread and must draw its random
    numbers from ``draws`` only; tensors that it returns are moved to the device by the loop.
    """

    trained_in_epochs = True

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

    def begin_stage(self, stage: Stage, train: Videos) -> None:
        """Prepare a stage: targets that the stage before made possible, or fresh weights.

        It is called again after a resume, before the weights of the middle of the stage are loaded; so what it derives
        from the weights must go through ``run.artefact``.
        """

    def begin_epoch(self, stage: Stage, epoch: int) -> None:
        """Set what depends on the 0-based epoch. Called again after a resume."""

    def state(self) -> dict[str, Tensor]:
        """Return the module's state dict on the CPU."""
        return {name: tensor.detach().cpu() for name, tensor in self.module.state_dict().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load a state dict, all keys required."""
        self.module.load_state_dict(dict(state))

    def planned_stages(self) -> list[Stage]:
        """Return the stages under the run's epoch budget: it replaces the main stage's epochs and caps the others."""
        stages = list(self.stages())
        budget = self.run.epochs
        if budget is None:
            return stages
        return [_with_epochs(stage, budget if stage is stages[-1] else min(stage.epochs, budget)) for stage in stages]

    def fit(self, train: Videos) -> None:
        """Run all stages, continuing from the cell's checkpoint if there is one, until a budget of time runs out."""
        _Loop(self, train).run()
        if self.run.watch:
            self.run.watch.choose(self)
        self.module.eval()


def _with_epochs(stage: Stage, epochs: int) -> Stage:
    return Stage(stage.name, epochs, stage.batch_size, stage.optimiser, stage.learning_rate)


class _Loop:
    def __init__(self, method: TrainedMethod, train: Videos) -> None:
        self.method, self.run_ = method, method.run
        self.stored, self.train = train, resident(train, method.run.device)
        self.stages = method.planned_stages()
        self.history: list[dict[str, Any]] = method.run.history
        self.loss = loss_of(method)
        self.waited = 0.0

    def run(self) -> None:
        resumed = self.run_.checkpoint.read() if self.run_.checkpoint else None
        first_stage, first_epoch = 0, 0
        if resumed is not None:
            first_stage, first_epoch = resumed["stage"], resumed["epoch"]
            self.history[:] = resumed["history"]
            self.method.load(resumed["state"])
            self.run_.stopped_by = resumed.get("stopped_by", "")
            if self.run_.watch:
                self.run_.watch.restore(resumed["watch"])
            self._count_resumed(first_stage, first_epoch)
        for number in range(first_stage, len(self.stages)):
            stage = self.stages[number]
            self.method.begin_stage(stage, self.stored)
            optimiser = stage.optimiser(self.method.module.parameters())
            if resumed is not None and number == first_stage and first_epoch > 0:
                self.method.load(resumed["state"])
                optimiser.load_state_dict(resumed["optimiser"])
            if len(self.history) <= number:
                empty = {"steps": 0, "seconds": 0.0, "waited": 0.0, "losses": {}}
                self.history.append({"name": stage.name, "epochs": stage.epochs, **empty})
            start = first_epoch if number == first_stage else 0
            for epoch in range(start, stage.epochs):
                self._epoch(number, stage, epoch, optimiser)
                last = epoch + 1 == stage.epochs
                whole = last and number + 1 == len(self.stages)
                stopped = not whole and ran_out(self.history, self.run_.seconds)
                if self.run_.watch and number + 1 == len(self.stages):
                    trained = sum(entry["seconds"] for entry in self.history)
                    self.run_.watch.after(self.method, epoch + 1, last or stopped, trained)
                if stopped:
                    self.run_.stopped_by = "time"
                    cut_short(self.history, epoch + 1, [(stage.name, stage.epochs) for stage in self.stages])
                    return self._save(len(self.stages), 0, None)
                self._save(number + last, 0 if last else epoch + 1, None if last else optimiser)
        return None

    def _count_resumed(self, first_stage: int, first_epoch: int) -> None:
        done = [entry["epochs"] for entry in self.history[:first_stage]]
        self.run_.resumed = sum(done) + first_epoch
        if self.run_.progress:
            self.run_.progress.skip(self.run_.resumed * len(self.train))

    def _epoch(self, number: int, stage: Stage, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        began = time.perf_counter()
        draws = Draws(self.run_.seed, stage.name, epoch)
        self.method.module.train()
        self.method.begin_epoch(stage, epoch)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate(epoch)
        terms: list[dict[str, Tensor]] = []
        weights: list[int] = []
        with torch.random.fork_rng(devices=_cuda(self.run_.device)):
            torch.manual_seed(seeds.derive(self.run_.seed, stage.name, epoch, "network"))
            for batch, count in self._batches(stage, draws):
                with autocast(self.run_.device, self.run_.precision):
                    losses = self.loss(batch, stage)
                optimiser.zero_grad(set_to_none=True)
                losses["total"].backward()
                optimiser.step()
                terms.append({name: value.detach() for name, value in losses.items()})
                weights.append(count)
                if self.run_.progress:
                    self.run_.progress.advance(count)
        means = _means(terms, weights, f"stage '{stage.name}', epoch {epoch + 1} of {stage.epochs}")
        entry = self.history[number]
        entry["steps"] += len(terms)
        entry["seconds"] += time.perf_counter() - began
        entry["waited"] = entry.get("waited", 0.0) + self.waited
        for name, value in means.items():
            entry["losses"].setdefault(name, []).append(value)
        if self.run_.progress:
            self.run_.progress.epoch(stage.name, epoch + 1, stage.epochs, means)

    def _batches(self, stage: Stage, draws: Draws) -> Iterator[tuple[Batch, int]]:
        order = draws.generator("order").permutation(len(self.train))
        chunks = [order[i : i + stage.batch_size] for i in range(0, len(order), stage.batch_size)]
        gathered = Ahead(lambda rows: self._gathered(rows, stage, draws), chunks)
        for rows, batch in zip(chunks, gathered, strict=True):
            moved = {name: value.to(self.run_.device, non_blocking=True) for name, value in batch.items()}
            yield moved, len(rows)
        self.waited = gathered.waited

    def _gathered(self, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        return pinned(self.method.batch(self.train, rows, stage, draws), self.run_.device)

    def _save(self, stage: int, epoch: int, optimiser: torch.optim.Optimizer | None) -> None:
        if self.run_.checkpoint is None:
            return
        self.run_.checkpoint.write(
            {
                "stage": stage,
                "epoch": epoch,
                "history": self.history,
                "state": self.method.state(),
                "optimiser": optimiser.state_dict() if optimiser else None,
                **({"stopped_by": self.run_.stopped_by} if self.run_.stopped_by else {}),
                **({"watch": self.run_.watch.state()} if self.run_.watch else {}),
            }
        )


def _means(terms: list[dict[str, Tensor]], weights: list[int], where: str) -> dict[str, float]:
    """Return epoch means weighted by batch size; raises TrainingDiverged at the first step that is not finite."""
    names = list(terms[0])
    values = torch.stack([torch.stack([step[name].float() for name in names]) for step in terms]).cpu().double().numpy()
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        step, term = bad[0]
        raise TrainingDiverged(
            f"the loss term '{names[term]}' became {values[step, term]} in {where}, step {step + 1}; "
            "lower the learning rate or look at the features (the last good checkpoint is kept)"
        )
    return dict(zip(names, np.average(values, axis=0, weights=weights).tolist(), strict=True))


def _cuda(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
