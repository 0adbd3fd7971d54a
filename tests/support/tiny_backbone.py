"""A backbone that needs nothing: the mean level of each channel."""

from __future__ import annotations

import torch
from torch import nn


class _MeanLevels(nn.Module):
    """Values 0 to 255, mean over the picture, (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(255.0), requires_grad=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(dim=(2, 3)) * self.scale


class _Reduced:
    """Pictures of 16 x 16 in [0, 1]."""

    identity = {"name": "area 16"}  # noqa: RUF012

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(frames.float() / 255, (16, 16), mode="area")


def open_mean_levels() -> tuple[nn.Module, _Reduced]:
    """Return module and preprocessing, as ``extract --backbone py:...`` takes them."""
    return _MeanLevels(), _Reduced()
