"""Writes that either happen whole or not at all: a temporary file beside the target, then a rename."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it is synced and renamed to ``path``.

    On any exception the temporary file is removed and ``path`` keeps what it held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_to(folder: Path, next_step: str) -> Iterator[None]:
    """Turn what the disk says of writing into one sentence (BadInput); what is read inside tells its own errors."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"cannot be written ({error.strerror or error})", file=folder, next_step=next_step) from error


def sweep(folder: Path, name: str = "*") -> None:
    """Remove what killed writers of ``name`` left in ``folder``; the caller holds the lock that keeps writers out."""
    for stray in folder.glob(f".{name}.*.tmp"):
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
