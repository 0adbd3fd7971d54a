"""Every file that the values of an HDF5 data set come from, and whether all of the values were ever written.

HDF5 fills what was never written, and what a missing source should hold, without a word.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from benchmark.errors import BadInput, nearest
from benchmark.files.hdf5 import Unusable, check_filters, opened, takes_locks, unusable
from benchmark.files.hdf5_written import STORE_PLAINLY, WRITE, Box, boxes_of, check_stored, first_gap, rows

DEEPEST = 32
"""Links, or virtual data sets, that may lead into each other (our choice)."""

AND = ", which "

LISTED = 8
"""Keys that a sentence lists (our choice)."""


@dataclass(frozen=True)
class Trace:
    """Where the values of a data set lie.

    ``path`` and ``key`` are what its links lead to. ``sources``: every other file that bytes come from, and every place
    where HDF5 looks for one of them before and finds nothing. ``virtual``: those sources that HDF5 opens by itself.
    ``locks``: whether all of them can be opened under HDF5's usual rules of locking.
    """

    path: Path
    key: str
    sources: tuple[Path, ...]
    virtual: tuple[Path, ...]
    locks: bool


def trace(path: Path, key: str) -> Trace:
    """Find the values of ``key`` in a file; raises BadInput where one is missing, cannot be read or was never written.

    Checked are links, virtual data sets and what they are made of, raw files, chunks and filters.
    """
    walk = _Walk()
    try:
        place = walk.follow(path, key)
        walk.check(*place)
    except Unusable as error:
        raise BadInput(error.what, file=path, key=key, next_step=error.next_step) from error
    sources = [source for source in walk.files if source != path]
    return Trace(*place, tuple(sources), tuple(walk.virtual), walk.locks)


class _Mapped(NamedTuple):
    """The blocks that a virtual data set takes from a source: its name, its key, and which block of it (None: any)."""

    boxes: list[Box]
    file_name: str
    key: str
    region: Box | None


class _Walk:
    """The files that were seen on the way, in their order, and whether their file systems grant locks."""

    def __init__(self) -> None:
        self.files: dict[Path, None] = {}
        self.virtual: dict[Path, None] = {}
        self.locks = True

    def follow(self, path: Path, key: str, depth: int = 0) -> tuple[Path, str]:
        """Return file and key at the end of all links; raises Unusable where they lead to no data set."""
        with self._open(path) as file, _translating():
            group, done, names = file["/"], list[str](), _names(key)
            while names:
                link = _link(group, names[0])
                if link is None:
                    raise _absent(file, key, depth)
                name, depth = names.pop(0), depth + (link.type != h5py.h5l.TYPE_HARD)
                if depth > DEEPEST:
                    raise Unusable("is a link that leads in a circle")
                if link.type == h5py.h5l.TYPE_HARD:
                    group, done = group[name], [*done, name]
                    continue
                target = group.id.links.get_val(name.encode("utf-8", "surrogateescape"))
                if link.type == h5py.h5l.TYPE_SOFT:
                    names = [*_names(os.fsdecode(target)), *names]
                    if target.startswith(b"/"):
                        group, done = file["/"], []
                    continue
                other, inside = os.fsdecode(target[0]), "/".join([*_names(os.fsdecode(target[1])), *names])
                with _behind(f"is a link to {other}"):
                    return self.follow(self._find(path, other, "HDF5_EXT_PREFIX"), inside, depth)
            if not isinstance(group, h5py.Dataset):
                raise _absent(file, key, depth)
            return path, "/".join(done)

    def check(self, path: Path, key: str, region: Box | None = None, depth: int = 0) -> None:
        """Raise Unusable unless every value in a region of a data set, or in all of it, was written and can be read."""
        if depth > DEEPEST:
            raise Unusable("is made of itself")
        with self._open(path) as file, _translating():
            values = file[key]
            if not values.size:
                return
            whole = Box((0,) * values.ndim, tuple(size - 1 for size in values.shape))
            if region is not None and (
                len(region.high) != values.ndim or any(a > b for a, b in zip(region.high, whole.high, strict=True))
            ):
                raise Unusable(f"has the shape {values.shape}, which is too small")
            check_filters(values)
            mapped: list[_Mapped] = []
            if values.is_virtual:
                for mapping in values.virtual_sources():
                    mapped += self._mapped(path, values, mapping)
            elif values.external:
                self._check_raw(values)
            else:
                check_stored(values, region or whole)
            is_virtual = values.is_virtual
        if is_virtual:  # the file is closed: closing another takes the longer the more is open
            self._check_virtual(path, mapped, region or whole, depth)

    def _check_virtual(self, path: Path, mapped: list[_Mapped], region: Box, depth: int) -> None:
        for boxes, name, key, source_region in mapped:
            if any(box.meets(region) for box in boxes):
                where = "its own file" if name == "." else name
                taken = rows(min(box.low[0] for box in boxes), max(box.high[0] for box in boxes))
                with _behind(f"takes {taken} from {where}"):
                    self.check(*self._virtual_source(path, name, key), source_region, depth + 1)
        first = first_gap([box for boxes, *_ in mapped for box in boxes], region)
        if first is not None:
            raise Unusable(f"takes row {first} from nowhere: its virtual data set maps no file there", WRITE)

    def _mapped(self, path: Path, values: h5py.Dataset, mapping: Any) -> Iterator[_Mapped]:
        space = mapping.vspace
        if space.get_select_type() == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
            _, _, count, block = space.get_regular_hyperslab()
            if h5py.h5s.UNLIMITED in (*count, *block):
                yield from self._mapped_without_end(path, values, mapping)
                return
        all_of_it = mapping.src_space.get_select_type() == h5py.h5s.SEL_ALL
        source_region = None if all_of_it else Box(*mapping.src_space.get_select_bounds())
        yield _Mapped(boxes_of(space), _named(mapping.file_name), _named(mapping.dset_name), source_region)

    def _mapped_without_end(self, path: Path, values: h5py.Dataset, mapping: Any) -> Iterator[_Mapped]:
        """Yield the blocks of a mapping that grows with its source, or with the number of its sources."""
        start, stride, count, block = mapping.vspace.get_regular_hyperslab()
        axis = next(i for i, sizes in enumerate(zip(count, block, strict=True)) if h5py.h5s.UNLIMITED in sizes)
        high = [a + (n - 1) * step + size - 1 for a, step, n, size in zip(start, stride, count, block, strict=True)]
        end, file_name, key = values.shape[axis], mapping.file_name, mapping.dset_name
        if "%b" not in file_name + key:
            if block[axis] not in (h5py.h5s.UNLIMITED, stride[axis]):
                raise Unusable("takes rows in stripes without an end, which cannot be checked", STORE_PLAINLY)
            taken = self._length(path, _named(file_name), _named(key), axis) - _start(mapping.src_space, axis)
            high[axis] = min(end, start[axis] + taken) - 1
            yield _Mapped([Box(start, tuple(high))], _named(file_name), _named(key), None)
            return
        for number in itertools.count():
            low = (*start[:axis], start[axis] + number * stride[axis], *start[axis + 1 :])
            if low[axis] >= end:
                self._note(path, _named(file_name, number))  # once it is there, it adds rows
                return
            high[axis] = min(low[axis] + block[axis], end) - 1
            yield _Mapped([Box(low, tuple(high))], _named(file_name, number), _named(key, number), None)

    def _length(self, path: Path, name: str, key: str, axis: int) -> int:
        with _behind(f"takes rows from {name}"):
            source, inside = self._virtual_source(path, name, key)
            with self._open(source) as file, _translating():
                return int(file[inside].shape[axis])

    def _virtual_source(self, path: Path, name: str, key: str) -> tuple[Path, str]:
        source = path if name == "." else self._find(path, name, "HDF5_VDS_PREFIX")
        place = self.follow(source, key, 1)
        self.virtual |= {source: None, place[0]: None}
        return place

    def _check_raw(self, values: h5py.Dataset) -> None:
        left = values.size * values.dtype.itemsize
        for name, offset, size in values.external:
            origin = str(Path(values.file.filename).parent)
            path = Path(os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", origin), name)
            self.files[path] = None
            taken = left if size == h5py.h5f.UNLIMITED else min(left, size)
            left -= taken
            with _behind(f"takes its values from the raw file {name}"):
                if not path.is_file():
                    raise Unusable("is not there", f"put it back: it is looked for in {path.parent.absolute()}")
                if path.stat().st_size < offset + taken:
                    raise Unusable(
                        f"ends after {path.stat().st_size} of {offset + taken} bytes", "obtain that file whole"
                    )

    def _find(self, path: Path, name: str, variable: str) -> Path:
        """Return the file that HDF5 takes for a name inside ``path``; raises Unusable where there is none."""
        candidate = self._note(path, name, variable)
        if candidate is None:
            raise Unusable("is not there", f"put it back beside {path.name}")
        return candidate

    def _note(self, path: Path, name: str, variable: str = "HDF5_VDS_PREFIX") -> Path | None:
        """Note the places where HDF5 looks for a name, up to the first file there, and return that."""
        for candidate in _candidates(path, name, variable):
            self.files[candidate] = None
            if candidate.is_file():
                return candidate
        return None

    def _open(self, path: Path) -> h5py.File:
        self.files[path] = None
        file = opened(path)
        self.locks &= takes_locks(file)
        return file


def _candidates(path: Path, name: str, variable: str) -> Iterator[Path]:
    """Yield where HDF5 looks for a file that another names, in its order."""
    beside, given = Path(os.path.abspath(path)).parent, Path(name)  # noqa: PTH100 - links are not resolved
    if given.is_absolute():
        yield given
        given = Path(given.name)
    for prefix in filter(None, os.environ.get(variable, "").split(os.pathsep)):
        yield Path(prefix.replace("${ORIGIN}", str(beside))) / given
    yield from dict.fromkeys((beside / given, Path.cwd() / given, path.resolve().parent / given))


def _named(pattern: str, block: int = 0) -> str:
    """Return a source's name, in which HDF5 stores the block's number as ``%b`` and a percent sign as ``%%``."""
    return "%".join(part.replace("%b", str(block)) for part in pattern.split("%%"))


def _start(space: Any, axis: int) -> int:
    regular = space.get_select_type() == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab()
    return int(space.get_regular_hyperslab()[0][axis]) if regular else 0


def _names(key: str) -> list[str]:
    return [name for name in key.split("/") if name not in ("", ".")]


def _link(group: Any, name: str) -> Any:
    """Return HDF5's description of a link, or None where ``group`` is no group or has no such link."""
    encoded = name.encode("utf-8", "surrogateescape")
    if not isinstance(group, h5py.Group) or not group.id.links.exists(encoded):
        return None
    return group.id.links.get_info(encoded)


def _absent(file: h5py.File, key: str, depth: int) -> Unusable:
    """Return what is said of a key that is not there; the keys that are help in the file that the user named."""
    if depth:
        return Unusable(f"has no data set '{key}'")
    present: list[str] = []
    file.visititems(lambda name, item: present.append(name) if isinstance(item, h5py.Dataset) else None)
    present.sort()
    more = f" and {len(present) - LISTED} more" if len(present) > LISTED else ""
    listed = f"the keys {', '.join(present[:LISTED])}{more}" if present else "no data set at all"
    advice = nearest(key, present) if present else ""
    return Unusable(f"no such data set in the file; found {listed}", advice if advice.startswith("did") else None)


@contextmanager
def _behind(what: str) -> Iterator[None]:
    """Put before a reason what leads to the data set or the file that it is about; of a long chain, only its ends."""
    try:
        yield
    except Unusable as error:
        end = AND.join(error.what.split(AND)[-2:])
        raise Unusable(f"{what}{AND}{end}", error.next_step) from error


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except Unusable:
        raise
    except Exception as error:  # h5py raises almost anything on damaged structures
        raise unusable("cannot be read", error) from error
