"""From videos to packed codes: fixed batches, progress, and the one place where reals become signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.errors import TrainingDiverged
from benchmark.evaluation.hamming import Codes, pack

if TYPE_CHECKING:
    from benchmark.features import Videos
    from benchmark.method import Method

BATCH = 256
"""Videos per call of ``encode`` (ours). The last batch is filled up, so that every matrix product has one shape."""


def encode_reals(
    method: Method, videos: Videos, advance: Callable[[int], None] | None = None, batch: int = BATCH
) -> np.ndarray:
    """Return ``(n, bits)`` float32: what the method says before the sign.

    Raises TrainingDiverged where a value is not finite.
    """
    outputs: list[np.ndarray] = []
    with torch.inference_mode():
        for rows, frames in videos.batches(batch):
            filled = _filled(frames, batch).to(method.run.device)
            reals = method.encode(filled)[: len(rows)].float().cpu().numpy()
            if not np.isfinite(reals).all():
                raise TrainingDiverged(
                    f"encode returned a value that is not finite, among rows {rows[0]} to {rows[-1]}"
                )
            outputs.append(reals)
            if advance:
                advance(len(rows))
    return np.concatenate(outputs)


def encode_split(method: Method, videos: Videos, advance: Callable[[int], None] | None = None) -> Codes:
    """Return the packed codes of a split."""
    return pack(encode_reals(method, videos, advance))


def _filled(frames: torch.Tensor, size: int) -> torch.Tensor:
    short = size - len(frames)
    return frames if short <= 0 else torch.cat([frames, frames[-1:].expand(short, -1, -1)])
