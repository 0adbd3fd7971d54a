"""Processes that a verb starts: none of them outlives the one that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def begin() -> None:
    """Begin a child: it leaves interruptions to its parent, who is interrupted too, and ends when the parent is killed.

    The latter holds on Linux; elsewhere only an end that the parent lives to see is handed on, by ``ended_together``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if not sys.platform.startswith("linux") or parent is None:
        return
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent.pid:  # it ended before the call
        os._exit(1)


@contextmanager
def ended_together() -> Iterator[None]:
    """End the processes that the block started when it is left by an error, SIGTERM or an interruption."""
    before = {child.pid for child in multiprocessing.active_children()}
    try:
        yield
    except BaseException:
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.terminate()
        raise
