"""From videos to packed codes: fixed batches, progress, and the one place where reals become signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from benchmark.compute.machine import autocast
from benchmark.compute.prefetch import Ahead
from benchmark.errors import TrainingDiverged
from benchmark.evaluation.hamming import Codes, joined, pack

if TYPE_CHECKING:
    from benchmark.interfaces.run import Run
    from benchmark.interfaces.videos import Videos

BATCH = 128
"""Videos per call of ``encode`` (our choice). The last batch is filled up: every matrix product has one shape."""


class Encoder(Protocol):
    """What encoding uses of a method."""

    run: Run

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, bits)`` reals for ``(batch, frames, dim)`` float32."""


def encode_reals(
    method: Encoder, videos: Videos, advance: Callable[[int], None] | None = None, batch: int = BATCH
) -> np.ndarray:
    """Return ``(n, bits)`` float32: what the method says before the sign.

    Raises TrainingDiverged where a value is not finite.
    """
    return np.concatenate(list(_batches(method, videos, advance, batch)))


def _batches(
    method: Encoder, videos: Videos, advance: Callable[[int], None] | None, batch: int = BATCH
) -> Iterator[np.ndarray]:
    starts = range(0, len(videos), batch)
    for rows, frames in Ahead(lambda start: read_batch(videos, start, batch), starts):
        yield encode_batch(method, frames, rows)
        if advance:
            advance(len(rows))


def encode_batch(method: Encoder, frames: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Return ``(len(rows), bits)`` float32 for a batch of ``read_batch``; raises TrainingDiverged."""
    filled = frames.to(method.run.device)
    with torch.inference_mode(), autocast(method.run.device, method.run.precision):
        reals = method.encode(filled)[: len(rows)].float().cpu().numpy()
    if not np.isfinite(reals).all():
        raise TrainingDiverged(f"encode returned a value that is not finite, among rows {rows[0]} to {rows[-1]}")
    return reals


def encode_split(method: Encoder, videos: Videos, advance: Callable[[int], None] | None = None) -> Codes:
    """Return the packed codes of a split; what is not packed yet is a batch."""
    return joined([pack(reals) for reals in _batches(method, videos, advance)])


def read_batch(videos: Videos, start: int, size: int = BATCH) -> tuple[np.ndarray, torch.Tensor]:
    """Return the rows from ``start`` on and their frames, filled up to ``size`` with the last video."""
    rows = np.arange(start, min(start + size, len(videos)))
    frames = videos.take(rows)
    short = size - len(rows)
    return rows, frames if short <= 0 else torch.cat([frames, frames[-1:].expand(short, -1, -1)])
