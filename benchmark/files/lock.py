"""The one lock of the suite: a file that one process at a time holds.

Everything that has to be done alone goes through here. Where the file system grants no locks, as some NFS do, the
lock is a file that is created exclusively.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.errors import Unwritable
from benchmark.files import heartbeat

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What systems answer that grant no locks."""


class Busy(Exception):
    """Another process, or another thread of this one, holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file ``path`` inside the block; its folder must exist.

    wait: wait for another holder as long as it takes; otherwise raise Busy at once. Raises Unwritable where the file
    cannot be written.
    """
    try:
        release = _acquire(path, wait)
    except OSError as error:
        raise Unwritable(path.parent, error) from error
    try:
        yield
    finally:
        release()


def is_locked(path: Path) -> bool:
    """Return whether another process holds the lock file ``path``; nothing is written where there is no such file."""
    if heartbeat.is_held(_marker(path)):
        return True
    if not path.exists():
        return False
    try:
        _acquire(path, wait=False)()
    except Busy:
        return True
    except OSError:  # a folder that this process cannot write to
        return False
    return False


def _acquire(path: Path, wait: bool) -> Callable[[], object]:
    """Acquire the lock and return what gives it back."""
    lock = FileLock(path, timeout=-1 if wait else 0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{path} is held by another process") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        release = heartbeat.acquire(_marker(path), wait=wait)
        if release is None:
            raise Busy(f"{path} is held by another process") from error
        return release
    return lock.release


def _marker(path: Path) -> Path:
    """Return the file that is the lock where the file system grants none."""
    return path.with_name(f"{path.name}.held")
