"""The training videos as a method is lent them: they are read through it, and it does not show where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from benchmark.interfaces.videos import Videos

if TYPE_CHECKING:
    import numpy as np
    import torch


class LentVideos(Videos):
    """Another split behind the interface of ``Videos``: no attribute leads to its files or to the rest of its data."""

    def __init__(self, videos: Videos) -> None:
        self.shape, self.views, self.stored = videos.shape, videos.views, videos.stored
        _LENDERS[self] = videos

    def __len__(self) -> int:
        return len(_LENDERS[self])

    @property
    def fingerprint(self) -> str:
        """Return that of the split it was made from."""
        return _LENDERS[self].fingerprint

    @property
    def stamp(self) -> str:
        """Return that of the split it was made from."""
        return _LENDERS[self].stamp

    @property
    def disk_bytes(self) -> int | None:
        """Return the size of the files, None where there are none."""
        return _LENDERS[self].disk_bytes

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``, read as the split it was made from reads single frames."""
        return _LENDERS[self].take_frames(rows, times)

    def spans(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of rows that the split it was made from reads best at once."""
        return _LENDERS[self].spans(size)

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        return _LENDERS[self].take(rows, views)


# Kept here and not on the instance, so that no attribute of a method that keeps its training videos leads to a file.
_LENDERS: WeakKeyDictionary[LentVideos, Videos] = WeakKeyDictionary()
