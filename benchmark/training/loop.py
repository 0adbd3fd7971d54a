"""The one gradient loop: stages, schedules, prefetch, NaN guard, checkpoint after every epoch, exact resume."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from benchmark import seeds
from benchmark.compute.compiled import loss_of
from benchmark.compute.machine import autocast
from benchmark.compute.prefetch import Ahead, pinned
from benchmark.data.resident_videos import resident
from benchmark.errors import TrainingDiverged
from benchmark.records.training import StageHistory
from benchmark.seeds import Draws
from benchmark.training.history import begun, cut_short, ran_out, trained_seconds
from benchmark.training.stage import Stage, Start, Trainable, planned_stages

if TYPE_CHECKING:
    from benchmark.interfaces.method import Batch
    from benchmark.interfaces.videos import Videos
    from benchmark.training.session import Session


def train(method: Trainable, videos: Videos, session: Session) -> None:
    """Run all stages, continuing from the session's checkpoint if there is one, until a budget of time runs out.

    Where the session's watch compared epochs, the best one's weights are the result.
    """
    _Loop(method, videos, session).run()
    if session.watch:
        session.watch.load_best(method)
    method.module.eval()


class _Loop:
    def __init__(self, method: Trainable, videos: Videos, session: Session) -> None:
        self.method, self.session = method, session
        self.seed, self.device = method.run.seed, method.run.device
        self.videos = resident(videos, self.device)
        self.stages = planned_stages(method.stages(), session.options.epochs)
        self.loss = loss_of(method.loss, self.device, session.options.compiled)

    def run(self) -> None:
        stored = self.session.checkpoint.read() if self.session.checkpoint else None
        first, resumed = (0, 0) if stored is None else (stored["stage"], stored["epoch"])
        if stored is not None:
            self._restore(stored)
        for number in range(first, len(self.stages)):
            stage, start = self.stages[number], resumed if number == first else 0
            optimiser = self._begin(number, start, stored)
            for epoch in range(start, stage.epochs):
                self._epoch(number, epoch, optimiser)
                if self._ends(number, epoch):
                    return self._save(len(self.stages), 0, None)
                last = epoch + 1 == stage.epochs
                self._save(number + last, 0 if last else epoch + 1, None if last else optimiser)
        return None

    def _restore(self, stored: Mapping[str, Any]) -> None:
        session, first = self.session, stored["stage"]
        session.history[:] = [StageHistory.model_validate(entry) for entry in stored["history"]]
        session.stopped_by = stored.get("stopped_by", "")
        session.resumed = sum(entry.epochs for entry in session.history[:first]) + stored["epoch"]
        session.progress.skip(session.resumed * len(self.videos))
        self.method.load(stored["state"])
        if session.watch:
            session.watch.restore(stored["watch"])

    def _begin(self, number: int, resumed: int, stored: Mapping[str, Any] | None) -> torch.optim.Optimizer:
        """Begin a stage, of which a killed run had trained ``resumed`` epochs, and return its optimiser."""
        stage = self.stages[number]
        before = sum(earlier.epochs for earlier in self.stages[:number])
        self.method.begin_stage(stage, self.videos, Start(before, resumed))
        optimiser = stage.optimiser(self.method.module.parameters())
        if stored is not None and resumed:
            self.method.load(stored["state"])
            optimiser.load_state_dict(stored["optimiser"])
        if len(self.session.history) <= number:
            self.session.history.append(begun(stage))
        return optimiser

    def _ends(self, number: int, epoch: int) -> bool:
        """Measure what is due after an epoch, and return whether the budget of time ends training here."""
        session, stage = self.session, self.stages[number]
        last, main = epoch + 1 == stage.epochs, number + 1 == len(self.stages)
        stopped = not (last and main) and ran_out(session.history, session.options.seconds)
        if session.watch and main:
            session.watch.after(self.method, epoch + 1, last or stopped, trained_seconds(session.history))
        if stopped:
            session.stopped_by = "time"
            cut_short(session.history, epoch + 1, self.stages)
        return stopped

    def _epoch(self, number: int, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        began, stage = time.perf_counter(), self.stages[number]
        self.method.module.train()
        self.method.begin_epoch(stage, epoch)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate(epoch)
        terms: list[dict[str, Tensor]] = []
        weights: list[int] = []
        batches = _Batches(self.method, self.videos, stage, Draws(self.seed, stage.name, epoch))
        with seeds.forked(self.device):
            torch.manual_seed(seeds.derive(self.seed, stage.name, epoch, "network"))
            for batch, count in batches:
                terms.append(self._step(batch, stage, optimiser))
                weights.append(count)
                self.session.progress.advance(count)
        means = _means(terms, weights, f"stage '{stage.name}', epoch {epoch + 1} of {stage.epochs}")
        entry = self.session.history[number]
        entry.steps += len(terms)
        entry.seconds = (entry.seconds or 0.0) + time.perf_counter() - began
        entry.waited = (entry.waited or 0.0) + batches.waited
        for name, value in means.items():
            entry.losses.setdefault(name, []).append(value)
        self.session.progress.epoch(stage.name, epoch + 1, stage.epochs, means)

    def _step(self, batch: Batch, stage: Stage, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
        with autocast(self.device, self.method.run.precision):
            losses = self.loss(batch, stage)
        optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        optimiser.step()
        return {name: value.detach() for name, value in losses.items()}

    def _save(self, stage: int, epoch: int, optimiser: torch.optim.Optimizer | None) -> None:
        session = self.session
        if session.checkpoint is None:
            return
        session.checkpoint.write(
            {
                "stage": stage,
                "epoch": epoch,
                "history": [entry.model_dump() for entry in session.history],
                "state": self.method.state(),
                "optimiser": optimiser.state_dict() if optimiser else None,
                **({"stopped_by": session.stopped_by} if session.stopped_by else {}),
                **({"watch": session.watch.state()} if session.watch else {}),
            }
        )


class _Batches:
    """An epoch's batches on the device, with their numbers of videos; ``waited``, in seconds, is set at the end."""

    def __init__(self, method: Trainable, videos: Videos, stage: Stage, draws: Draws) -> None:
        self.method, self.videos, self.stage, self.draws = method, videos, stage, draws
        self.device, self.waited = method.run.device, 0.0

    def __iter__(self) -> Iterator[tuple[Batch, int]]:
        order, size = self.draws.generator("order").permutation(len(self.videos)), self.stage.batch_size
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        gathered = Ahead(self._gathered, chunks)
        for rows, batch in zip(chunks, gathered, strict=True):
            yield {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}, len(rows)
        self.waited = gathered.waited

    def _gathered(self, rows: np.ndarray) -> Batch:
        return pinned(self.method.batch(self.videos, rows, self.stage, self.draws), self.device)


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
