"""Losses that preserve the structure of the feature space in relaxed codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor
from torch.nn import functional

from methods.parts.precision import full_precision


class _ClampedSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0].clamp(-1, 1)


def clamped_sign(x: Tensor) -> Tensor:
    """Return the sign; backward, the incoming gradient passes with its values clamped to [-1, 1] (MCMSH's code)."""
    return _ClampedSign.apply(x)


@full_precision
def quantisation(relaxed: Tensor) -> Tensor:
    """Return the squared distance of ``relaxed`` (n, bits) to its signs, per video and bit, as a scalar."""
    return functional.mse_loss(relaxed, clamped_sign(relaxed))


@full_precision
def pair_similarity(first: Tensor, second: Tensor, similar: Tensor) -> Tensor:
    """Return the mean squared error between the labels and the cosine-like products of codes, as a scalar.

    first, second: (n, bits) relaxed codes; similar: (n,), 1 for similar pairs and -1 for the others.
    """
    return functional.mse_loss((first * second).mean(1), similar)


@full_precision
def quadruplet(query: Tensor, positive: Tensor, negative: Tensor, other: Tensor) -> Tensor:
    """Return the quadruplet loss of ``(n, bits)`` relaxed codes as a scalar.

    The query shall be nearer to its positive than to its negative by a margin of bits / 4, and nearer than the two
    negatives are to each other by bits / 64, in squared Euclidean distance. Source: MCMSH's code.
    """
    bits = query.shape[1]
    near = _squared_distance(query, positive)
    far = functional.relu(bits / 4 + near - _squared_distance(query, negative))
    apart = functional.relu(bits / 64 + near - _squared_distance(negative, other))
    return (far + apart).mean()


def _squared_distance(x: Tensor, y: Tensor) -> Tensor:
    # torch's pairwise distance, which the authors square, adds 1e-6 to every difference.
    return (x - y + 1e-6).square().sum(1)


def main_components(points: np.ndarray, count: int) -> np.ndarray:
    """Return the coordinates of ``points`` (m, dim) along their leading principal directions, ``(m, count)`` float32.

    They are centred and not whitened. Each direction's sign makes its largest coordinate positive. If fewer than
    ``count`` directions have variance, the rest are zeros. Meant for m up to a few thousand.
    """
    centred = points.astype(np.float64)
    centred -= centred.mean(0)
    m = len(points)
    values, vectors = eigh(centred @ centred.T, subset_by_index=[max(m - count, 0), m - 1])
    noise = max(values[-1], 0) * m * np.finfo(np.float64).eps
    real = np.flatnonzero(values > noise)[::-1]
    coordinates = vectors[:, real] * np.sqrt(values[real])
    peak = coordinates[np.abs(coordinates).argmax(0), np.arange(len(real))]
    out = np.zeros((m, count), dtype=np.float32)
    out[:, : len(real)] = coordinates * np.sign(peak)
    return out
