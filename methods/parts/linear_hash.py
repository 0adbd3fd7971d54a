"""Hash functions that are one projection of the centred mean-pooled video."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Method


class LinearHash(Method):
    """``encode`` is ``(mean over frames - offset) @ weight``, in float64 so that no code depends on the batch."""

    offset: Tensor
    weight: Tensor

    def hold(self, offset: np.ndarray, weight: np.ndarray) -> None:
        """Keep ``offset`` (dim,) and ``weight`` (dim, bits), rounded to float32."""
        self.load({"offset": torch.from_numpy(offset), "weight": torch.from_numpy(np.ascontiguousarray(weight))})

    def encode(self, frames: Tensor) -> Tensor:
        """Return ``(batch, bits)`` float64."""
        return (frames.mean(1, dtype=torch.float64) - self.offset.double()) @ self.weight.double()

    def state(self) -> dict[str, Tensor]:
        """Return ``offset`` and ``weight``, float32 on the CPU."""
        return {"offset": self.offset.cpu(), "weight": self.weight.cpu()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over ``offset`` and ``weight``."""
        device = self.run.device
        self.offset, self.weight = (state[name].to(device, torch.float32) for name in ("offset", "weight"))
