"""How the digits of ``moving_digits`` move: the classes, and the geometry of one video drawn from its class."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

FRAMES = 25
SIZE = 32
"""Frames per video, and pixels along both sides of the canvas."""


@dataclass(frozen=True)
class Kind:
    """One class: the digit before and after the middle of the video, the motion, and whether time runs backwards."""

    name: str
    first: int
    second: int
    motion: str
    backwards: bool = False


ORDER_PAIRS = (
    (Kind("3 drifts right", 3, 3, "drift"), Kind("3 drifts left", 3, 3, "drift", backwards=True)),
    (Kind("5 grows", 5, 5, "grow"), Kind("5 shrinks", 5, 5, "grow", backwards=True)),
    (Kind("1 cuts to 7", 1, 7, "still"), Kind("7 cuts to 1", 1, 7, "still", backwards=True)),
    (Kind("4 cuts to 9", 4, 9, "still"), Kind("9 cuts to 4", 4, 9, "still", backwards=True)),
)
"""Classes that differ in nothing but the direction of time: one draws from the other's distribution and reverses it."""

_VERBS = {"still": "stays still", "swing": "swings", "bob": "bobs", "circle": "circles"}

KINDS: tuple[Kind, ...] = (
    *(kind for pair in ORDER_PAIRS for kind in pair),
    *(Kind(f"{digit} {verb}", digit, digit, motion) for digit in (0, 2, 6, 8) for motion, verb in _VERBS.items()),
)
"""All classes: the four order pairs first, then four digits in four motions."""


class Track(NamedTuple):
    """Where the digit is in every frame: centre x, centre y and height in pixels, each (frames,) float64."""

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray


def track(kind: Kind, rng: np.random.Generator) -> Track:
    """Draw the digit's path over the whole video, time running forwards.

    The motion goes on through cuts, which is what makes its direction a property of the video and not of a scene.
    """
    time = np.linspace(0.0, 1.0, FRAMES)
    centre = rng.uniform(14.5, 16.5, size=2)
    height = np.full(FRAMES, rng.uniform(20.0, 22.5))
    x, y = np.full(FRAMES, centre[0]), np.full(FRAMES, centre[1])
    reach, turns, phase = rng.uniform(6.0, 8.0), rng.uniform(1.5, 3.0), rng.uniform(0.0, 2.0 * np.pi)
    wave, quarter = (
        reach * np.sin(2.0 * np.pi * turns * time + phase),
        reach * np.cos(2.0 * np.pi * turns * time + phase),
    )
    progress = _progress(time, rng)
    if kind.motion == "drift":
        start, end = rng.uniform(3.0, 10.0), rng.uniform(22.0, 29.0)
        x = start + (end - start) * progress
    elif kind.motion == "grow":
        small, large = rng.uniform(7.0, 11.0), rng.uniform(19.0, 26.0)
        height = small + (large - small) * progress
    elif kind.motion == "swing":
        x = x + wave
    elif kind.motion == "bob":
        y = y + wave
    elif kind.motion == "circle":
        x, y = x + wave, y + quarter
    return Track(x, y, height)


def _progress(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a rising curve from 0 to 1: the speed is not constant, and the pace may come early or late."""
    return time ** float(np.exp(rng.uniform(-0.4, 0.4)))


class Scene(NamedTuple):
    """A stretch of frames ``start`` to ``stop`` without a cut, and the digit that is seen in it."""

    start: int
    stop: int
    digit: int


def scenes(kind: Kind, rng: np.random.Generator) -> list[Scene]:
    """Draw one to four scenes of at least three frames; a kind with two digits always cuts near the middle."""
    middle = int(rng.integers(FRAMES // 2 - 2, FRAMES // 2 + 4)) if kind.first != kind.second else FRAMES
    cuts = {0, FRAMES, middle}
    wanted = int(rng.integers(len(cuts), 6))
    while len(cuts) < wanted:
        candidate = int(rng.integers(3, FRAMES - 2))
        if all(abs(candidate - cut) >= 3 for cut in cuts):
            cuts.add(candidate)
    ordered = sorted(cuts)
    return [Scene(start, stop, kind.first if start < middle else kind.second) for start, stop in pairwise(ordered)]
