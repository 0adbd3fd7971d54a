"""Corruption of frames after the masking rule of BERT: 80 % blanked, 10 % replaced, 10 % left as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.interfaces.method import Videos
from benchmark.training.trained_method import Draws

BLANKED, REPLACED = 0.8, 0.1
"""Shares of the selected frames that become zero and that become a random training frame; code of BTH and MCMSH."""


def corrupt(frames: Tensor, rows: np.ndarray, train: Videos, draws: Draws, purpose: str, rate: float) -> None:
    """Corrupt ``frames`` (n, T, dim) of the training videos ``rows`` (n,) in place.

    Each frame is selected with probability ``rate``. What happens to it is a function of the epoch, the purpose, the
    video and the position. A replacement is drawn uniformly from all frames of the training set and is always intact.
    """
    length = frames.shape[1]
    kind = draws.uniform(f"{purpose} frames", rows, length) / rate
    frames[torch.from_numpy(kind < BLANKED)] = 0
    video, position = np.nonzero((kind >= BLANKED) & (kind < BLANKED + REPLACED))
    if len(video):
        place = draws.uniform(f"{purpose} sources", rows, length)[video, position] * len(train)
        source = place.astype(np.int64)
        frame = ((place - source) * length).astype(np.int64)
        frames[video, position] = train.take_frames(source, frame)
