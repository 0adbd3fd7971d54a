"""The streaming evaluator: against the straightforward full-matrix way, and at the size of the field's largest set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.hamming import pack
from benchmark.evaluation.protocol import KS, PRESETS
from benchmark.evaluation.results import Result
from tests.speed.timing import counting, counting_seconds, over_kernel

pytestmark = pytest.mark.benchmark

CLASSES, BITS = 239, 64  # the field's largest set: 45,600 videos, 239 classes, codes of up to 64 bits
GIB = 2**30


def made(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes around class prototypes, 30 % of the bits flipped, and labels of which 5 % have a second class."""
    rng = np.random.default_rng(n)
    first = rng.integers(0, CLASSES, n)
    labels = np.zeros((n, CLASSES), np.uint8)
    labels[np.arange(n), first] = 1
    second = np.flatnonzero(rng.random(n) < 0.05)
    labels[second, rng.integers(0, CLASSES, len(second))] = 1
    prototypes = rng.choice([-1, 1], (CLASSES, BITS))
    return np.where(rng.random((n, BITS)) < 0.3, -1, 1) * prototypes[first], labels


def full_matrix_map(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """mAP@K of self-retrieval as evaluation scripts write it: the matrices of distance, order and relevance whole."""
    codes, hot = values.astype(np.float32), labels.astype(np.float32)
    order = np.argsort((codes.shape[1] - codes @ codes.T) / 2, axis=1, kind="stable")
    relevant = np.take_along_axis(hot @ hot.T > 0, order, axis=1)[:, : max(KS)].astype(np.float64)
    gains = relevant * np.cumsum(relevant, axis=1) / np.arange(1, max(KS) + 1)
    return np.array([gains[:, :k].sum(axis=1).mean() / k for k in KS])


def streaming(values: np.ndarray, labels: np.ndarray) -> dict[str, Result]:
    codes = pack(values)
    return evaluate(codes, codes, labels, labels, PRESETS, self_retrieval=True)


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """The fastest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@contextmanager
def growth() -> Iterator[list[int]]:
    """Measure by how many bytes the process grows at most, looking every 5 ms; the list gets one number."""
    process, done, peak = psutil.Process(), threading.Event(), [0]
    start = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def test_ratio_to_the_full_matrix(benchmark) -> None:
    values, labels = made(4000)
    plain = full_matrix_map(values, labels)
    found = benchmark.pedantic(streaming, (values, labels), rounds=5, warmup_rounds=1)
    ours = [found["field"].metrics[f"map@{k}"] for k in KS]
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-12)
    slow, fast = (
        seconds(lambda: full_matrix_map(values, labels)),
        seconds(lambda: streaming(values, labels)),
    )
    benchmark.extra_info.update(full_matrix_seconds=slow, streaming_seconds=fast, ratio=slow / fast)
    print(f"\n4,000 x 4,000: full matrix, mAP@K only: {slow:.2f} s; streaming, everything: {fast:.3f} s")
    print(f"ratio {slow / fast:.0f}")
    assert slow / fast > 5


def test_largest_set_of_the_field(benchmark, speed) -> None:
    values, labels = made(45_600)
    streaming(values[:500], labels[:500])
    at_rest = psutil.Process().memory_info().rss
    with growth() as grown:
        found = benchmark.pedantic(streaming, (values, labels), rounds=3)
    took = seconds(lambda: streaming(values, labels), rounds=1)
    pairs = 45_600**2
    floor = counting_seconds(pairs)
    info = {
        "seconds": took,
        "floor_seconds": floor,
        "pairs": pairs,
        "bytes_of_codes_read": pairs * BITS // 8,
        "relevant_per_query": float((labels.sum(axis=0, dtype=np.int64) ** 2).sum() / 45_600),
        "memory_growth_mib": grown[0] / 2**20,
        "peak_rss_mib": (at_rest + grown[0]) / 2**20,
    }
    benchmark.extra_info.update(info)
    print("\n45,600 x 45,600, 64 bits, both presets:", {name: round(value, 3) for name, value in info.items()})
    assert took < 20
    assert grown[0] > 0
    assert at_rest + grown[0] < 2 * GIB
    for result in found.values():
        assert result.metrics["pr_radius"]["recall_micro"][-1] == 1.0
        assert result.metrics["queries_without_relevant"] == 0
    assert found["strict"].metrics["map@5"] < found["field"].metrics["map@5"]
    speed.hold("evaluation", lambda: over_kernel(lambda: streaming(values, labels), counting(), rounds=3))
