"""Timing of two versions side by side, and the machine's own rates."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numba import config, njit

from benchmark.compute import machine
from benchmark.compute.memory import keep_freed_memory

ROUNDS = 5


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def as_torch_comes() -> Iterator[None]:
    """Inside, matrix products and freed memory are handled as torch and the C library do by themselves."""
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "none"
    if sys.platform.startswith("linux"):
        library = ctypes.CDLL(None)
        library.mallopt(-4, 65536)
        library.mallopt(-1, 128 * 2**10)
        library.mallopt(-3, 32 * 2**20)  # where the C library's own rule ends up after a few large tensors
    try:
        yield
    finally:
        matmul.fp32_precision = before
        keep_freed_memory()


def pairs(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Return the median seconds of both, and the median of their ratio, theirs over ours, taken in turns."""
    machine.choose_products()
    keep_freed_memory()
    ours()
    with as_torch_comes():
        theirs()
    times = []
    for _ in range(rounds):
        own = seconds(ours)
        with as_torch_comes():
            other = seconds(theirs)
        times.append((own, other, other / own))
    own, other, ratio = np.median(times, axis=0)
    return float(own), float(other), float(ratio)


def matmul_rate(dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """Return the rate of square matrix products in FLOP/s, the best of five, as the suite computes them."""
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(5))


def product(dtype: torch.dtype = torch.float32, size: int = 2048) -> Callable[[], object]:
    """Return the kernel beside work that matrix products bound: a square product."""
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    return lambda: a @ b


def copying(size: int, times: int) -> Callable[[], object]:
    """Return the kernel beside work that memory bounds: copies of ``size`` bytes to new memory.

    New memory is part of it, as gathering has it too: its cost hangs on the huge pages that are free.
    """
    source = np.ones(size, np.uint8)
    return lambda: [source.copy() for _ in range(times)]


def counting() -> Callable[[], object]:
    """Return the kernel beside work that compares codes: counter increments on as many threads as the suite takes."""
    bins = np.random.default_rng(0).binomial(64, 0.5, 4096).astype(np.uint16)

    def count(_: int) -> None:
        bare_counts(bins, np.zeros((4, 65), np.uint32), 50_000)

    def on_all() -> None:
        with ThreadPoolExecutor(config.NUMBA_NUM_THREADS) as pool:
            list(pool.map(count, range(config.NUMBA_NUM_THREADS)))

    return on_all


def over_kernel(work: Callable[[], object], kernel: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median of the seconds of a work over those of a kernel, each round between two of the kernel.

    What else the machine does falls on both.
    """
    kernel()
    work()
    before, ratios = seconds(kernel), []
    for _ in range(rounds):
        took, after = seconds(work), seconds(kernel)
        ratios.append(took / ((before + after) / 2))
        before = after
    return float(np.median(ratios))


@njit(nogil=True)
def bare_counts(bins, counts, rounds):
    for _ in range(rounds):
        for i in range(0, bins.shape[0], 4):
            counts[0, bins[i]] += 1
            counts[1, bins[i + 1]] += 1
            counts[2, bins[i + 2]] += 1
            counts[3, bins[i + 3]] += 1


def counting_seconds(pairs: int, bits: int = 64) -> float:
    """Return the seconds of one counter increment per pair on all threads, distances already known and in cache.

    The best of three: the floor of evaluation, and the kernel beside work that compares codes.
    """
    bins = np.random.default_rng(0).binomial(bits, 0.5, 4096).astype(np.uint16)
    counts = np.zeros((4, bits + 1), np.uint32)
    bare_counts(bins, counts, 1)
    rounds = 10_000
    took = min(seconds(lambda: bare_counts(bins, counts, rounds)) for _ in range(3))
    return took / (4096 * rounds) * pairs / config.NUMBA_NUM_THREADS
