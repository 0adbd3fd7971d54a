"""Compilation of kernels: machine code is kept for later processes where there is a place for it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config as _config
from numba.core.caching import FunctionCache, NullCache

from benchmark.paths import Roots

config: Any = _config  # its attributes are made when it is loaded


class _Cache(FunctionCache):
    """Compiled code on disk. What cannot be read is compiled again, and what cannot be written is not kept."""

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return super().load_overload(*arguments)
        except Exception:  # a damaged file fails in whatever way its bytes lead to
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        try:
            super().save_overload(*arguments)
        except OSError:  # a full disk, for one
            self.disable()


def kernel(function: Callable[..., Any]) -> Any:
    """Return the function compiled by numba, which releases the GIL."""
    dispatcher: Any = njit(nogil=True)(function)
    dispatcher._cache = _cache_of(function)
    return dispatcher


def _cache_of(function: Callable[..., Any]) -> FunctionCache | NullCache:
    """Return a cache in numba's own places, else in the suite's or the temporary folder, else one that keeps nothing.

    numba's places are $NUMBA_CACHE_DIR, ``__pycache__`` beside the file and the user's folder for caches; it raises
    RuntimeError where none can be written to, as in a read-only checkout without a home.
    """
    for place in (lambda: config.CACHE_DIR, _folder_of_suite, _temporary_folder):
        try:
            with _cache_folder(place()):
                return _Cache(function)
        except (RuntimeError, OSError):
            continue
    return NullCache()


@contextmanager
def _cache_folder(folder: str) -> Iterator[None]:
    """Let numba look for a place in this folder first, for one block."""
    before = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _folder_of_suite() -> str:
    return str(Roots.of().cache / "numba")


def _temporary_folder() -> str:
    """Return a folder of this user alone, since numba runs the code that it finds there; raises OSError."""
    if not hasattr(os, "getuid"):
        return str(Path(tempfile.gettempdir()) / "numba")  # is the user's own where users have no numbers
    folder = Path(tempfile.gettempdir()) / f"numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise OSError(f"{folder} is not this user's alone")
    return str(folder)
