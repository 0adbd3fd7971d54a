"""Small moving pictures of videos, for the gallery of a page and for people who look into the folder."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from benchmark.files.pictures import FRAMES

HEIGHT, QUALITY, MILLISECONDS, ENDING = 96, 70, 500, ".webp"
"""Pixels, WebP quality and time per picture (our choice)."""


def thumbnail(frames: np.ndarray) -> bytes:
    """Return the frames at 1/6, 1/2 and 5/6 of a clip as an animated WebP, at most 96 pixels high.

    frames: uint8 (T, height, width, 3). Equal frames give one still picture.
    """
    chosen = len(frames) * np.arange(1, 2 * FRAMES, 2) // (2 * FRAMES)
    pictures = [Image.fromarray(frames[place]) for place in chosen]
    height, width = frames.shape[1:3]
    if height > HEIGHT:
        size = max(1, round(width * HEIGHT / height)), HEIGHT
        pictures = [picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) for picture in pictures]
    out = io.BytesIO()
    first, *others = pictures
    first.save(out, "WEBP", save_all=True, append_images=others, duration=MILLISECONDS, loop=0, quality=QUALITY)
    return out.getvalue()
