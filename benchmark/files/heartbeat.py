"""A lock for file systems that grant none: a file that is created exclusively and touched while its holder lives."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BEAT, STALE, POLL = 10.0, 60.0, 0.5
"""Seconds between two touches, without one after which a holder counts as dead, and between two attempts (our choice).

A holder that is suspended for longer than ``STALE`` loses its lock; files are replaced atomically all the same.
"""


@dataclass(frozen=True)
class _Marker:
    """What a lock file says: who wrote it, as text, and when it was last touched, by the clock of its file system."""

    owner: str
    touched: float


def acquire(path: Path, *, wait: bool) -> Callable[[], None] | None:
    """Create the lock file ``path`` and return what gives it back; None where another has it and ``wait`` is false.

    The file of a holder that was killed is removed: at once if it was a process of this machine, else once it has not
    been touched for ``STALE`` seconds. Raises OSError where the file cannot be written.
    """
    owner = _owner()
    while not _create(path, owner):
        if _remove_abandoned(path):
            continue
        if not wait:
            return None
        time.sleep(POLL)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, owner, stop), name=f"lock {path.name}", daemon=True)
    beating.start()

    def release() -> None:
        stop.set()
        beating.join()
        marker = _read(path)
        if marker is not None and marker.owner == owner:
            with suppress(OSError):
                path.unlink()

    return release


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock file ``path``."""
    marker = _read(path)
    return marker is not None and not _is_abandoned(path, marker)


def _owner() -> str:
    return json.dumps(
        {"host": socket.gethostname(), "processes": _processes(), "pid": os.getpid(), "token": secrets.token_hex(8)}
    )


def _processes() -> str:
    """Return which numbers of processes count together, as containers have their own; nothing where that is unknown."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _create(path: Path, owner: str) -> bool:
    """Create the file with its owner's words and return True, or return False where it exists."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(handle, owner.encode())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return True


def _read(path: Path) -> _Marker | None:
    """Return what the file says, or None where there is none; it is opened, so that NFS looks at its time anew."""
    try:
        with open(path, "rb") as stream:
            return _Marker(stream.read().decode(errors="replace"), os.fstat(stream.fileno()).st_mtime)
    except OSError:
        return None


def _beat(path: Path, owner: str, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        marker = _read(path)
        if marker is not None and marker.owner != owner:
            return  # it was taken for dead and has lost the lock
        with suppress(OSError):
            os.utime(path)


def _is_abandoned(path: Path, marker: _Marker) -> bool:
    return _has_ended(marker.owner) or _now(path.parent) - marker.touched > STALE


def _has_ended(owner: str) -> bool:
    """Return whether the owner was a process of this machine that is no more; False where that cannot be told."""
    try:
        words = json.loads(owner)
        here = words["host"] == socket.gethostname() and words["processes"] and words["processes"] == _processes()
        if not here:
            return False
        os.kill(int(words["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return False


def _now(folder: Path) -> float:
    """Return the time by the clock of a folder's file system, or this machine's where nothing can be written there."""
    try:
        handle, name = tempfile.mkstemp(prefix=".clock.", suffix=".tmp", dir=folder)
    except OSError:
        return time.time()
    try:
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)
        with suppress(OSError):
            Path(name).unlink()


def _remove_abandoned(path: Path) -> bool:
    """Remove the file of a dead holder and return whether it is gone.

    One process at a time looks and removes, by a second file, or two of them could each take the other's new lock.
    """
    marker = _read(path)
    if marker is None:
        return True
    if not _is_abandoned(path, marker):
        return False
    breaker = path.with_name(f"{path.name}.breaking")
    if not _create(breaker, _owner()):
        remover = _read(breaker)
        if remover is not None and _is_abandoned(breaker, remover):
            breaker.unlink(missing_ok=True)
        return False
    try:
        marker = _read(path)
        if marker is not None and _is_abandoned(path, marker):
            path.unlink(missing_ok=True)
        return True
    finally:
        breaker.unlink(missing_ok=True)
