"""The one lock of the suite: a file that one process at a time holds.

Everything that has to be done alone goes through here, so that a file system without locks needs another answer here
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class Busy(Exception):
    """Another process, or another thread of this one, holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file ``path`` inside the block; its folder must exist.

    wait: wait for another holder as long as it takes; otherwise raise Busy at once. Raises OSError where the file
    cannot be written.
    """
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{path} is held by another process") from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether another process holds the lock file ``path``; False where there is no such file."""
    if not path.exists():
        return False
    try:
        with locked(path, wait=False):
            return False
    except Busy:
        return True
