"""A split in one or more HDF5 files, read in place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.feature_file import FeatureFile, share_chunk_cache
from benchmark.data.verification import identity, verified_fingerprint
from benchmark.errors import BadInput
from benchmark.interfaces.videos import FrameShape, Videos, check_inside, combined, to_float32

if TYPE_CHECKING:
    import torch


class ShardedVideos(Videos):
    """A split that lies in one or more HDF5 files, its videos numbered through in the order of the files."""

    def __init__(self, files: Sequence[FeatureFile], cache: Path | None = None) -> None:
        """Check the structure of the files and that they agree; raises BadInput.

        cache: folder in which a finished verification is remembered; None verifies anew in every process.
        """
        self.files = tuple(files)
        self.cache = cache
        self.shape, self.views = self._common(0), self.files[0].layout.shape[1]
        self.stored = np.result_type(*(file.layout.dtype for file in self.files))
        for place, file in enumerate(self.files):
            if (self._common(place), file.layout.shape[1]) != (self.shape, self.views):
                raise BadInput(
                    "disagrees with the other files of the split",
                    file=file.path,
                    key=file.key,
                    expected=f"{_size_of(self.files[0])} as in {self.files[0].path.name}",
                    found=_size_of(file),
                )
        self._starts = np.cumsum([0, *(len(file) for file in self.files)])

    @classmethod
    def open(cls, paths: Sequence[Path], key: str = "feats", cache: Path | None = None) -> ShardedVideos:
        """Open files that share one key."""
        videos = cls([FeatureFile(path, key) for path in paths], cache)
        share_chunk_cache(videos.files)
        return videos

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def fingerprint(self) -> str:
        """Verify every value, once per file, and return the hex digest; raises BadInput on NaN or Inf."""
        return combined(*(verified_fingerprint(file, self.cache) for file in self.files))

    @property
    def stamp(self) -> str:
        """Return the hex digest of the files' paths, sizes and times of change."""
        return combined(*(json.dumps(identity(file), sort_keys=True) for file in self.files))

    @property
    def disk_bytes(self) -> int:
        """Return the size of the files."""
        return sum(file.path.stat().st_size for file in self.files)

    def spans(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows, in order, that end with a file or one of its chunks: nothing is decoded twice."""
        for first, file in zip(self._starts.tolist(), self.files, strict=False):
            chunk = file.layout.chunk_videos
            step = max(1, size // chunk) * chunk
            for start in range(0, len(file), step):
                yield first + start, first + min(start + step, len(file))

    def _common(self, place: int) -> FrameShape:
        return FrameShape(*self.files[place].layout.shape[2:])

    def take_frames(self, rows: np.ndarray, times: np.ndarray) -> torch.Tensor:
        """Return float32 ``(len(rows), dim)``; of one contiguous file, nothing but these frames is read."""
        file = self.files[0]
        if len(self.files) > 1 or file.layout.offset is None:
            return super().take_frames(rows, times)
        check_inside(rows, len(self), "row")
        check_inside(times, self.shape.frames, "frame")
        return to_float32(file.read_frames(rows, times))

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        if len(self.files) == 1:
            return to_float32(self.files[0].read(rows, views))
        out = np.empty((len(rows), *self.shape), dtype=self.stored)
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for place in np.unique(shard):  # a file is read in its own order, and each file once
            mine = np.flatnonzero(shard == place)
            file, items = self.files[place], rows[mine] - self._starts[place]
            chosen = None if views is None else views[mine]
            if file.layout.dtype == out.dtype:
                file.read_into(out, mine, items, chosen)
            else:
                out[mine] = file.read(items, chosen)
        return to_float32(out)


def _size_of(file: FeatureFile) -> str:
    _, views, frames, dim = file.layout.shape
    return f"{frames} frames of {dim} values" + (f" in {views} views" if views > 1 else "")
