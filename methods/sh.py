"""SH: spectral hashing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Method, Videos
from methods.parts.principal import principal, projections, require


class SH(Method):
    """Signs of the smoothest eigenfunctions of the Laplacian on the box that the principal components span.

    On an interval [a, b] the k-th eigenfunction is sin(pi / 2 + k pi (x - a) / (b - a)) with an eigenvalue that grows
    with k / (b - a) (paper, section 3.1). Of all directions and k >= 1 the ``bits`` smallest are taken. Products of
    functions of several directions are excluded.
    """

    title = "SH"
    paper = "Weiss, Torralba, Fergus: Spectral Hashing, NIPS 2008"
    choices = ("Exact and deterministic: the seed has no influence.",)
    seeded = False
    cost = "One pass over the videos for their principal directions. It takes seconds."

    def prepare(self, train: Videos) -> None:
        """Compute the principal directions and the videos along them."""
        projections(self.run, train, self._directions())

    def fit(self, train: Videos) -> None:
        """Find the box and choose the eigenfunctions."""
        basis = principal(self.run, train, self._directions())
        require(basis, 1, self.title)
        values = projections(self.run, train, self._directions())
        low, high = values.min(0).astype(np.float64), values.max(0).astype(np.float64)
        direction, mode = smoothest(high - low, self.bits)
        frequency = mode * np.pi / (high - low)[direction]
        weight = basis.axes[:, direction] * frequency
        shift = basis.mean @ weight + low[direction] * frequency
        self.load({"weight": torch.from_numpy(weight), "shift": torch.from_numpy(shift)})

    def encode(self, frames: Tensor) -> Tensor:
        """Return ``(batch, bits)`` float64 in [-1, 1], the eigenfunctions at the mean-pooled videos."""
        return torch.cos(frames.mean(1, dtype=torch.float64) @ self.weight - self.shift)

    def state(self) -> dict[str, Tensor]:
        """Return ``weight`` (dim, bits) and ``shift`` (bits,), float64 on the CPU."""
        return {"weight": self.weight.cpu(), "shift": self.shift.cpu()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over ``weight`` and ``shift``."""
        self.weight, self.shift = (state[name].to(self.run.device, torch.float64) for name in ("weight", "shift"))

    def _directions(self) -> int:
        return min(self.bits, self.shape.dim)


def smoothest(lengths: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return direction and mode k >= 1 of the ``count`` smallest k / length, ``(count,)`` each; ties by direction.

    lengths: (directions,) positive side lengths of the box.
    """
    modes = np.arange(1, count + 1)
    rate = modes[None, :] / lengths[:, None]
    order = np.argsort(rate, axis=None, kind="stable")[:count]
    direction, place = np.unravel_index(order, rate.shape)
    return direction, modes[place]
