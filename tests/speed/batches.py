"""Random batches, and how long work on them takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

BATCH = 128


def orders_of(n: int, batches: int) -> list[np.ndarray]:
    """Rows of random batches without repeats."""
    return [np.random.default_rng(step).choice(n, BATCH, replace=False) for step in range(batches)]


def seconds(work: Callable[[np.ndarray], object], orders: list[np.ndarray], rounds: int = 3) -> float:
    """The fastest of some rounds over all batches."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for rows in orders:
            work(rows)
        times.append(time.perf_counter() - start)
    return min(times)


def in_turns(*works: tuple[Callable[[np.ndarray], object], list[np.ndarray]], rounds: int = 20) -> list[float]:
    """The fastest round of each of several works, which take turns so that a busy machine is as unfair to all."""
    times = [[seconds(work, orders, rounds=1) for work, orders in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
