"""Temporally consistent augmentation of features: one transform for each clip, shared by its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Batch, Videos
from benchmark.interfaces.run import Run
from benchmark.training.trained_method import Draws

SAMPLED_VIDEOS = 2048
SAMPLED_FRAMES = 4
"""Principal directions of frames come from at most this many videos and frames of each, evenly spaced (our choice)."""

_BLOCK_VALUES = 1 << 16
"""Uniforms made at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class FeatureSpace:
    """Takes the place of augmenting pixels where only features exist. It imitates no particular transform.

    drop, spread: of the channels, see ``channel_gains``. directions: (k, dim) float32 on the device, or None for no
    shift; ``jitter`` is the deviation of the shift along each, in units of the row's length.
    """

    drop: float
    spread: float
    jitter: float
    directions: Tensor | None

    def draw(self, draws: Draws, rows: np.ndarray, dim: int) -> Batch:
        """Return the draws for two clips of each video: ``channels`` (n, 2, dim) and ``shift`` (n, 2, k)."""
        out: Batch = {}
        if self.drop or self.spread:
            out["channels"] = channel_gains(draws, rows, 2, dim, self.drop, self.spread)
        if self.directions is not None:
            count = len(self.directions)
            uniform = draws.uniform("jitter", rows, 2 * count).reshape(len(rows), 2, count)
            out["shift"] = torch.from_numpy(standard_normal(uniform)) * self.jitter
        return out

    def apply_(self, clips: Tensor, transforms: Mapping[str, Tensor]) -> None:
        """Transform clips (n, m, dim) in place by the draws ``channels`` (n, dim) and ``shift`` (n, k)."""
        if "channels" in transforms:
            clips.mul_(transforms["channels"][:, None])
        if self.directions is not None:
            clips.add_((transforms["shift"] @ self.directions)[:, None])


def channel_gains(draws: Draws, rows: np.ndarray, clips: int, dim: int, drop: float, spread: float) -> Tensor:
    """Return ``(n, clips, dim)`` float32 factors of the channels.

    Each is 0 with probability ``drop``, else (1 + spread * normal) / (1 - drop). One uniform decides both: given that
    it is at least ``drop``, what remains of it is uniform again.
    """
    gains = np.empty((len(rows), clips * dim), dtype=np.float32)
    block = max(1, _BLOCK_VALUES // (clips * dim))
    for start in range(0, len(rows), block):
        part = draws.uniform("channels", rows[start : start + block], clips * dim)
        gains[start : start + block] = _gain(part, drop, spread)
    return torch.from_numpy(gains).view(len(rows), clips, dim)


def _gain(uniform: np.ndarray, drop: float, spread: float) -> np.ndarray:
    gain = np.full(uniform.shape, 1 / (1 - drop), dtype=np.float32)
    if spread:
        rest = ((uniform - drop) / (1 - drop)).astype(np.float32)
        gain += np.float32(spread / (1 - drop)) * standard_normal(rest)
    return np.where(uniform < drop, np.float32(0), gain)


def standard_normal(uniform: np.ndarray) -> np.ndarray:
    """Return the float32 normal quantiles of ``uniform``, clipped to 5.2 standard deviations; never NaN."""
    inside = np.clip(uniform.astype(np.float32), np.float32(1e-7), np.float32(1 - 1e-7))
    return torch.special.ndtri(torch.from_numpy(inside)).numpy()


def principal_frames(run: Run, train: Videos, count: int) -> np.ndarray:
    """Return up to ``count`` principal directions of single frames, each times its standard deviation.

    ``(k, dim)`` float32, a shared artefact: exact in the sampled frames up to the randomised solver's accuracy.
    """

    def make() -> dict[str, np.ndarray]:
        from sklearn.utils.extmath import randomized_svd

        frames = _sampled_frames(train)
        frames -= frames.mean(0)
        rank = min(count, *frames.shape)
        _, values, directions = randomized_svd(frames, rank, n_iter=4, random_state=0)
        return {"directions": directions * (values / np.sqrt(max(len(frames) - 1, 1)))[:, None]}

    arrays = run.artefact("frame-principal", make, of=train, count=count, videos=SAMPLED_VIDEOS, frames=SAMPLED_FRAMES)
    return arrays["directions"].astype(np.float32)


def _sampled_frames(train: Videos) -> np.ndarray:
    """Return float32 ``(videos * frames, dim)``; the chosen times move on from video to video."""
    n, length = len(train), train.shape.frames
    videos = np.unique(np.linspace(0, n - 1, min(n, SAMPLED_VIDEOS)).astype(np.int64))
    per_video = min(SAMPLED_FRAMES, length)
    blocks = []
    for part in np.array_split(videos, max(1, len(videos) // 256)):
        times = (part[:, None] + np.arange(per_video) * length // per_video) % length
        blocks.append(train.take(part).numpy()[np.arange(len(part))[:, None], times])
    return np.concatenate(blocks).reshape(-1, train.shape.dim)


def two_of(uniform: np.ndarray, views: int) -> np.ndarray:
    """Return two different views of each video, int64 ``(n, 2)``, from uniforms (n, 2); all pairs equally likely."""
    first = (uniform[:, 0] * views).astype(np.int64)
    second = (first + 1 + (uniform[:, 1] * (views - 1)).astype(np.int64)) % views
    return np.stack([first, second], axis=1)
