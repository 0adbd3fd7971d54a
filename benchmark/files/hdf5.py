"""HDF5 files opened for reading, and what h5py raises put into words."""

from __future__ import annotations

import errno
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py

from benchmark.errors import BadInput

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that grants no locks."""

OBTAIN = "the file is damaged or cut short: obtain it again"
LONGEST_REASON = 140
"""Characters of a library's own words in a sentence of ours."""

PLUGIN_PACKAGE = "hdf5plugin"
PLUGIN_FILTERS = {307, 32001, 32004, 32008, 32013, 32015, 32017, 32018, 32024, 32026, 32028}
"""The package of HDF5 filters and the registered numbers of those that it brings."""


SPARE_HANDLES = 8


class Unusable(Exception):
    """Why a file or a data set cannot be used: ``what`` follows its name, ``next_step`` is advice or None."""

    def __init__(self, what: str, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what, self.next_step = what, next_step


def open_hdf5(path: Path, **options: Any) -> h5py.File:
    """Open a file for reading; raises BadInput. Where the file system grants no locks, it is read without one.

    Reading without a lock is safe there: nobody else can hold one either, and a file that is changed is noticed by its
    size and times. options: of ``h5py.File``.
    """
    try:
        return opened(path, **options)
    except Unusable as error:
        raise BadInput(error.what, file=path, next_step=error.next_step) from error


def hold_open(paths: Sequence[Path], **options: Any) -> list[h5py.File]:
    """Open files that HDF5 is going to open by itself, where it would tell no error; raises BadInput.

    It needs one more handle for a moment; some are seen to be free.
    """
    files = [open_hdf5(path, **options) for path in paths]
    try:
        with ExitStack() as stack:
            for path in [*paths[:1]] * SPARE_HANDLES:
                stack.enter_context(path.open("rb"))
    except OSError as error:
        told = unusable("cannot be opened", error)
        raise BadInput(told.what, file=paths[0], next_step=told.next_step) from error
    return files


def opened(path: Path, **options: Any) -> h5py.File:
    """Open a file as ``open_hdf5`` does; raises Unusable, whose words do not name the file."""
    _check_form(path)
    try:
        return h5py.File(path, "r", **options)
    except Exception as error:  # h5py raises almost anything on damaged headers
        if getattr(error, "errno", None) in NO_LOCKS and options.get("locking") is None:
            return opened(path, **{**options, "locking": False})
        raise unusable("cannot be opened", error) from error


def takes_locks(file: h5py.File) -> bool:
    """Return whether an open file was opened under HDF5's usual rules of locking."""
    return bool(file.id.get_access_plist().get_file_locking()[0])


def unusable(what: str, error: Exception) -> Unusable:
    """Return what an error of h5py says in our words; ``what`` fails, unless the cause is clearer than that."""
    number, text = getattr(error, "errno", None), str(error)
    if "already open for write" in text or "consistency flags" in text:
        return Unusable(
            "was not closed by the program that writes it",
            "wait for that program; where it no longer runs, 'h5clear -s FILE' makes the file readable",
        )
    if number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES) and "lock" in text:
        return Unusable("is being written by another program, which holds HDF5's lock", "wait until it is finished")
    if number == errno.EMFILE or os.strerror(errno.EMFILE) in text:
        return Unusable(f"{what} (too many open files)", "raise the limit of open files: ulimit -n")
    if number:
        return Unusable(f"{what} ({os.strerror(number)})")
    if isinstance(error, MemoryError):
        return Unusable(f"{what} (it asks for more memory than there is)", OBTAIN)
    reason = " ".join((text.partition("(")[2].rstrip(")") or text or type(error).__name__).split())
    return Unusable(f"{what} ({reason[:LONGEST_REASON]})", OBTAIN)


@contextmanager
def reading(what: str, path: Path, key: str, next_step: str | None = None) -> Iterator[None]:
    """Raise BadInput where values cannot be read; ``what`` names them, as in ``rows 3 to 8``.

    next_step: what to do, where that is not to obtain the file again.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, MemoryError) as error:
        told = unusable(f"{what} cannot be read", error)
        raise BadInput(told.what, file=path, key=key, next_step=next_step or told.next_step) from error


def check_filters(values: h5py.Dataset) -> None:
    """Raise Unusable where chunks passed a filter that this HDF5 lacks, unless an installed package brings it."""
    plan = values.id.get_create_plist()
    for place in range(plan.get_nfilters()):
        number, _, _, name = plan.get_filter(place)
        if not _is_available(number):
            label = name.decode("utf-8", "replace").partition(":")[0].strip() or "an unnamed filter"
            raise Unusable(
                f"is compressed with {label[:40]} (HDF5 filter {number}), which is not available here",
                f"pip install {PLUGIN_PACKAGE}"
                if number in PLUGIN_FILTERS
                else "install HDF5's plugin of that number and name its folder in HDF5_PLUGIN_PATH",
            )


def _is_available(number: int) -> bool:
    if h5py.h5z.filter_avail(number):
        return True
    if importlib.util.find_spec(PLUGIN_PACKAGE) is None:
        return False
    try:
        importlib.import_module(PLUGIN_PACKAGE)  # registers its filters
    except Exception:  # a broken installation is as good as none
        return False
    return bool(h5py.h5z.filter_avail(number))


def _check_form(path: Path) -> None:
    """Raise Unusable where the file can be seen to be no HDF5 file, which says more than HDF5 does."""
    try:
        with path.open("rb") as stream:
            head = stream.read(200)
    except FileNotFoundError as error:
        raise Unusable("is not there", "put it there or correct the path") from error
    except OSError as error:
        raise unusable("cannot be opened", error) from error
    if not head:
        raise Unusable("is empty", "obtain the file again")
    if head.startswith(b"version https://git-lfs"):
        raise Unusable("is a pointer of Git LFS and not the file itself", "fetch the file: git lfs pull")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise Unusable("is not an HDF5 file", "check the download: this is a web page")
    if not h5py.is_hdf5(path):
        raise Unusable("is not an HDF5 file", "check the download, or convert the features to HDF5")
