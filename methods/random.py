"""Random codes: the floor that every method has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Method, Videos


class Random(Method):
    """Fair coin tosses from a hash of the seed and the video's bytes.

    A video's code depends on the seed and its features alone, as an encoder's must. Similar videos get unrelated codes.
    """

    title = "Random"
    paper = "none: the floor"
    cost = "None: the training videos are not used."
    seed: int

    def fit(self, train: Videos) -> None:
        """Take the seed. The videos are not used."""
        self.seed = self.run.seed

    def encode(self, frames: Tensor) -> Tensor:
        """Return ``(batch, bits)`` float32 in {-1, +1}."""
        videos = np.ascontiguousarray(frames.cpu().numpy())
        return torch.from_numpy(np.stack([self._tosses(video) for video in videos])).to(self.run.device)

    def state(self) -> dict[str, Tensor]:
        """Return the seed."""
        return {"seed": torch.tensor(self.seed)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the seed."""
        self.seed = int(state["seed"])

    def _tosses(self, video: np.ndarray) -> np.ndarray:
        content = hashlib.blake2b(video.tobytes(), digest_size=16, key=str(self.seed).encode()).digest()
        bits = np.random.Generator(np.random.Philox(key=int.from_bytes(content, "little"))).integers(0, 2, self.bits)
        return (2 * bits - 1).astype(np.float32)
