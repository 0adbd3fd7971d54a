"""Finished videos, kept under the output folder, so that nothing is extracted twice.

``<out>/.extract/settings.json`` says what decides the numbers; ``shards/<number>.h5`` hold the features of a batch of
videos each, with an entry and a thumbnail for each. A shard is written once, atomically, and never changed:
a kill loses the batch that was not yet written. Of several entries of a name the last one counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmark.errors import BadInput
from benchmark.files.atomic import replacing, sweep, write_json
from benchmark.files.hdf5 import open_hdf5, reading
from benchmark.files.lock import Busy, locked

FOLDER, SETTINGS, SHARDS, LOCK = ".extract", "settings.json", "shards", ".lock"

REMOVE = "remove that file: the same command extracts its videos again"


@dataclass(frozen=True)
class VideoEntry:
    """A finished video.

    size and mtime_ns: of the file, in bytes and nanoseconds; sha256: of its bytes. frames: that it has, as far as it
    decodes; seconds: their duration. damage: empty for a whole file. made_with: software and size of the backbone's
    batches. thumbnail: bytes of the thumbnail, 0 where none was made. stream: which of several video streams it is,
    empty where there is only one. is_interlaced: whether its frames are two fields of different moments.
    """

    name: str
    size: int
    mtime_ns: int
    sha256: str
    frames: int
    seconds: float
    damage: str
    made_with: str
    thumbnail: int
    stream: str
    is_interlaced: bool


@dataclass(frozen=True)
class _Place:
    shard: Path
    row: int
    first: int


class WorkArea:
    """Finished videos by name; ``with WorkArea.opened(...)`` holds the folder against other processes."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], dtype: str) -> None:
        self.folder, self.dtype = folder, np.dtype(dtype)
        self.entries: dict[str, VideoEntry] = {}
        self._places: dict[str, _Place] = {}
        self._last: tuple[Path, Any] | None = None
        _claim(folder / SETTINGS, settings)
        sweep(folder / SHARDS)
        self._next = 1
        for shard in sorted((folder / SHARDS).glob("*.h5")):
            self._next = int(shard.stem) + 1
            self._enter(shard)

    @classmethod
    @contextmanager
    def opened(cls, out: Path, settings: Mapping[str, Any], dtype: str) -> Iterator[WorkArea]:
        """Open the work area of an output folder, alone; raises BadInput.

        Refused: a folder that another process writes to, that holds files of something else, or features made with
        other ``settings``.
        """
        folder = out / FOLDER
        if out.exists() and not out.is_dir():
            raise BadInput("is no folder", file=out, next_step="give --out a new folder")
        other_files = sorted(path.name for path in out.glob("*")) if not folder.is_dir() else []
        if other_files:
            raise BadInput(
                "is not empty", file=out, expected="a new folder, or one that an earlier call wrote to",
                found=f"'{other_files[0]}'", next_step="give --out another folder",
            )  # fmt: skip
        try:
            (folder / SHARDS).mkdir(parents=True, exist_ok=True)
            with locked(folder / LOCK, wait=False):
                yield cls(folder, settings, dtype)
        except Busy as error:
            raise BadInput("another process is extracting to the folder", file=out, next_step="wait for it") from error

    def add(self, batch: list[tuple[VideoEntry, np.ndarray, bytes]]) -> None:
        """Write a batch of videos: entry, features (views, frames, dim) and thumbnail of each. Raises OSError."""
        if not batch:
            return
        shard = self.folder / SHARDS / f"{self._next:08d}.h5"
        with replacing(shard) as temporary, h5py.File(temporary, "w", locking=False) as file:
            file["feats"] = np.stack([features for _, features, _ in batch]).astype(self.dtype)
            file["entries"] = _bytes(json.dumps([asdict(entry) for entry, _, _ in batch]).encode())
            file["thumbnails"] = _bytes(b"".join(thumbnail for _, _, thumbnail in batch))
        self._next += 1
        self._enter(shard)

    def features(self, name: str) -> np.ndarray:
        """Return a video's features (views, frames, dim) in the stored type."""
        place = self._places[name]
        with reading(f"the features of '{name}'", place.shard, "feats", REMOVE):
            return np.asarray(self._file(place.shard)["feats"][place.row])

    def thumbnail(self, name: str) -> bytes:
        """Return a video's thumbnail, or nothing."""
        place, length = self._places[name], self.entries[name].thumbnail
        with reading(f"the thumbnail of '{name}'", place.shard, "thumbnails", REMOVE):
            return bytes(self._file(place.shard)["thumbnails"][place.first : place.first + length])

    def _file(self, shard: Path) -> Any:
        if self._last is None or self._last[0] != shard:
            if self._last is not None:
                self._last[1].close()
            self._last = shard, open_hdf5(shard)
        return self._last[1]

    def _enter(self, shard: Path) -> None:
        """Take the entries of a shard; one that cannot be read is left alone, and its videos count as not done."""
        try:
            with open_hdf5(shard) as file:
                entries = [VideoEntry(**item) for item in json.loads(bytes(file["entries"][:]))]
        except (BadInput, OSError, RuntimeError, KeyError, ValueError, TypeError):
            return
        first = 0
        for row, entry in enumerate(entries):
            self.entries[entry.name], self._places[entry.name] = entry, _Place(shard, row, first)
            first += entry.thumbnail


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _claim(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings into a new work area; raises BadInput where the folder's are others."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_json(path, settings)
        return
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read ({error})", file=path, next_step="give --out another folder") from error
    flat_stored, flat = _flat(stored), _flat(settings)
    other = sorted(key for key in flat_stored.keys() | flat.keys() if flat_stored.get(key) != flat.get(key))
    if other:
        raise BadInput(
            "holds features that were made in another way",
            file=path.parent.parent,
            key=other[0],
            expected=flat_stored.get(other[0], "none"),
            found=flat.get(other[0], "none"),
            next_step="give --out another folder, or the settings of the first call",
        )


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat
