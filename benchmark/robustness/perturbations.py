"""Damage to query videos: vectorised, and seeded by (perturbation, video), so that every method meets the same queries.

Five perturbations, all of which keep the number of frames T. A share p of the frames is round(p T) of them, half up.

- ``drop``: a random share of the frames is missing, at least one is left; each missing frame is filled with the nearest
  kept one in time, the earlier of two that are equally near.
- ``shuffle``: a random share of the frames is put into random order among their own places.
- ``reverse``: a contiguous part that holds this share of the frames, at a random place, runs backwards.
- ``crop``: this share of the frames is cut off, at least one is left; the kept contiguous part, at a random place, is
  stretched to T frames by nearest sampling.
- ``noise``: Gaussian noise is added to every value, in units of the deviation that its dimension has over all frames of
  the training videos. Values that features cannot have, such as negative ones, are not cut.

A video's draws are the same at all strengths: what is dropped at a small strength is dropped at a larger one too, and
noise grows and keeps its direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmark.records.robustness import SEED, Condition
from benchmark.seeds import Draws, generator

if TYPE_CHECKING:
    import torch

    from benchmark.interfaces.videos import FrameShape, Videos


def source_frames(condition: Condition, rows: np.ndarray, frames: int) -> np.ndarray:
    """Return which frame stands at each place of the perturbed videos, (len(rows), frames) int64.

    ``rows`` are the videos' rows in the query split; a line of the result depends on its own row alone.
    """
    draws = Draws(SEED, "robustness", 0)
    return _ORDERS[condition.perturbation](condition.strength, rows, frames, draws)


def perturb(
    condition: Condition, videos: torch.Tensor, rows: np.ndarray, noise: Callable[[], torch.Tensor]
) -> torch.Tensor:
    """Return the perturbed copy of ``videos`` (n, frames, dim) float32; at strength 0 the videos themselves.

    ``rows`` (n,) are their rows in the query split. ``noise`` returns the (n, frames, dim) that strength 1 adds; it is
    called for the perturbation of that name only.
    """
    import torch

    if condition.strength == 0:
        return videos
    if condition.perturbation == "noise":
        return torch.add(videos, noise(), alpha=condition.strength)
    order = torch.from_numpy(source_frames(condition, rows, videos.shape[1]))
    return videos[torch.arange(len(videos))[:, None], order]


def unit_noise(rows: np.ndarray, shape: FrameShape) -> torch.Tensor:
    """Return standard normal noise, (len(rows), frames, dim) float32; a video's noise depends on its row alone."""
    import torch

    out = np.empty((len(rows), *shape), np.float32)
    for place, row in enumerate(rows.tolist()):
        generator(SEED, "robustness", "noise", row).standard_normal(out=out[place], dtype=np.float32)
    return torch.from_numpy(out)


def frame_deviation(train: Videos, batch: int = 256) -> np.ndarray:
    """Return the deviation of each dimension over all frames of all videos, (dim,) float64, in one stream."""
    n, mean, scatter = 0, np.zeros(train.shape.dim), np.zeros(train.shape.dim)
    for _, videos in train.batches(batch):
        values = videos.flatten(0, 1).double()
        centre, own = values.mean(0), values.var(0, correction=0).numpy() * len(values)
        shift, total = centre.numpy() - mean, n + len(values)
        scatter += own + shift**2 * (n * len(values) / total)
        mean += shift * (len(values) / total)
        n = total
    return np.sqrt(scatter / n)


def share_of(strength: float, frames: int) -> int:
    """Return how many frames a share is, rounded half up."""
    return int(np.floor(strength * frames + 0.5))


def _drop(strength: float, rows: np.ndarray, frames: int, draws: Draws) -> np.ndarray:
    gone = min(share_of(strength, frames), frames - 1)
    remaining = np.argsort(draws.permutations("drop", rows, frames), axis=1) >= gone
    times = np.arange(frames)
    earlier = np.maximum.accumulate(np.where(remaining, times, -frames), axis=1)
    later = np.minimum.accumulate(np.where(remaining, times, 2 * frames)[:, ::-1], axis=1)[:, ::-1]
    return np.where(times - earlier <= later - times, earlier, later)


def _shuffle(strength: float, rows: np.ndarray, frames: int, draws: Draws) -> np.ndarray:
    moved = share_of(strength, frames)
    places = np.sort(draws.permutations("shuffle", rows, frames)[:, :moved], axis=1)
    order = np.argsort(draws.uniform("shuffle order", rows, frames)[:, :moved], axis=1, kind="stable")
    result = _unmoved(rows, frames)
    np.put_along_axis(result, places, np.take_along_axis(places, order, axis=1), axis=1)
    return result


def _reverse(strength: float, rows: np.ndarray, frames: int, draws: Draws) -> np.ndarray:
    length = share_of(strength, frames)
    start = _starts("reverse", length, rows, frames, draws)
    order = _unmoved(rows, frames)
    inside = (order >= start) & (order < start + length)
    return np.where(inside, 2 * start + length - 1 - order, order)


def _crop(strength: float, rows: np.ndarray, frames: int, draws: Draws) -> np.ndarray:
    length = frames - min(share_of(strength, frames), frames - 1)
    nearest = (2 * np.arange(frames) + 1) * length // (2 * frames)
    return _starts("crop", length, rows, frames, draws) + nearest


def _starts(purpose: str, length: int, rows: np.ndarray, frames: int, draws: Draws) -> np.ndarray:
    """Return where a part of ``length`` frames begins in each video, (len(rows), 1) int64, uniform."""
    return (draws.uniform(purpose, rows, 1) * (frames - length + 1)).astype(np.int64)


def _unmoved(rows: np.ndarray, frames: int) -> np.ndarray:
    return np.tile(np.arange(frames), (len(rows), 1))


_ORDERS: Mapping[str, Callable[[float, np.ndarray, int, Draws], np.ndarray]] = {
    "drop": _drop, "shuffle": _shuffle, "reverse": _reverse, "crop": _crop,
}  # fmt: skip
