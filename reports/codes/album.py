"""Pictures for the page: each is read once, checked, and named by its content."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Picture:
    """A picture of a video as uint8 ``(height, width, 3)``; ``name`` is a CSS class made from its content.

    ``rule`` is the style rule of that class: the picture itself, and its width over its height as ``--r``.
    """

    name: str
    rule: str
    pixels: np.ndarray


@dataclass
class Album:
    """Pictures of one dataset; ``read`` returns the bytes of a picture by split and row, or None."""

    read: Callable[[str, int], bytes | None]
    _pictures: dict[tuple[str, int], Picture | None] = field(default_factory=dict)

    def get(self, split: str, row: int) -> Picture | None:
        """Return a video's picture, or None where it has none or one that cannot be read."""
        if (split, row) not in self._pictures:
            data = self.read(split, row)
            self._pictures[split, row] = None if data is None else _picture(data)
        return self._pictures[split, row]


def _picture(data: bytes) -> Picture | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            kind, pixels = str(image.format).lower(), np.asarray(image.convert("RGB"))
    except Exception:  # Pillow raises a dozen types on damaged bytes
        return None
    name = f"p-{hashlib.blake2b(data, digest_size=6).hexdigest()}"
    height, width = pixels.shape[:2]
    url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(name, f".{name}{{--r:{width / height:.4g};background-image:url({url})}}", pixels)
