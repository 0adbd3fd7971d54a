"""Calls that write below a folder, counted and made to fail: the one at a place, or all from a place on.

Python's own calls are taken over (files opened for writing and what is written to them, folders, renames, syncs,
permissions), and the two libraries that write past them: torch.save and HDF5. A failure looks as the library shows it.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Faults:
    """Which calls below ``folders`` fail: number ``at`` (from 0), or all from there on where ``lasting``.

    ``seen`` holds what each call was, as ``(what, path)``; with ``at`` None all of them succeed.
    """

    folders: tuple[Path, ...]
    number: int = errno.ENOSPC
    at: int | None = None
    lasting: bool = False
    seen: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def meet(self, what: str, path: Any) -> None:
        """Count a call, and raise where it is to fail."""
        place = self._below(path)
        if place is None:
            return
        count = len(self.seen)
        self.seen.append((what, place))
        if self.at is None or count < self.at or (count > self.at and not self.lasting):
            return
        self.failed.append((what, place))
        if what == "torch.save":
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")
        if what == "h5py.File":
            raise OSError(f"Can't synchronously write data (file write failed: {os.strerror(self.number)})")
        raise OSError(self.number, os.strerror(self.number), place)

    def _below(self, path: Any) -> str | None:
        try:
            text = os.fsdecode(os.fspath(path))
        except TypeError:
            return None
        return text if any(text.startswith(str(folder)) for folder in self.folders) else None


class _Written:
    """A file opened for writing whose writes, flushes and closing are met."""

    def __init__(self, stream: Any, faults: Faults, path: Any) -> None:
        self._stream, self._faults, self._path = stream, faults, path

    def write(self, data: Any) -> int:
        self._faults.meet("write", self._path)
        return int(self._stream.write(data))

    def close(self) -> None:
        closing = not self._stream.closed
        self._stream.close()
        if closing:  # as on network file systems, where a full disk is told at the end
            self._faults.meet("close", self._path)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._stream.close() if kind else self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def failing(faults: Faults) -> Iterator[Faults]:
    """Take over the calls for the length of the block."""
    import h5py
    import torch

    real_open, real_os_open, real_save, real_file = io.open, os.open, torch.save, h5py.File.__init__
    real_fdopen, real_fsync = os.fdopen, os.fsync
    handles: dict[int, Any] = {}

    def opened(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if not set(mode) & set("wax+"):
            return real_open(path, mode, *rest, **more)
        name = handles.get(path, path) if isinstance(path, int) else path
        faults.meet("open", name)
        stream = real_open(path, mode, *rest, **more)
        return _Written(stream, faults, name) if faults._below(name) else stream

    def os_opened(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & WRITING:
            faults.meet("os.open", path)
        handle = real_os_open(path, flags, *rest, **more)
        handles[handle] = path
        return handle

    def synced(handle: Any) -> None:
        faults.meet("fsync", handles.get(handle, _path_of(handle)))
        real_fsync(handle)

    def saved(value: Any, path: Any, *rest: Any, **more: Any) -> None:
        faults.meet("torch.save", path if isinstance(path, str | os.PathLike) else getattr(path, "name", ""))
        real_save(value, path, *rest, **more)

    def hdf5(self: Any, name: Any, mode: str = "r", *rest: Any, **more: Any) -> None:
        if mode != "r" and isinstance(name, str | bytes | os.PathLike):
            faults.meet("h5py.File", name)
        real_file(self, name, mode, *rest, **more)

    def plain(what: str, real: Callable[..., Any], last: bool = False) -> Callable[..., Any]:
        def met(path: Any, *rest: Any, **more: Any) -> Any:
            faults.meet(what, rest[0] if last and rest else path)
            return real(path, *rest, **more)

        return met

    with (
        mock.patch.object(builtins, "open", opened), mock.patch.object(io, "open", opened),
        mock.patch.object(os, "open", os_opened), mock.patch.object(os, "fsync", synced),
        mock.patch.object(os, "mkdir", plain("mkdir", os.mkdir)),
        mock.patch.object(os, "replace", plain("replace", os.replace, last=True)),
        mock.patch.object(os, "rename", plain("rename", os.rename, last=True)),
        mock.patch.object(os, "chmod", plain("chmod", os.chmod)),
        mock.patch.object(torch, "save", saved), mock.patch.object(h5py.File, "__init__", hdf5),
    ):  # fmt: skip
        yield faults
    assert os.fdopen is real_fdopen


def _path_of(handle: Any) -> str:
    try:
        return str(Path(f"/proc/self/fd/{int(handle)}").readlink())
    except (OSError, TypeError, ValueError):
        return ""
