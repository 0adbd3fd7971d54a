"""The dataset that an extraction ends with: HDF5 and labels per split, thumbnails, ``dataset.toml``, tables."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from benchmark import __version__
from benchmark.data.contiguous_file import create_contiguous
from benchmark.data.dataset_toml import FILE, Declaration, SplitTable, declared_name, write_declaration
from benchmark.data.groups import FILE as GROUPS
from benchmark.data.groups import NEEDED
from benchmark.errors import BadInput
from benchmark.extraction.labels import Labels
from benchmark.extraction.splits import Splits
from benchmark.extraction.thumbnails import ENDING
from benchmark.extraction.video_table import SEPARATOR
from benchmark.extraction.work import VideoEntry, WorkArea
from benchmark.files.arrays import save_array
from benchmark.files.atomic import replacing, sweep, write_bytes
from benchmark.files.hdf5 import open_hdf5, reading
from benchmark.interfaces.dataset import SPLITS

TABLE, PREVIEWS, CONTENT = "extract.csv", "previews", "content"


@dataclass(frozen=True)
class ExtractedDataset:
    """What is written. attributes: how every feature was made, as text; splits: names of finished videos only.

    groups: video name -> group, for those that have one.
    """

    out: Path
    splits: Splits
    labels: Labels
    groups: Mapping[str, str]
    attributes: Mapping[str, str]
    thumbnails: bool

    @property
    def owners(self) -> dict[str, str]:
        """Return split -> the split whose file it shares: one with the same videos."""
        return {name: next(other for other in SPLITS if self.splits[other] == self.splits[name]) for name in SPLITS}


def write_dataset(dataset: ExtractedDataset, work: WorkArea) -> None:
    """Write the files of all splits, and ``dataset.toml`` last: without it the folder does not open.

    A feature file that holds the same already is kept. Raises OSError.
    """
    out, owners = dataset.out, dataset.owners
    sweep(out)
    (out / FILE).unlink(missing_ok=True)
    for name in SPLITS:
        own = owners[name] == name
        names = dataset.splits[name]
        if own:
            _write_split(dataset, name, work)
            save_array(out / f"{name}.npy", dataset.labels.matrix(names))
        else:
            for path in (out / f"{name}.h5", out / f"{name}.npy"):
                path.unlink(missing_ok=True)
        _write_previews(out / PREVIEWS / name, names if own and dataset.thumbnails else (), work)
    _write_groups(dataset, owners)
    write_declaration(out, _declaration(dataset, owners), "extract")


def _write_split(dataset: ExtractedDataset, split: str, work: WorkArea) -> None:
    path, names = dataset.out / f"{split}.h5", dataset.splits[split]
    entries = [work.entries[name] for name in names]
    attributes = {**dataset.attributes, "software": " | ".join(sorted({entry.made_with for entry in entries}))}
    contents = [
        [entry.name, entry.sha256, entry.frames, entry.seconds, entry.damage, entry.made_with] for entry in entries
    ]
    attributes[CONTENT] = hashlib.sha256(json.dumps([attributes, contents]).encode()).hexdigest()
    if _content(path) == attributes[CONTENT]:
        return
    views, frames, dim = work.features(names[0]).shape
    shape = (len(names), *((views,) if views > 1 else ()), frames, dim)
    with replacing(path) as temporary:
        offset = create_contiguous(temporary, shape, work.dtype.newbyteorder("<"), attributes)
        with open(temporary, "r+b") as stream:
            stream.seek(offset)
            for name in names:
                stream.write(np.ascontiguousarray(work.features(name), work.dtype.newbyteorder("<")).data)
        _describe(temporary, entries)


def _describe(path: Path, entries: Sequence[VideoEntry]) -> None:
    """Add what is known of each video, in the order of the features."""
    with h5py.File(path, "r+", locking=False) as file:
        for key, values in {
            "video": [entry.name for entry in entries],
            "sha256": [entry.sha256 for entry in entries],
            "damage": [entry.damage for entry in entries],
        }.items():
            file.create_dataset(key, data=values, dtype=h5py.string_dtype())
        file["video_frames"] = np.array([entry.frames for entry in entries], np.int64)
        file["video_seconds"] = np.array([entry.seconds for entry in entries], np.float64)


def _write_groups(dataset: ExtractedDataset, owners: Mapping[str, str]) -> None:
    """Write the file of groups that ``benchmark.data.groups`` reads; a video without one is a group of its own."""
    with replacing(dataset.out / GROUPS) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([*NEEDED, "video"])
        for split in SPLITS:
            if owners[split] == split:
                names = dataset.splits[split]
                table.writerows([split, row, dataset.groups.get(name, name), name] for row, name in enumerate(names))


def _content(path: Path) -> str | None:
    try:
        with open_hdf5(path) as file, reading("its stamp", path, CONTENT):
            return str(file.attrs.get(CONTENT))
    except BadInput:
        return None


def _write_previews(folder: Path, names: Sequence[str], work: WorkArea) -> None:
    """Make the folder hold just the thumbnails of the videos, named by row."""
    if not names:
        shutil.rmtree(folder, ignore_errors=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    for row, name in enumerate(names):
        path, data = folder / f"{row}{ENDING}", work.thumbnail(name)
        if not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)
    for path in folder.glob(f"*{ENDING}"):
        if not path.stem.isdecimal() or int(path.stem) >= len(names):
            path.unlink()


def _declaration(dataset: ExtractedDataset, owners: Mapping[str, str]) -> Declaration:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", dataset.out.resolve().name).lstrip("._-")
    tables = {
        split: SplitTable(
            features=f"{owner}.h5", labels=f"{owner}.npy", previews=f"{PREVIEWS}/{owner}" if dataset.thumbnails else ""
        )
        for split, owner in owners.items()
    }
    return Declaration(
        name=declared_name(name),
        source=f"extracted from a folder of videos with {dataset.attributes['backbone']}",
        classes=list(dataset.labels.columns) if dataset.labels.classes else [],
        train=tables["train"],
        database="train" if owners["database"] == "train" else tables["database"],
        query="database" if owners["query"] == owners["database"] else tables["query"],
    )


@dataclass(frozen=True)
class TableRow:
    """A line of ``extract.csv``; ``reason``: why there are no features (``entry`` is None), or what is damaged."""

    name: str
    status: str
    reason: str
    entry: VideoEntry | None


def write_table(out: Path, rows: Sequence[TableRow], splits: Splits, labels: Labels) -> None:
    """Write ``extract.csv``: a line per video. ``--labels`` and ``--splits`` take it again. Raises OSError."""
    of: dict[str, list[str]] = {}
    for split in SPLITS:
        for name in splits[split]:
            of.setdefault(name, []).append(split)
    with replacing(out / TABLE) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(
            ["video", "split", "label", "frames", "seconds", "sha256", "status", "reason", "stream", "interlaced"]
        )
        for row in rows:
            entry = row.entry
            measured = (entry.frames, entry.seconds, entry.sha256) if entry else ("", "", "")
            lists = (SEPARATOR.join(of.get(row.name, ())), SEPARATOR.join(labels.of.get(row.name, ())))
            storage = (entry.stream, "yes" if entry.is_interlaced else "") if entry else ("", "")
            table.writerow([row.name, *lists, *measured, row.status, row.reason, *storage])


def attributes(settings: Mapping[str, object], spec: str) -> dict[str, str]:
    """Return how features were made, as text for HDF5."""
    out = {"made_by": f"video-hashing-benchmark {__version__}", "backbone": spec}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            out |= {f"{key}.{part}": str(item) for part, item in value.items()}
        else:
            out[key] = str(value)
    return out
