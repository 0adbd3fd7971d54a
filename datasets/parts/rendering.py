"""Pixels of ``moving_digits``: real handwritten digits, drawn smoothly over a textured background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from datasets.parts.motion import FRAMES, SIZE, Kind, Track, scenes, track

LEVELS = 16
"""Grey levels of a stored pixel."""

_COARSE = 6
"""Cells along both sides of the grid of random values that a background is interpolated from."""


def draw_video(kind: Kind, images: Mapping[int, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Draw one video, uint8 ``(25, 32, 32)`` with values below 16.

    images: digit -> its images ``(n, 8, 8)`` in [0, 1]; every scene shows another one, on another background.
    All arithmetic is in float64 and the grey levels are few, so that the pixels do not depend on the machine.
    """
    where = track(kind, rng)
    flicker = rng.normal(0.0, 0.03, size=FRAMES)
    canvas = np.empty((FRAMES, SIZE, SIZE))
    for start, stop, digit in scenes(kind, rng):
        image = images[digit][rng.integers(len(images[digit]))]
        jitter = rng.uniform(-0.7, 0.7, size=2)
        spot = Track(where.x[start:stop] + jitter[0], where.y[start:stop] + jitter[1], where.height[start:stop])
        ink = rng.uniform(0.8, 1.0)
        mask = _masks(image, spot)
        canvas[start:stop] = mask * ink + (1.0 - mask) * _background(rng)
    canvas += flicker[:, None, None] + rng.normal(0.0, rng.uniform(0.01, 0.04), size=canvas.shape)
    levels = np.clip(np.rint(canvas * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)
    return levels[::-1] if kind.backwards else levels


def _masks(image: np.ndarray, where: Track) -> np.ndarray:
    """Return ``(frames, 32, 32)`` in [0, 1]: the 8x8 image, as high as asked for, with its centre where asked for."""
    rows, columns = _weights(where.y, where.height, len(image)), _weights(where.x, where.height, len(image))
    return np.clip(rows @ image @ columns.transpose(0, 2, 1), 0.0, 1.0)


def _weights(centre: np.ndarray, height: np.ndarray, cells: int) -> np.ndarray:
    """Return ``(frames, 32, cells)``: how much each cell counts in each pixel along one axis."""
    cell = (np.arange(SIZE) - centre[:, None]) / (height[:, None] / cells) + (cells - 1) / 2
    return _cubic(cell[:, :, None] - np.arange(cells))


def _background(rng: np.random.Generator) -> np.ndarray:
    """Draw a smooth texture ``(32, 32)`` of random brightness and contrast."""
    coarse = rng.uniform(0.0, 0.12) + rng.uniform(0.02, 0.1) * rng.random((_COARSE, _COARSE))
    weights = _cubic(np.linspace(1.0, _COARSE - 2.0, SIZE)[:, None] - np.arange(_COARSE))
    return weights @ coarse @ weights.T


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Evaluate the interpolating cubic kernel with a = -1/2 (Keys, IEEE TASSP 1981)."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d < 1.0, near, np.where(d < 2.0, far, 0.0))


def digit_images(split: str, parts: Mapping[str, float], seed: Sequence[int]) -> dict[int, np.ndarray]:
    """Return digit -> images ``(n, 8, 8)`` float64 in [0, 1] of one split of scikit-learn's handwritten digits.

    The images of every digit are shuffled once and cut into ``parts`` (split -> share), so that none is in two splits.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = {}
    for digit in range(10):
        mine = np.flatnonzero(digits.target == digit)
        mine = mine[
            np.random.Generator(np.random.Philox(np.random.SeedSequence([*seed, digit]))).permutation(len(mine))
        ]
        ends = np.rint(np.cumsum([0.0, *parts.values()]) * len(mine)).astype(int)
        place = list(parts).index(split)
        chosen[digit] = digits.images[mine[ends[place] : ends[place + 1]]] / 16.0
    return chosen
