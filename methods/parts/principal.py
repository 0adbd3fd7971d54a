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
"""Directions that are kept even where fewer are asked for, so that all usual code lengths share one artefact (ours)."""


class Principal(NamedTuple):
    """mean (dim,), axes (dim, k) with orthonormal columns, variances (k,) falling; all float64."""

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray


def principal(run: Run, train: Videos, count: int) -> Principal:
    """Return the first ``count`` principal directions, or all that have variance where there are fewer.

    Each direction's sign is such that its entry of largest magnitude is positive. The directions are a shared artefact.
    """
    kept = max(AT_LEAST, 1 << (count - 1).bit_length())
    arrays = run.artefact("pooled-principal", lambda: _solve(train, kept)._asdict(), of=train, directions=kept)
    return Principal(arrays["mean"], arrays["axes"][:, :count], arrays["variances"][:count])


def projections(run: Run, train: Videos, count: int) -> np.ndarray:
    """Return the centred pooled videos along the first directions, ``(n, count)`` float32, a shared artefact."""
    kept = max(AT_LEAST, 1 << (count - 1).bit_length())

    def make() -> dict[str, np.ndarray]:
        found = principal(run, train, kept)
        out = np.empty((len(train), found.axes.shape[1]), dtype=np.float32)
        for rows, means in pooled_batches(train):
            out[rows] = (means - found.mean) @ found.axes
        return {"projections": out}

    return run.artefact("pooled-projections", make, of=train, directions=kept)["projections"][:, :count]


def require(found: Principal, bits: int, title: str) -> None:
    """Raise BadInput where there are fewer directions with variance than bits: a bit without variance tells nothing."""
    have = len(found.variances)
    if have < bits:
        raise BadInput(
            f"{title} needs one principal direction for each bit",
            expected=f"at least {bits} directions in which the mean-pooled training videos vary",
            found=str(have),
            next_step="ask for fewer bits or give more training videos",
        )


def _solve(train: Videos, kept: int) -> Principal:
    n, dim = len(train), train.shape.dim
    if n <= dim:
        rows = np.concatenate([means for _, means in pooled_batches(train)])
        mean = rows.mean(0)
        rows -= mean
        values, vectors = _largest(rows @ rows.T, kept)
        axes = rows.T @ (vectors / np.sqrt(values))
    else:
        moments = Moments(dim)
        for _, means in pooled_batches(train):
            moments.add(means)
        mean = moments.mean
        values, axes = _largest(moments.scatter, kept)
    peak = axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])]
    return Principal(mean, axes * np.sign(peak), values / max(n - 1, 1))


def _largest(symmetric: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues, falling, that are not rounding noise, with their vectors as columns."""
    size = len(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=[max(size - kept, 0), size - 1])
    noise = max(values[-1], 0) * size * np.finfo(np.float64).eps
    real = values > noise
    return values[real][::-1], vectors[:, real][:, ::-1]
