"""Pictures of videos on disk: reading thumbnails as frames, and setting frames side by side in one small picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from benchmark.errors import BadInput

ENDINGS = (".gif", ".webp", ".png", ".jpg", ".jpeg")
"""Kinds of thumbnail, in the order in which they are looked for: those that can hold several frames first."""

HEIGHT, TALLEST, GAP, FRAMES = 48, 64, 2, 3
"""A tall frame is reduced to ``HEIGHT`` pixels, a small one is enlarged by a whole factor up to ``TALLEST``; pixels
between frames, and frames of a strip (all our choice)."""
_GREY, _NEAR, _QUALITY = 128, 24, 70


def find(place: Path, row: int) -> Path | None:
    """Return a video's thumbnail: ``place`` with ``{row}`` filled in, or in a folder the file ``<row>`` of any kind."""
    if "{" in place.name:
        path = place.with_name(place.name.format(row=row))
        return path if path.is_file() else None
    return next((path for ending in ENDINGS if (path := place / f"{row}{ending}").is_file()), None)


def check_place(folder: Path, place: str, file: Path, key: str) -> None:
    """Raise BadInput unless ``place`` is a folder below ``folder``, or a pattern of file names in one."""
    path = folder / place
    if "{" in path.name:
        _check_pattern(path.name, place, file, key)
        path = path.parent
    if not path.is_dir():
        raise BadInput(
            "no such folder of thumbnails", file=file, key=key, found=path, next_step="correct it, or leave the key out"
        )


def _check_pattern(name: str, place: str, file: Path, key: str) -> None:
    try:
        distinct = name.format(row=1) != name.format(row=2)
    except (LookupError, ValueError, AttributeError):
        distinct = False
    if not distinct:
        raise BadInput(
            "is no pattern of file names", file=file, key=key, expected='one like "thumbs/{row}.jpg"', found=repr(place)
        )


def read_frames(path: Path) -> np.ndarray | None:
    """Return a thumbnail as uint8 ``(frames, height, width, 3)``, one frame unless it moves; None if it is damaged."""
    try:
        with Image.open(path) as opened:
            return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(opened)])
    except Exception:  # Pillow raises a dozen types on damaged bytes
        return None


def whole(data: bytes) -> bool:
    """Return whether bytes are a PNG or a JPEG that can be read to its end."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            opened.load()
    except Exception:  # Pillow raises a dozen types on damaged bytes
        return False
    return True


def strip(frames: np.ndarray) -> bytes:
    """Return three frames, at 1/6, 1/2 and 5/6 of a clip, side by side: a PNG of grey frames, a JPEG of colour ones.

    ``frames``: uint8 ``(frames, height, width)`` or with a last axis of 3; raises ValueError for anything else.
    A clip of one or two frames shows those.
    """
    colour = frames.ndim == 4 and frames.shape[-1] == 3
    if frames.dtype != np.uint8 or not (colour or frames.ndim == 3) or 0 in frames.shape:
        raise ValueError(f"frames are no pictures: {frames.shape} {frames.dtype}")
    chosen = np.unique(len(frames) * np.arange(1, 2 * FRAMES, 2) // (2 * FRAMES))
    scaled = [_scaled(frames[place]) for place in chosen]
    gap = np.full((len(scaled[0]), GAP, *scaled[0].shape[2:]), _gap_level(frames[chosen]), np.uint8)
    pixels = np.concatenate([part for frame in scaled for part in (gap, frame)][1:], axis=1)
    out = io.BytesIO()
    if colour:
        Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY, optimize=True)
    else:
        _few_levels(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def _scaled(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    if height <= TALLEST:
        factor = TALLEST // height
        return frame.repeat(factor, axis=0).repeat(factor, axis=1)
    size = max(1, round(width * HEIGHT / height)), HEIGHT
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


def _gap_level(frames: np.ndarray) -> int:
    """Return middle grey, or a level of the frames that is near to it: one level less may halve the bits of a pixel."""
    levels = np.unique(frames).astype(int)
    nearest = int(levels[np.abs(levels - _GREY).argmin()])
    return nearest if abs(nearest - _GREY) <= _NEAR else _GREY


def _few_levels(pixels: np.ndarray) -> Image.Image:
    """Return a grey picture, with a palette where it has up to 16 levels: it then takes half the bytes."""
    levels, places = np.unique(pixels, return_inverse=True)
    if len(levels) > 16:
        return Image.fromarray(pixels)
    picture = Image.fromarray(places.reshape(pixels.shape).astype(np.uint8))
    picture.putpalette(levels.repeat(3).tobytes())
    return picture
