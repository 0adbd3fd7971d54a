"""What a phase takes: seconds, seconds of reading within them, and its own peaks of memory."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.compute.memory import peak_memory, reset_peak_memory
from benchmark.interfaces.videos import Videos

EVERY = 0.02
"""Seconds between two looks at the anonymous memory, whose peak the kernel does not keep (our choice)."""


@dataclass
class Phase:
    """One phase. Times are in seconds and add up; memory is in bytes, the largest of all parts of the phase.

    seconds: of the phase itself, ``reading`` taken off. reading: within ``Videos.take``, which yields the features.
    resident: mapped files count. anonymous: None where the system does not say. device: None on the CPU.
    """

    seconds: float = 0.0
    reading: float = 0.0
    resident: int = 0
    anonymous: int | None = None
    device: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


class TimedVideos(Videos):
    """A split that adds up, in ``seconds``, the time spent in ``take``."""

    def __init__(self, videos: Videos) -> None:
        self.inner, self.seconds = videos, 0.0
        self.shape, self.views, self.stored = videos.shape, videos.views, videos.stored

    def __len__(self) -> int:
        return len(self.inner)

    @property
    def fingerprint(self) -> str:
        """Return a name that holds within this process; the content is not looked at."""
        return f"{len(self)} videos"

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        began = time.perf_counter()
        try:
            return self.inner.take(rows, views)
        finally:
            self.seconds += time.perf_counter() - began


class MemoryArtefacts:
    """Artefacts of one process, kept in memory: what ``prepare`` made is there for ``fit``, and for nobody else."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, np.ndarray]] = {}

    def get(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *, of: str, params: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return the arrays, made on the first call."""
        key = repr((name, of, sorted(params.items())))
        if key not in self._made:
            self._made[key] = dict(make())
        return self._made[key]


class Meter:
    """Measures phases on a device; the videos' reading time is told apart."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.phases: dict[str, Phase] = {}

    @contextmanager
    def part(self, name: str, videos: TimedVideos | None = None) -> Iterator[None]:
        """Add the time of the block and its reading to a phase, and measure its memory."""
        with self.memory(name) as phase:
            began, read = self.now(), videos.seconds if videos else 0.0
            yield
            took = self.now() - began
        reading = videos.seconds - read if videos else 0.0
        phase.reading += reading
        phase.seconds += max(0.0, took - reading)

    def now(self) -> float:
        """Return the clock in seconds, when all that the device was asked for is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def memory(self, name: str) -> Iterator[Phase]:
        """Measure the peaks of memory of a part of a phase; the block fills in the times."""
        phase = self.phases.setdefault(name, Phase())
        give_memory_back()
        reset_peak_memory()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        with AnonymousPeak() as anonymous:
            yield phase
        phase.resident = max(phase.resident, peak_memory())
        if anonymous.peak is not None:
            phase.anonymous = max(phase.anonymous or 0, anonymous.peak)
        if self.device.type == "cuda":
            phase.device = max(phase.device or 0, torch.cuda.max_memory_allocated(self.device))


class AnonymousPeak:
    """Looks at this process's anonymous memory again and again; ``peak`` is the most that was seen, or None."""

    def __init__(self) -> None:
        self.peak = anonymous_memory()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> AnonymousPeak:
        if self.peak is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self.peak is not None:
            self._thread.join()
            self._look()

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self._look()

    def _look(self) -> None:
        self.peak = max(self.peak or 0, anonymous_memory() or 0)


def anonymous_memory() -> int | None:
    """Return this process's anonymous memory in bytes, or None where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return None


def give_memory_back() -> None:
    """Free what nothing refers to and give it back to the system, so that a phase's peak is its own (glibc only)."""
    gc.collect()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
