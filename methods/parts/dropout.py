"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 1 << 16
"""The probability is rounded to a multiple of 1 / LEVELS, as each decision takes 16 random bits."""


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Return ``x`` with entries set to zero with this probability and the others scaled up to keep the expectation.

    Draws from torch's global generator. On a CPU torch draws one number per entry, at a dozen times the cost of the
    64-bit words from which four decisions are taken here.
    """
    if not training or probability == 0 or x.device.type != "cpu":
        return functional.dropout(x, probability, training)
    dropped = round(probability * LEVELS)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    draws = words.view(torch.int16)[: x.numel()].view(x.shape)
    return x * (draws >= dropped - LEVELS // 2).to(x.dtype).mul_(LEVELS / (LEVELS - dropped))


class Dropout(nn.Module):
    """``dropout`` as a layer."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return dropout(x, self.probability, self.training)
