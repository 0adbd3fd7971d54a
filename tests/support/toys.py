"""Small guests for tests of the engine: a trained method, and videos in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.interfaces.method import Batch, MethodConfig
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos, Videos
from benchmark.training import loop
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from benchmark.training.stage import step_decay
from benchmark.training.trained_method import Draws, Stage, TrainedMethod

SHAPE = FrameShape(5, 6)


class ToyConfig(MethodConfig):
    epochs: int = Field(4, description="epochs of the main stage; our choice")
    warm_up: int = Field(2, description="epochs of the first stage; our choice")
    explode_at: int = Field(-1, description="0-based epoch at which the loss becomes NaN; our choice")


class Toy(TrainedMethod):
    """An auto-encoder with dropout and noise, so that every stream of random numbers is in use."""

    title, paper = "Toy", "none"
    Config = ToyConfig
    seen: list[tuple[str, int, float]]

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.shape.dim, 8), nn.Dropout(0.3), nn.Linear(8, self.bits))

    def stages(self) -> Sequence[Stage]:
        def adam(parameters: Any) -> torch.optim.Optimizer:
            return torch.optim.Adam(parameters)

        decay = step_decay(1e-2, 0.5, 2, 1e-3)
        return [
            Stage("first", self.config.warm_up, 8, adam, decay),
            Stage("main", self.config.epochs, 16, adam, decay),
        ]

    def begin_epoch(self, stage: Stage, epoch: int) -> None:
        self.now = (stage.name, epoch)

    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        frames = train.take(rows).mean(1)
        noise = draws.uniform("noise", rows, self.shape.dim)
        return {"x": frames + torch.from_numpy(noise).float()}

    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        code = self.module(batch["x"])
        spread = (code.pow(2) - 1).pow(2).mean()
        scale = float("nan") if self.now == ("main", self.config.explode_at) else 1.0
        return {"spread": spread, "total": spread * scale}

    def encode(self, frames: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module(frames.mean(1))


def toy(run: Run | None = None, bits: int = 4, **config: Any) -> Toy:
    return Toy(bits, SHAPE, ToyConfig(**config), run or Run(seed=3, device=torch.device("cpu")))


def trained(session: Session | None = None, run: Run | None = None, **config: Any) -> tuple[Toy, Session]:
    """Return a toy that the loop has trained, and its session."""
    method, session = toy(run, **config), session or Session()
    loop.train(method, toy_videos(), session)
    return method, session


class Killed(Exception):
    pass


class DyingCheckpoint(CheckpointFile):
    """Stands for a process that is killed right after its n-th checkpoint."""

    def __init__(self, path: Path, key: str, writes: int) -> None:
        super().__init__(path, key)
        self.left = writes

    def write(self, value: Mapping[str, Any]) -> None:
        super().write(value)
        self.left -= 1
        if not self.left:
            raise Killed


def toy_videos(n: int = 50) -> MemoryVideos:
    return MemoryVideos(np.random.default_rng(0).normal(size=(n, *SHAPE)).astype(np.float32))


def equal(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
