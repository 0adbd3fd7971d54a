"""The optimiser that the gradient methods share: Adam, its learning rate falling in steps down to a floor."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from benchmark.interfaces.method import MethodConfig
from benchmark.training.stage import Stage, step_decay


class AdamConfig(MethodConfig):
    """The settings of ``adam_stage``; a method's configuration gives each its default and the source of it."""

    batch_size: int
    learning_rate: float
    decay_factor: float
    decay_every: int
    learning_rate_floor: float


def adam_stage(name: str, epochs: int, config: AdamConfig) -> Stage:
    """Return a stage under Adam with torch's default betas and epsilon and no weight decay."""

    def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)

    schedule = step_decay(config.learning_rate, config.decay_factor, config.decay_every, config.learning_rate_floor)
    return Stage(name, epochs, config.batch_size, adam, schedule)
