"""Segment sampling of clips, and positions of clip slots."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def segment_bounds(frames: int, segments: int) -> np.ndarray:
    """Return the ``segments + 1`` int64 bounds ``floor(k * frames / segments)``; segment k is [b_k, b_k+1)."""
    return np.arange(segments + 1) * frames // segments


def sample_segments(uniform: np.ndarray, frames: int) -> np.ndarray:
    """Return int64 frame indices of the shape of ``uniform`` (..., segments): one of each segment, in order of time.

    uniform: float64 in [0, 1), one draw for each frame that is taken. Source: CHAIN (Wei et al., ACM MM 2023) names
    segment sampling; the bounds are those of temporal segment networks (Wang et al., ECCV 2016).
    """
    bounds = segment_bounds(frames, uniform.shape[-1])
    return bounds[:-1] + (uniform * np.diff(bounds)).astype(np.int64)


def by_clip(values: Tensor) -> Tensor:
    """Return ``(2 n, ...)`` for values (n, 2, ...) of two clips: the first of every video, then the second."""
    return values.transpose(0, 1).flatten(0, 1)


def sinusoid_at(positions: np.ndarray, width: int) -> Tensor:
    """Return the ``(len(positions), width)`` float32 sinusoid of Vaswani et al. 2017 at real-valued positions.

    At 0, 1, 2, ... it equals ``methods.parts.positions.sinusoid``.
    """
    channel = np.arange(width)
    angle = np.asarray(positions, dtype=np.float64)[:, None] / np.power(10000.0, 2 * (channel // 2) / width)
    return torch.from_numpy(np.where(channel % 2, np.cos(angle), np.sin(angle)).astype(np.float32))


def frame_slots(frames: int, segments: int) -> np.ndarray:
    """Return where each of ``frames`` lies on the scale of the slots 0 .. segments - 1, float64 (frames,)."""
    return np.linspace(0, segments - 1, frames)
