"""Memory of the process: its peak, and freed memory that is kept for the next tensors."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensors of this size (glibc only; elsewhere nothing happens).

    By default every tensor above a bound is given back to the kernel and taken anew, page by page: a third of the time
    of a training step at FCVID's sizes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, -1)  # never
        mallopt(top_pad, 64 * 2**20)


def reset_peak_memory() -> None:
    """Start the measurement of the peak resident memory anew, where the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory() -> int:
    """Return the peak resident memory in bytes since the last reset (mapped feature files count while resident)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import psutil

        return int(psutil.Process().memory_info().rss)
