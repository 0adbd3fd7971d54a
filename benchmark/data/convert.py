"""A dataset rewritten as a compact store: one contiguous HDF5 file per split, labels, and a ``dataset.toml``.

Random reads of such a file are positioned reads, where a compressed one has to decode whole chunks. Splits are written
one after the other, in blocks, each under a temporary name until it is whole; ``dataset.toml`` comes last, so that an
unfinished folder does not open. The same conversion, called again, keeps the splits that are finished.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.contiguous_file import STAMP, Rounding, create_contiguous, is_finished, narrowed
from benchmark.data.dataset_toml import (
    FILE,
    Declaration,
    OfficialTable,
    ProtocolTable,
    SplitTable,
    declared_name,
    write_declaration,
)
from benchmark.errors import BadInput, one_line
from benchmark.files.arrays import save_array
from benchmark.files.atomic import replacing, sweep, writing_to
from benchmark.files.lock import Busy, locked
from benchmark.files.pictures import ENDINGS
from benchmark.interfaces.dataset import SPLITS, Dataset, NoLabels, numbered_classes
from benchmark.interfaces.videos import Videos
from benchmark.progress import Progress

BLOCK = 16 * 2**20
"""Bytes of float32 values that are checked, converted and written at a time (our choice)."""

FULL = "make room or give --out another folder; the same command goes on with the splits that are left"
LOCK = ".convert.lock"
OURS = {FILE, LOCK, "previews", *(f"{split}{ending}" for split in SPLITS for ending in (".h5", ".npy"))}
"""What a converted folder holds."""


@dataclass(frozen=True)
class Written:
    """What became of a split; ``owner`` is the split whose file it shares, itself where it has its own.

    ``before`` and ``after`` are the sizes of the files in bytes, ``before`` None where the source has no file.
    ``was_finished``: an earlier call of the same conversion had written it.
    """

    split: str
    owner: str
    videos: int
    before: int | None
    after: int
    seconds: float
    was_finished: bool
    rounding: Rounding


def convert(
    dataset: Dataset, out: Path, dtype: str, argument: str, report: Callable[[Written], None], progress: Progress
) -> None:
    """Write ``dataset`` to the folder ``out`` and call ``report`` after every split; raises BadInput.

    dtype: ``keep`` writes float16 and float32 as they are and float64 as float32. argument: what names the dataset on
    the command line. Refused: a folder with other files, too little room, a value that is not finite or too large.
    """
    splits = {name: dataset.split(name) for name in SPLITS}
    owners = {name: next(other for other in SPLITS if splits[other] is splits[name]) for name in SPLITS}
    own = [name for name in SPLITS if owners[name] == name]
    types = {name: _target(splits[name], dtype) for name in own}
    _finished_splits(
        out, {name: splits[name] for name in own}, types
    )  # before the lock file lies in a folder that is not ours
    with writing_to(out, FULL), _exclusive(out):
        finished = _finished_splits(out, {name: splits[name] for name in own}, types)
        sweep(out)
        _check_room(out, sum(_size(splits[name], types[name]) for name in own if name not in finished))
        for name in SPLITS:
            report(_split(out, name, owners[name], splits[name], types[owners[name]], finished, progress))
        labels = _write_labels(out, dataset)
        _copy_previews(out, dataset, splits)
        made_by = one_line(shlex.join(["convert", "--dataset", argument, "--dtype", dtype]))
        write_declaration(out, _declaration(dataset, owners, labels), made_by)


def _target(videos: Videos, dtype: str) -> np.dtype[Any]:
    if dtype == "keep":
        dtype = "float16" if videos.stored == np.float16 else "float32"
    return np.dtype(dtype).newbyteorder("<")


def _size(videos: Videos, dtype: np.dtype[Any]) -> int:
    return len(videos) * videos.views * videos.shape.frames * videos.shape.dim * dtype.itemsize


@contextmanager
def _exclusive(out: Path) -> Iterator[None]:
    """Keep other conversions out of the folder; raises BadInput where one is at work."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out / LOCK, wait=False):
            yield
    except Busy as error:
        raise BadInput("another conversion is writing to the folder", file=out, next_step="wait for it") from error


def _finished_splits(out: Path, own: dict[str, Videos], types: dict[str, np.dtype[Any]]) -> set[str]:
    """Return the splits that are finished; raises BadInput where the folder holds anything but this conversion."""
    if out.exists() and not out.is_dir():
        raise BadInput("is no folder", file=out, next_step="give --out a new folder")
    present = {path.name for path in out.glob("*") if not path.name.startswith(".")}
    finished = {
        name
        for name, videos in own.items()
        if f"{name}.h5" in present and is_finished(out / f"{name}.h5", videos, types[name])
    }
    ours = OURS - {f"{split}.h5" for split in SPLITS if split not in finished}
    others = sorted(present - ours)
    if others or (present and not finished):
        raise _occupied(out, f"'{(others or sorted(present))[0]}', which is not of this conversion")
    return finished


def _occupied(out: Path, found: str) -> BadInput:
    return BadInput(
        "is not empty",
        file=out,
        expected="a new folder, or one with the same conversion of the same files",
        found=found,
        next_step="give --out another folder, or empty this one",
    )


def _check_room(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out).free
    if needed > free:
        raise BadInput(
            "has too little room",
            file=out,
            expected=f"{needed / 2**30:.1f} GiB for the splits that are left",
            found=f"{free / 2**30:.1f} GiB free",
            next_step="make room, give --out a folder on another disk, or try --dtype float16",
        )


def _split(
    out: Path,
    name: str,
    owner: str,
    videos: Videos,
    dtype: np.dtype[Any],
    finished: set[str],
    progress: Progress,
) -> Written:
    path, began, rounding = out / f"{owner}.h5", time.monotonic(), Rounding()
    if owner == name and name not in finished:
        progress.phase(f"convert {name}", len(videos))
        rounding = _write_features(path, name, videos, dtype, progress)
    seconds = time.monotonic() - began
    return Written(
        name,
        owner,
        len(videos),
        videos.disk_bytes,
        path.stat().st_size,
        seconds,
        was_finished=name in finished,
        rounding=rounding,
    )


def _write_features(path: Path, name: str, videos: Videos, dtype: np.dtype[Any], progress: Progress) -> Rounding:
    rounding = Rounding()
    step = max(1, BLOCK // (videos.views * videos.shape.frames * videos.shape.dim * 4))
    shape = (len(videos), *((videos.views,) if videos.views > 1 else ()), *videos.shape)
    with replacing(path) as temporary:
        offset = create_contiguous(temporary, shape, dtype, {STAMP: videos.stamp})
        with open(temporary, "r+b") as stream:
            stream.seek(offset)
            for first, last in videos.spans(step):
                frames = _read(videos, first, last)
                for start in range(first, last, step):
                    block = frames[(start - first) * videos.views : (start - first + step) * videos.views]
                    stream.write(narrowed(block, dtype, rounding, f"the {name} split", start, videos.views).data)
                    progress.advance(min(start + step, last) - start)
    return rounding


def _read(videos: Videos, first: int, last: int) -> np.ndarray:
    """Return all views of the videos, float32 ``(videos * views, frames, dim)``."""
    rows, views = np.repeat(np.arange(first, last), videos.views), np.tile(np.arange(videos.views), last - first)
    return videos.take(rows, views if videos.views > 1 else None).numpy()


def _write_labels(out: Path, dataset: Dataset) -> dict[str, np.ndarray]:
    """Write the labels of every split that has some and return them; those of the training split are never needed."""
    labels = {name: dataset.labels(name) for name in ("database", "query")}
    try:
        labels["train"] = dataset.labels("train")
    except NoLabels:
        (out / "train.npy").unlink(missing_ok=True)
    for name, table in labels.items():
        save_array(out / f"{name}.npy", table)
    return labels


def _declaration(dataset: Dataset, owners: dict[str, str], labels: dict[str, np.ndarray]) -> Declaration:
    """Return what declares a converted dataset as its source was: name, classes, splits, protocol.

    owners: split -> the split whose feature file it shares. labels: of the splits that have some.
    """
    tables = {
        split: SplitTable(features=f"{owner}.h5", labels=f"{split}.npy" if split in labels else [])
        for split, owner in owners.items()
    }
    same_labels = "train" in labels and np.array_equal(labels["train"], labels["database"])
    numbered = tuple(dataset.classes) == numbered_classes(len(dataset.classes))
    return Declaration(
        name=declared_name(dataset.name),
        title=dataset.title,
        source=dataset.source,
        classes=[] if numbered else list(dataset.classes),
        train=tables["train"],
        database="train" if owners["database"] == "train" and same_labels else tables["database"],
        query="database" if dataset.self_retrieval else tables["query"],
        official=OfficialTable(**dataset.official),
        protocol=ProtocolTable(**dataset.protocol),
    )


def _copy_previews(out: Path, dataset: Dataset, splits: dict[str, Videos]) -> None:
    """Copy the thumbnails that lie in files to ``previews/<split>/<row>``."""
    for name in SPLITS[:2] if dataset.self_retrieval else SPLITS:
        for row in range(len(splits[name])):
            source = dataset.preview_file(name, row)
            if source is None or source.suffix.lower() not in ENDINGS:
                continue
            target = out / "previews" / name / f"{row}{source.suffix.lower()}"
            if not target.is_file():
                with replacing(target) as temporary:
                    shutil.copyfile(source, temporary)
