"""Two masked views of a video from one shuffle of its frames, and gathering of frames by index."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def masked_count(frames: int, mask_ratio: float) -> int:
    """Return how many of ``frames`` are masked: the product, cut off towards zero as the authors' code does."""
    return int(mask_ratio * frames)


def two_views(permutations: np.ndarray, masked: int) -> tuple[Tensor, Tensor]:
    """Return the frame indices of two views, both in the order of time.

    permutations: (n, frames) integers, one shuffle of the frames per video.
    Returns ``visible`` (n, 2, frames - masked) and ``hidden`` (n, 2, masked) int64. View 1 sees the first
    ``frames - masked`` entries of the shuffle and view 2 the last, so the views share exactly
    max(0, frames - 2 * masked) frames. Source: ConMH's data set class.
    """
    visible = permutations.shape[1] - masked
    first, last = permutations[:, :visible], permutations[:, masked:]
    after, before = permutations[:, visible:], permutations[:, :masked]
    return _ordered(first, last), _ordered(after, before)


def _ordered(one: np.ndarray, two: np.ndarray) -> Tensor:
    return torch.from_numpy(np.sort(np.stack([one, two], axis=1), axis=2))


def frame_rows(frames: Tensor, index: Tensor) -> Tensor:
    """Return ``(v * n * m,)``: where the frames ``index`` (v * n, m) lie in ``frames`` (n, T, dim) flattened to n * T.

    The n videos are repeated v times in ``index``.
    """
    n, length, _ = frames.shape
    video = torch.arange(len(index), device=index.device).remainder_(n)
    return (video[:, None] * length + index).flatten()


def gather_frames(frames: Tensor, index: Tensor) -> Tensor:
    """Return ``(v * n, m, dim)``: ``frames`` (n, T, dim) at ``index`` (v * n, m), the n videos repeated v times."""
    rows = frame_rows(frames, index)
    return frames.flatten(0, 1).index_select(0, rows).view(*index.shape, frames.shape[2])
