"""Principal directions of the mean-pooled videos, exact, from one stream over the features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from benchmark.errors import BadInput
from benchmark.interfaces.method import Videos
from benchmark.interfaces.run import Run
from methods.parts.pooling import Moments, pooled_batches

AT_LEAST = 128
"""Least number of stored directions, so that all usual code lengths share one artefact (our choice)."""


class Principal(NamedTuple):
    """mean (dim,), axes (dim, k) with orthonormal columns, variances (k,) falling; all float64."""

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray


def principal(run: Run, train: Videos, count: int) -> Principal:
    """Return the first ``count`` principal directions, or all that have variance if there are fewer.

    Each direction's sign is such that its entry of largest magnitude is positive. The directions are a shared artefact.
    """
    size = max(AT_LEAST, 1 << (count - 1).bit_length())
    arrays = run.artefact("pooled-principal", lambda: _solve(train, size)._asdict(), of=train, directions=size)
    return Principal(arrays["mean"], arrays["axes"][:, :count], arrays["variances"][:count])


def projections(run: Run, train: Videos, count: int) -> np.ndarray:
    """Return the centred pooled videos along the first directions, ``(n, count)`` float32, a shared artefact."""
    size = max(AT_LEAST, 1 << (count - 1).bit_length())

    def make() -> dict[str, np.ndarray]:
        basis = principal(run, train, size)
        out = np.empty((len(train), basis.axes.shape[1]), dtype=np.float32)
        for rows, means in pooled_batches(train):
            out[rows] = (means - basis.mean) @ basis.axes
        return {"projections": out}

    return run.artefact("pooled-projections", make, of=train, directions=size)["projections"][:, :count]


def require(basis: Principal, bits: int, title: str) -> None:
    """Raise BadInput if fewer directions than bits have variance: a bit without variance carries no information."""
    have = len(basis.variances)
    if have < bits:
        raise BadInput(
            f"{title} needs one principal direction for each bit",
            expected=f"at least {bits} directions in which the mean-pooled training videos vary",
            found=str(have),
            next_step="ask for fewer bits or give more training videos",
        )


def _solve(train: Videos, count: int) -> Principal:
    n, dim = len(train), train.shape.dim
    if n <= dim:
        rows = np.concatenate([means for _, means in pooled_batches(train)])
        mean = rows.mean(0)
        rows -= mean
        values, vectors = _largest(rows @ rows.T, count)
        axes = rows.T @ (vectors / np.sqrt(values))
    else:
        moments = Moments(dim)
        for _, means in pooled_batches(train):
            moments.add(means)
        mean = moments.mean
        values, axes = _largest(moments.scatter, count)
    peak = axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])]
    return Principal(mean, axes * np.sign(peak), values / max(n - 1, 1))


def _largest(symmetric: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` largest eigenvalues, falling, without rounding noise, and their vectors as columns."""
    size = len(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=[max(size - count, 0), size - 1])
    noise = max(values[-1], 0) * size * np.finfo(np.float64).eps
    real = values > noise
    return values[real][::-1], vectors[:, real][:, ::-1]
