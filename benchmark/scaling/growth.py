"""Laws of growth: time as a power of the number of videos, memory as a straight line; pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PowerLaw:
    """``a * n ** b`` with ``b >= 0``; ``spread`` (at least 1) is the typical factor between a value and the law."""

    a: float
    b: float
    spread: float

    def at(self, n: float) -> float:
        """Return the law's value for ``n`` videos."""
        return float(self.a * n**self.b)


@dataclass(frozen=True)
class LinearLaw:
    """``m0 + m1 * n`` with ``m1 >= 0``; ``spread`` is the root mean square of the distances from it, in their unit."""

    m0: float
    m1: float
    spread: float

    def at(self, n: float) -> float:
        """Return the line's value for ``n`` videos."""
        return self.m0 + self.m1 * n


def fit_power(sizes: Sequence[float], values: Sequence[float]) -> PowerLaw:
    """Return the law that does not fall and has the least squares in logarithms: more videos take no less.

    sizes, values: at least two positive numbers each, the sizes not all equal. Raises ValueError on anything else.
    """
    n, y = _checked(sizes, values)
    if (n <= 0).any() or (y <= 0).any():
        raise ValueError("a power law needs positive sizes and values")
    b, log_a, rest = _rising(np.log(n), np.log(y))
    return PowerLaw(math.exp(log_a), b, math.exp(rest))


def fit_line(sizes: Sequence[float], values: Sequence[float]) -> LinearLaw:
    """Return the least-squares line that does not fall: more videos take no less. Sizes as in ``fit_power``."""
    slope, offset, rest = _rising(*_checked(sizes, values))
    return LinearLaw(offset, slope, rest)


def grows(sizes: Sequence[float], values: Sequence[float], errors: float = 2.0) -> bool:
    """Return whether the slope of the least-squares line is more than ``errors`` of its standard errors above zero.

    With two sizes the error cannot be estimated, and any rise counts. Sizes as in ``fit_power``.
    """
    n, y = _checked(sizes, values)
    slope, _, rest = _rising(n, y)
    if len(n) < 3:
        return slope > 0
    error = rest * np.sqrt(len(n) / (len(n) - 2)) / np.linalg.norm(n - n.mean())
    return slope > errors * error


def _checked(sizes: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    n, y = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if n.shape != y.shape or n.ndim != 1 or len(np.unique(n)) < 2:
        raise ValueError("a fit needs values at two sizes or more")
    if not (np.isfinite(n).all() and np.isfinite(y).all()):
        raise ValueError("a fit needs finite sizes and values")
    return n, y


def _rising(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return slope (0 or more), offset and root mean square of what remains, by least squares."""
    centred = x - x.mean()
    slope = max(0.0, float(centred @ (y - y.mean()) / (centred @ centred)))
    offset = float(y.mean() - slope * x.mean())
    return slope, offset, float(np.sqrt(np.mean((y - offset - slope * x) ** 2)))
