"""Preprocessing from a model's own ``preprocessor_config.json``, by transformers' rules and without torchvision.

transformers has two versions of each image processor: one that needs torchvision, and one of Pillow and numpy that
takes ten times as long as torch. Ours does what the settings say, and stands in for Pillow's where both agree on
made-up pictures; otherwise Pillow's is used itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmark.errors import BadInput
from benchmark.extraction.backbones import Spec, first_line
from benchmark.extraction.preprocessing import Interpolation, Preprocessing

FILES = ("preprocessor_config.json", "processor_config.json")
INTERPOLATIONS: dict[int, Interpolation] = {0: "nearest-exact", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which the files use."""
LEVELS, MEAN_LEVELS = 2.1, 0.3
"""Levels of 255 by which pixels may differ from Pillow's, at most and on average: both round, in different places
(our choice)."""
PICTURES = ((50, 77), (91, 64), (301, 240))
"""Heights and widths of the made-up pictures (our choice)."""


class OfTransformers:
    """An image processor of transformers itself."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, frames: Tensor) -> Tensor:
        """Return float32 ``(T, 3, h, w)`` for uint8 RGB ``(T, 3, H, W)``."""
        prepared = self._processor(
            images=list(frames.numpy()), return_tensors="pt", input_data_format="channels_first"
        )  # fmt: skip
        pixels: Tensor = prepared["pixel_values"]
        return pixels.to(torch.float32)

    def __str__(self) -> str:
        """Return name and settings."""
        settings = {key: value for key, value in self._processor.to_dict().items() if value is not None}
        return f"{type(self._processor).__name__} {json.dumps(settings, sort_keys=True, default=str)}"


def preprocessing_of(spec: Spec, folder: Path) -> Callable[[Tensor], Tensor]:
    """Return what a model's file of settings asks for; raises BadInput where there is none."""
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise BadInput(
            f"backbone '{spec.text}' does not say how pictures are prepared",
            file=folder,
            expected=FILES[0],
            next_step="save the model's image processor beside it",
        )
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings = settings.get("image_processor", settings)
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"cannot be read ({first_line(error)})", file=path) from error
    processor = _processor(folder)
    if processor is None:
        return _from_file(path, settings)
    ours = recipe({**settings, **_attributes(processor)})
    return ours if ours is not None and agree(ours, processor) else OfTransformers(processor)


def _processor(folder: Path) -> Any:
    """Return transformers' image processor of Pillow, or None where it has none for this model."""
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(
            folder, backend="pil", trust_remote_code=False, local_files_only=True
        )  # fmt: skip
    except Exception:  # newer models have a processor of torchvision alone
        return None


def _from_file(path: Path, settings: dict[str, Any]) -> Preprocessing:
    needed = [key for key in ("size", "image_mean", "image_std") if not settings.get(key)]
    preprocessing = None if needed else recipe(settings)
    if preprocessing is None:
        raise BadInput(
            "does not hold what is needed to prepare pictures without torchvision",
            file=path,
            key=needed[0] if needed else "size",
        )
    return preprocessing


def _attributes(processor: Any) -> dict[str, Any]:
    """Return the processor's settings with the defaults of its class."""
    keys = ("do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale",
            "rescale_factor", "do_normalize", "image_mean", "image_std")  # fmt: skip
    return {key: getattr(processor, key) for key in keys if getattr(processor, key, None) is not None}


def recipe(settings: dict[str, Any]) -> Preprocessing | None:
    """Return the preprocessing that the settings describe, or None where they ask for more than it can do."""
    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    if settings.get("do_resize", True):
        size = _size(settings.get("size"))
        if size is None:
            return None
        resize = size
    if settings.get("do_center_crop", False):
        cropped = _size(settings.get("crop_size"))
        crop = (cropped, cropped) if isinstance(cropped, int) else cropped
    if "crop_pct" in settings and isinstance(resize, int):  # ConvNeXt: larger, then cropped, below 384 pixels
        side = resize
        resize, crop = (int(side / settings["crop_pct"]), (side, side)) if side < 384 else ((side, side), None)
    interpolation = INTERPOLATIONS.get(int(settings.get("resample", 2)))
    if interpolation is None:
        return None
    scale = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    normalise = settings.get("do_normalize", True)
    mean, std = (settings.get("image_mean"), settings.get("image_std")) if normalise else ((0.0,) * 3, (1.0,) * 3)
    if not mean or not std or len(mean) != 3 or len(std) != 3:
        return None
    return Preprocessing(resize, crop, interpolation, scale, tuple(map(float, mean)), tuple(map(float, std)))


def _size(size: Any) -> int | tuple[int, int] | None:
    """Return a short edge or (height, width) of what files call a size, None for other rules."""
    if isinstance(size, int):
        return size, size
    given = {key: int(value) for key, value in dict(size or {}).items() if value is not None}
    if set(given) == {"height", "width"}:
        return given["height"], given["width"]
    return given["shortest_edge"] if set(given) == {"shortest_edge"} else None


def agree(ours: Preprocessing, processor: Any) -> bool:
    """Return whether both prepare made-up pictures alike, up to rounding."""
    level = ours.scale / min(ours.std)
    rng = np.random.default_rng(0)
    for height, width in PICTURES:
        coarse = torch.from_numpy(rng.uniform(0, 255, size=(2, 3, height // 4, width // 4)))
        picture = interpolate(coarse, (height, width), mode="bilinear").to(torch.uint8)
        try:
            expected, computed = OfTransformers(processor)(picture), ours(picture)
        except Exception:
            return False
        if expected.shape != computed.shape:
            return False
        error = (expected - computed).abs()
        if error.max() > LEVELS * level or error.mean() > MEAN_LEVELS * level:
            return False
    return True
