"""A fixed convolutional network that turns small grey frames into features: no training, no labels, exact arithmetic.

Weights are integers and activations are cut back to 8 bits after every layer, as in a quantised network, so that every
sum is an integer that float32 holds exactly: the features depend neither on the machine nor on the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

DIM = 512

_SEED = 0
"""Seed of the weights (our choice)."""

_FRAMES_AT_ONCE = 100
"""Frames per pass (our choice): their activations stay in the processor's cache."""


class _Layer(NamedTuple):
    """Convolution, 2x2 maximum, ReLU above a threshold, and a spatial pyramid level of ``cells`` per side.

    Activations are ``min(255, floor((sum - threshold) / divisor))``; features are their mean per cell over ``scale``.
    """

    inputs: int
    outputs: int
    kernel: int
    threshold: int
    divisor: int
    cells: int
    scale: int


_LAYERS = (_Layer(1, 24, 5, 40, 2, 4, 8), _Layer(24, 24, 3, 0, 32, 2, 16), _Layer(24, 32, 3, 0, 32, 1, 64))
"""24 x 4 x 4 + 24 x 2 x 2 + 32 = 512 features. The first layer sees strokes and not the background, and counts most."""


def weights() -> list[np.ndarray]:
    """Return the weights ``(outputs, inputs, kernel, kernel)`` of every layer, float32 with integer values.

    The first layer's kernels are random, smoothed, without response to a constant, and of equal strength.
    """
    rng = np.random.Generator(np.random.Philox(_SEED))
    first, *others = _LAYERS
    kernels = rng.normal(size=(first.outputs, first.kernel, first.kernel))
    blur = sum(np.eye(first.kernel, k=shift) * share for shift, share in ((-2, 1), (-1, 4), (0, 6), (1, 4), (2, 1)))
    kernels = blur @ kernels @ blur
    kernels -= kernels.mean(axis=(1, 2), keepdims=True)
    kernels *= 80 / np.abs(kernels).sum(axis=(1, 2), keepdims=True)
    kernels_of_layers = [np.rint(kernels[:, None])]
    kernels_of_layers += [
        rng.integers(-7, 8, size=(layer.outputs, layer.inputs, layer.kernel, layer.kernel)) for layer in others
    ]
    return [kernel.astype(np.float32) for kernel in kernels_of_layers]


def frame_features(frames: np.ndarray) -> np.ndarray:
    """Return float16 ``(n, 512)``, >= 0, for uint8 frames ``(n, 32, 32)`` with values below 16."""
    import torch

    kernels = [torch.from_numpy(kernel) for kernel in weights()]
    with torch.inference_mode():
        parts = [
            _pass(frames[start : start + _FRAMES_AT_ONCE], kernels) for start in range(0, len(frames), _FRAMES_AT_ONCE)
        ]
    return np.concatenate(parts)


def _pass(frames: np.ndarray, kernels: list[torch.Tensor]) -> np.ndarray:
    import torch
    from torch.nn import functional

    values = torch.from_numpy(frames[:, None].astype(np.float32))
    pooled: list[torch.Tensor] = []
    for layer, kernel in zip(_LAYERS, kernels, strict=True):
        sums = functional.max_pool2d(functional.conv2d(values, kernel, padding=layer.kernel // 2), 2).round_()
        values = sums.sub_(layer.threshold).div_(layer.divisor).floor_().clamp_(0, 255)
        pooled.append(_pyramid_level(values, layer))
    return torch.cat(pooled, dim=1).to(torch.float16).numpy()


def _pyramid_level(values: torch.Tensor, layer: _Layer) -> torch.Tensor:
    """Return ``(n, outputs * cells * cells)``; the divisors are powers of two, so that the quotients are exact."""
    side = values.shape[-1] // layer.cells
    cells = values.unflatten(3, (layer.cells, side)).unflatten(2, (layer.cells, side))
    return (cells.sum(dim=(3, 5)) / (side * side * layer.scale)).flatten(1)
