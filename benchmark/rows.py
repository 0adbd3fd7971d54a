"""Some videos of a split as a split of their own, without copying: a map of rows over another split."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmark.features import Videos, combined

if TYPE_CHECKING:
    import torch


class RowVideos(Videos):
    """The videos ``rows`` of another split, in that order; nothing is read before it is asked for."""

    def __init__(self, base: Videos, rows: np.ndarray) -> None:
        """Keep the map. rows: (n,) integers inside the split; raises IndexError on others."""
        rows = np.asarray(rows, dtype=np.int64)
        if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < len(base)):
            raise IndexError(f"rows must be a list of numbers from 0 to {len(base) - 1}")
        self.base, self.rows = base, rows
        self.shape, self.views, self.stored = base.shape, base.views, base.stored

    @cached_property
    def fingerprint(self) -> str:
        """Return the hex digest of the other split's content and the rows; it verifies that whole split, once."""
        return combined("rows", self.base.fingerprint, self.rows.tobytes())

    @property
    def stamp(self) -> str:
        """Return a text that changes with the other split and the rows."""
        return combined("rows", self.base.stamp, self.rows.tobytes())

    @property
    def disk_bytes(self) -> int | None:
        """Return the size of the files, all of their videos included."""
        return self.base.disk_bytes

    def __len__(self) -> int:
        return len(self.rows)

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``, read as the other split reads single frames."""
        return self.base.take_frames(self.rows[rows], times)

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        return self.base.take(self.rows[rows], views)
