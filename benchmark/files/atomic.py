"""Writes that either happen whole or not at all: a temporary file beside the target, then a rename."""

from __future__ import annotations

import errno
import glob
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmark.errors import Unwritable

_LONGEST_PREFIX = 200
"""Bytes of a target's name in its temporary's name: with what is added it stays below the 255 that a name may have."""

_FAILED_WRITES = ("unexpected pos", "failed writing", "write failed", "unable to flush", "space left on device")
"""What torch and HDF5 say of a write that failed, in errors that are no OSError."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it is synced and renamed to ``path``.

    On any exception the temporary file is removed and ``path`` keeps what it held. Raises Unwritable, which names
    ``path``, where writing fails: here, or in the block by an error of the system that names no other file.
    """
    with _telling(path):
        temporary = _temporary(path)
    try:
        try:
            yield temporary
        except (OSError, RuntimeError) as error:
            if not _is_of_writing(error, temporary):
                raise
            raise Unwritable(path, error) from error
        with _telling(path):
            temporary.chmod(0o666 & ~_umask())
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise Unwritable where the file ``path`` could not be written; its folder is made.

    For long work whose outcome is written at its end.
    """
    with _telling(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = _temporary(path)
        temporary.unlink()


@contextmanager
def writing_to(folder: Path, next_step: str) -> Iterator[None]:
    """Turn what the disk says of writing into one sentence (Unwritable); what is read inside tells its own errors.

    next_step: what to do where the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise Unwritable(folder, error, next_step) from error


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what killed writers of ``name``, or of any file, left in ``folder``.

    The caller holds the lock that keeps writers out.
    """
    with suppress(OSError):
        for stray in folder.glob(".*.*.tmp" if name is None else f"{glob.escape(_prefix(name))}*.tmp"):
            stray.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys and unrounded floats, atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn an error of the system into Unwritable, which names ``path``."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte, or one that no file can have
        raise Unwritable(path, error) from error


def _temporary(path: Path) -> Path:
    """Make the folder of a target and an empty temporary file in it, and return that file's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_prefix(path.name), suffix=".tmp", dir=path.parent)
    os.close(handle)
    return Path(name)


def _prefix(name: str) -> str:
    """Return how the names of a target's temporary files begin."""
    while len(os.fsencode(name)) > _LONGEST_PREFIX:
        name = name[:-1]
    return f".{name}."


def _is_of_writing(error: OSError | RuntimeError, temporary: Path) -> bool:
    """Return whether an error in a block that writes ``temporary`` is of that."""
    if isinstance(error, OSError):
        return error.filename is None or os.fspath(error.filename) == str(temporary)
    return any(words in str(error).lower() for words in _FAILED_WRITES)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
