"""A split whose features are kept on an accelerator where they fit."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.interfaces.videos import Videos

RESIDENT_SHARE = 0.5
"""Of an accelerator's free memory that a split may take (our choice)."""


class ResidentVideos(Videos):
    """A split whose features lie on a device, in the precision of their file; ``take`` returns tensors there."""

    def __init__(self, videos: Videos, device: torch.device, block: int = 256) -> None:
        self.shape, self.views, self.device = videos.shape, videos.views, device
        self._fingerprint = videos.fingerprint
        size = (len(videos), videos.views, *videos.shape)
        self._values = torch.empty(size, dtype=_stored_as(videos), device=device)
        for view in range(videos.views):
            for start in range(0, len(videos), block):
                rows = np.arange(start, min(start + block, len(videos)))
                self._values[start : start + len(rows), view] = videos.take(rows, np.full(len(rows), view)).to(device)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def fingerprint(self) -> str:
        """Return that of the split it was made from."""
        return self._fingerprint

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        first = rows * self.views if views is None else rows * self.views + views
        index = torch.from_numpy(first).to(self.device)
        return self._values.flatten(0, 1).index_select(0, index).float()


def resident(videos: Videos, device: torch.device) -> Videos:
    """Return the split on the accelerator if it takes at most half of the free memory there, else as it is."""
    if device.type != "cuda":
        return videos
    free, _ = torch.cuda.mem_get_info(device)
    return ResidentVideos(videos, device) if stored_bytes(videos) <= RESIDENT_SHARE * free else videos


def stored_bytes(videos: Videos) -> int:
    """Return the size of a split in the precision of its file."""
    return len(videos) * videos.views * videos.shape.frames * videos.shape.dim * _stored_as(videos).itemsize


def _stored_as(videos: Videos) -> torch.dtype:
    return torch.float16 if videos.stored == np.float16 else torch.float32
