"""Random numbers by purpose: every stream is derived from (seed, purpose), so adding a draw shifts no other stream.

A draw for one item depends on (seed, purpose, epoch, item) and on nothing else: not on the batch it falls into, not on
the worker that makes it, and not on what was drawn before. That is what makes a resumed run equal an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit integer that is a hash of the seed and the purpose."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return numpy's Philox generator (counter based) for this purpose."""
    return np.random.Generator(np.random.Philox(key=derive(seed, *purpose)))


def torch_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a torch CPU generator for this purpose."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))


def forked(device: torch.device) -> AbstractContextManager[None]:
    """Return the context after which torch's global generators, the device's included, are as they were before it."""
    import torch

    return torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else [])


@dataclass(frozen=True)
class Draws:
    """The random draws of one epoch of one training stage."""

    seed: int
    stage: str
    epoch: int

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a sequential generator for a draw that concerns the whole epoch (the order of the videos)."""
        return generator(self.seed, self.stage, self.epoch, purpose)

    def uniform(self, purpose: str, rows: np.ndarray, n: int) -> np.ndarray:
        """Return ``(len(rows), n)`` float64 uniforms in [0, 1); line i is a function of ``rows[i]`` alone.

        SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) used as a
        counter-based generator: the state of draw j of item r is key + golden * (r * n + j + 1), finalised twice.
        """
        key = np.uint64(derive(self.seed, self.stage, self.epoch, purpose))
        index = rows.astype(np.uint64)[:, None] * np.uint64(n) + np.arange(1, n + 1, dtype=np.uint64)
        return (_mix(_mix(key + index * _GOLDEN) + key) >> np.uint64(11)) * 2.0**-53

    def permutations(self, purpose: str, rows: np.ndarray, n: int) -> np.ndarray:
        """Return ``(len(rows), n)`` int64: an independent uniform permutation of 0..n-1 for every item."""
        return np.argsort(self.uniform(purpose, rows, n), axis=1, kind="stable")


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
