"""What a network wants to see: resized, cropped and normalised frames, computed by torch without an image library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

Interpolation = Literal["nearest-exact", "bilinear", "bicubic", "lanczos"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop the centre, scale and normalise, in this order.

    ``resize``: the short edge, or (height, width); None leaves the size. ``crop``: (height, width) of the centre, black
    where the frame is smaller; None leaves all. A value v of 0..255 becomes (v * scale - mean) / std, per channel.
    ``nearest_centre`` rounds the corner of an odd crop to the nearest even pixel, as torchvision does, not down.
    Resizing is antialiased and works on 8 bits, as Pillow's does; both agree to 2 of 255 levels.
    """

    resize: int | tuple[int, int] | None = 256
    crop: tuple[int, int] | None = (224, 224)
    interpolation: Interpolation = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    nearest_centre: bool = False

    def __call__(self, frames: Tensor) -> Tensor:
        """Return float32 ``(T, 3, h, w)`` for uint8 RGB ``(T, 3, H, W)``; thread-safe."""
        pixels = self._cropped(self._resized(frames)).to(torch.float32)
        shape = (1, len(self.mean), 1, 1)
        mean, std = torch.tensor(self.mean).view(shape), torch.tensor(self.std).view(shape)
        return pixels.mul_(self.scale / std).sub_(mean / std).contiguous()

    def __str__(self) -> str:
        """Return all settings in one line."""
        return (
            f"resize {self.resize}, crop {self.crop}, {self.interpolation}, scale {self.scale:.9g}, "
            f"mean {self.mean}, std {self.std}, torch"
        )

    def _resized(self, frames: Tensor) -> Tensor:
        if self.resize is None:
            return frames
        height, width = frames.shape[-2:]
        size = resized_size(height, width, self.resize) if isinstance(self.resize, int) else self.resize
        return resized(frames, size, self.interpolation)

    def _cropped(self, frames: Tensor) -> Tensor:
        if self.crop is None:
            return frames

        short = [max(0, wanted - present) for wanted, present in zip(self.crop, frames.shape[-2:], strict=True)]
        if any(short):
            above, left = short[0] - short[0] // 2, short[1] - short[1] // 2
            frames = pad(frames, (left, short[1] - left, above, short[0] - above))
        top, left = (self._corner(f, w) for f, w in zip(frames.shape[-2:], self.crop, strict=True))
        return frames[..., top : top + self.crop[0], left : left + self.crop[1]]

    def _corner(self, present: int, wanted: int) -> int:
        return round((present - wanted) / 2) if self.nearest_centre else (present - wanted) // 2


def resized_size(height: int, width: int, short: int) -> tuple[int, int]:
    """Return height and width with the short edge at ``short``, the long one rounded down, as the libraries do."""
    return (short, int(short * width / height)) if height <= width else (int(short * height / width), short)


def resized(frames: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Tensor:
    """Return uint8 frames ``(T, 3, height, width)``, antialiased."""
    if tuple(frames.shape[-2:]) == tuple(size):
        return frames
    together = frames.contiguous(memory_format=torch.channels_last)  # half the time of planes
    return interpolate(together, size, mode=interpolation, antialias=interpolation != "nearest-exact")
