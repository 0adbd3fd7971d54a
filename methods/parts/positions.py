"""Fixed position tables."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sinusoid(length: int, width: int) -> Tensor:
    """Return the ``(length, width)`` float32 table of Vaswani et al. 2017, section 3.5, for positions from 0.

    Channel j of position p is the sine (j even) or cosine (j odd) of p / 10000^(2 * floor(j / 2) / width); computed in
    float64 and rounded once.
    """
    channel = np.arange(width)
    angle = np.arange(length)[:, None] / np.power(10000.0, 2 * (channel // 2) / width)
    return torch.from_numpy(np.where(channel % 2, np.cos(angle), np.sin(angle)).astype(np.float32))
