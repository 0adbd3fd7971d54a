"""Views of a clip for contrastive learning: one spatial augmentation for all its frames, a function of seed and name.

Temporally consistent augmentation as in CVRL (Qian et al., "Spatiotemporal Contrastive Video Representation Learning",
CVPR 2021): what is drawn for a clip holds for each of its frames, so that motion stays what it was. The transforms and
where their strengths come from:

===============  ==================================================================================================
crop             of 20 to 100 % of the area (MoCo v2, Chen et al., 2020) and sides of 3:4 to 4:3 times the clip's own
                 (SimCLR, Chen et al., ICML 2020), resized to the clip's size
flip             horizontally, in half of the views (SimCLR, BYOL, MoCo v2)
colour jitter    in 80 %: brightness and contrast by a factor of 0.6 to 1.4, saturation of 0.8 to 1.2, hue by a tenth
                 of the circle either way, in random order (BYOL, Grill et al., NeurIPS 2020, table 6)
grey             in 20 % (SimCLR, BYOL, MoCo v2)
blur             in 50 %, Gaussian, with a deviation of 0.1 to 2 pixels of a frame whose short side is 224 (SimCLR)
===============  ==================================================================================================

Colours and blur are computed by kornia, frames in [0, 1]; the parameters are drawn here, from no global generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import seeds
from benchmark.errors import BadInput
from benchmark.extraction.preprocessing import resized, resized_size

VIEWS_VERSION = "1"
"""Changes with anything that moves a pixel of a view."""

AREA, ASPECT = (0.2, 1.0), (3 / 4, 4 / 3)
FLIPPED, JITTERED, GREYED, BLURRED = 0.5, 0.8, 0.2, 0.5
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
SIGMA, SIGMA_SIDE = (0.1, 2.0), 224
LARGEST = 256
"""The short side of a view at most, in pixels: larger clips are shrunk to it (our choice)."""
TRIES = 10
"""Crops drawn before the whole frame is taken, as torchvision does."""
TOGETHER = 5
"""Frames that are worked on at a time, so that they stay in the processor's cache (our choice)."""


@dataclass(frozen=True)
class View:
    """What is done to every frame of a clip. ``top``, ``left``, ``height``, ``width``: of the crop, in pixels.

    ``colours``: names and factors in the order in which they are applied, hue in radians. ``sigma``: of the blur, in
    pixels of the view, or None.
    """

    top: int
    left: int
    height: int
    width: int
    flip: bool
    colours: tuple[tuple[str, float], ...]
    grey: bool
    sigma: float | None
    size: tuple[int, int]


def draw(seed: int, name: str, view: int, height: int, width: int) -> View:
    """Return the parameters of a view of a clip of this size; a function of the arguments alone."""
    rng = seeds.generator(seed, "views", VIEWS_VERSION, name, view)
    top, left, cropped_height, cropped_width = _crop(rng, height, width)
    flip, jitter, grey, blur = (bool(u < p) for u, p in zip(rng.random(4), _shares(), strict=True))
    strengths = {"brightness": BRIGHTNESS, "contrast": CONTRAST, "saturation": SATURATION}
    colours = [(kind, 1 + strength * rng.uniform(-1, 1)) for kind, strength in strengths.items()]
    colours.append(("hue", 2 * math.pi * HUE * rng.uniform(-1, 1)))
    order = rng.permutation(len(colours))
    size = (height, width) if min(height, width) <= LARGEST else resized_size(height, width, LARGEST)
    sigma = rng.uniform(*SIGMA) * min(size) / SIGMA_SIDE
    return View(
        top, left, cropped_height, cropped_width, flip,
        tuple((colours[k][0], float(colours[k][1])) for k in order) if jitter else (),
        grey, float(sigma) if blur else None, size,
    )  # fmt: skip


def augmented(frames: Tensor, seed: int, name: str, view: int) -> Tensor:
    """Return a view, uint8 ``(T, 3, H', W')``, of the frames of a clip, uint8 RGB ``(T, 3, H, W)``.

    View 0 is the frames as they are; every other one depends on (seed, name, view) and the frames alone, and has their
    size, or their form with a short side of ``LARGEST``. Thread-safe. Raises BadInput where kornia is missing.
    """
    if view == 0:
        return frames
    parameters = draw(seed, name, view, *frames.shape[-2:])
    cropped = frames[
        ..., parameters.top : parameters.top + parameters.height, parameters.left : parameters.left + parameters.width
    ]
    pixels = resized(cropped, parameters.size)
    if parameters.flip:
        pixels = pixels.flip(-1)
    steps = _steps(parameters)
    return _applied(pixels.contiguous(), steps) if steps else pixels.contiguous()


def _applied(pixels: Tensor, steps: list[Callable[[Tensor], Tensor]]) -> Tensor:
    out = torch.empty_like(pixels)
    for source, target in zip(pixels.split(TOGETHER), out.split(TOGETHER), strict=True):
        values = source.to(torch.float32).div_(255)
        for step in steps:
            values = step(values)
        target.copy_(values.mul(255).round_().clamp_(0, 255))
    return out


def _shares() -> tuple[float, float, float, float]:
    return FLIPPED, JITTERED, GREYED, BLURRED


def _crop(rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a crop; a fixed number of draws, whatever they are."""
    areas = rng.uniform(*AREA, size=TRIES) * height * width
    aspects = [
        width / height * math.exp(u) for u in rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), TRIES).tolist()
    ]
    corner = rng.random(2)
    for area, aspect in zip(areas.tolist(), aspects, strict=True):
        high, wide = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < high <= height and 0 < wide <= width:
            top, left = int(corner[0] * (height - high + 1)), int(corner[1] * (width - wide + 1))
            return top, left, high, wide
    return 0, 0, height, width


def _steps(view: View) -> list[Callable[[Tensor], Tensor]]:
    """Return the transforms of colour and sharpness, float ``(n, 3, h, w)`` in [0, 1] to the same."""
    kornia = _kornia()
    colour = {
        "brightness": kornia.enhance.adjust_brightness_accumulative,
        "contrast": kornia.enhance.adjust_contrast_with_mean_subtraction,
        "saturation": kornia.enhance.adjust_saturation_with_gray_subtraction,
        "hue": kornia.enhance.adjust_hue,
    }
    steps = [_with_factor(colour[kind], factor) for kind, factor in view.colours]
    if view.grey:
        steps.append(lambda values: kornia.color.rgb_to_grayscale(values).expand(-1, 3, -1, -1))
    if view.sigma is not None:
        sigma, side = view.sigma, 2 * math.ceil(3 * view.sigma) + 1
        fits = [min(side, edge - 1 + edge % 2) for edge in view.size]  # an odd kernel that is not wider than the frame
        steps.append(
            lambda values: kornia.filters.gaussian_blur2d(values.contiguous(), (fits[0], fits[1]), (sigma, sigma))
        )
    return steps


def _with_factor(adjust: Any, factor: float) -> Callable[[Tensor], Tensor]:
    return lambda values: adjust(values, factor)


def _kornia() -> Any:
    try:
        import kornia
        import kornia.color
        import kornia.enhance
        import kornia.filters
    except ImportError as error:
        raise BadInput("views need the package kornia", next_step="pip install -e '.[extract]'") from error
    return kornia
