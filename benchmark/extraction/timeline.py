"""Which frames of a video stand for it: T moments spread evenly over its duration, whatever its frame rate does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RULE = "frame k of T is the one on screen at (k + 1/2) / T of the duration"
"""The sampling in words, as it goes into the attributes; a change of the rule is a change of the text."""


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown, in the order in which they are decoded.

    starts: int64 (frames,), never falling, in ticks. end: the tick at which the last frame leaves the screen.
    seconds: the duration, from the first frame's start to ``end``.
    """

    starts: np.ndarray
    end: int
    seconds: float

    def __len__(self) -> int:
        return len(self.starts)

    def sample(self, count: int) -> np.ndarray:
        """Return the positions of ``count`` frames by ``RULE``, int64 (count,), never falling.

        At a constant rate that is frame floor((k + 1/2) n / T) of n. A video of fewer than ``count`` frames repeats
        each of them about equally often; one of a single frame is that frame ``count`` times. Exact: no rounding.
        """
        first = int(self.starts[0])
        span = self.end - first
        moments = [first + (2 * k + 1) * span // (2 * count) for k in range(count)]
        # moment k is rounded down to a tick, and frames start at ticks: the same frame is on screen
        return np.maximum(np.searchsorted(self.starts, moments, side="right") - 1, 0)


def timeline(times: Sequence[int | None], durations: Sequence[int | None], tick: float, rate: float) -> Timeline:
    """Return the timeline of frames from what the file says of each.

    times: presentation times in ticks of ``tick`` seconds. Formats without them (AVI) give the times of decoding, out
    of order: they are sorted, as the frames themselves come in order. Where a frame has no time, or all have the
    same, all frames count as equally long, at ``rate`` frames per second. durations: the last one says how long the
    last frame stays; where the file does not, that is the median step.
    """
    n = len(times)
    starts = np.array(sorted(time for time in times if time is not None), dtype=np.int64)
    if len(starts) < n or starts[-1] == starts[0]:
        return Timeline(np.arange(n, dtype=np.int64), n, n / rate if rate > 0 else 0.0)
    last = durations[-1] or int(np.median(np.diff(starts))) or 1
    end = int(starts[-1]) + last
    return Timeline(starts, end, (end - int(starts[0])) * tick)
