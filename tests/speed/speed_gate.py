"""Speeds against a committed reference, as ratios to a kernel that is timed in the same run.

A ratio is the seconds of a work over those of a kernel that the machine limits in the same way: a matrix product for
training and encoding, a copy of memory for streaming, counting for the evaluator. A busy or slower machine moves both.
Ratios still differ between processors, so a reference belongs to a class of them; on another class they are shown, and
nothing fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from numba import config

from benchmark.compute import machine
from benchmark.files.atomic import write_json

REFERENCE = Path(__file__).with_name("reference.json")
THRESHOLD = 1.6
"""A work fails that takes more than so many times its reference in each of ``TRIES`` measurements."""
MEMORY_THRESHOLD = 2.0
"""The same for work that memory bounds, whose ratios scattered further: 1.56 times under load."""
TRIES = 3


def processor_class() -> str:
    """Return what ratios depend on: the processor's name and vectors, threads, and the library of products."""
    machine.choose_products()
    vectors = torch.backends.cpu.get_cpu_capability()
    return (
        f"{machine.processor()}, {vectors}, {config.NUMBA_NUM_THREADS} threads, {machine.float32_products()} products"
    )


@dataclass
class SpeedGate:
    """Ratios of this run beside those of the reference."""

    path: Path = REFERENCE
    update: bool = False
    kind: str = field(default_factory=processor_class)
    found: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    @property
    def reference(self) -> dict[str, float]:
        """Return the ratios that are known of this class of processors."""
        return self.known.get(self.kind, {})

    def hold(self, name: str, measure: Callable[[], float], threshold: float = THRESHOLD) -> None:
        """Measure a ratio and compare it; one beyond the threshold is measured again, and the smallest counts.

        Raises AssertionError where that is beyond it too.
        """
        expected = self.reference.get(name)
        ratio, tries = measure(), 1
        while expected and not self.update and ratio > threshold * expected and tries < TRIES:
            ratio, tries = min(ratio, measure()), tries + 1
        self.found[name] = ratio
        if expected and not self.update:
            assert ratio <= threshold * expected, (
                f"{name} takes {ratio:.3g} times its kernel, {ratio / expected:.2f} times the reference of "
                f"{expected:.3g} (at most {threshold}); where that is meant: pytest -m benchmark --update-speed"
            )

    def write(self) -> None:
        """Put this run's ratios in place of the reference's."""
        mine = {**self.reference, **{name: float(f"{ratio:.3g}") for name, ratio in self.found.items()}}
        write_json(self.path, {**self.known, self.kind: mine})

    def lines(self) -> list[str]:
        """Return the ratios in words, one a line."""
        if not self.reference:
            head = f"no reference for this processor ({self.kind}): ratios are shown and nothing fails by them"
        else:
            head = f"seconds over those of the kernel, against the reference of {self.kind}"
        return [head, *(self._line(name, ratio) for name, ratio in sorted(self.found.items()))]

    def _line(self, name: str, ratio: float) -> str:
        expected = self.reference.get(name)
        beside = f"reference {expected:8.3g}   {ratio / expected:5.2f} times" if expected else "no reference"
        return f"{name:<32} {ratio:8.3g}   {beside}"
