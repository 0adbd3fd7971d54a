"""Datasets, codes, labels and tables in the unusual or damaged forms in which users have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TRAIN, QUERY, FRAMES, DIM, CLASSES = 64, 24, 6, 32, 4
LONGEST = 400
"""Characters that a refusal may have."""


def class_ids(n: int) -> np.ndarray:
    """Return the class of each of ``n`` videos, all classes equally often."""
    return np.arange(n) % CLASSES


def multi_hot(ids: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """Return uint8 ``(n, classes)``."""
    return np.eye(classes, dtype=np.uint8)[ids]


def frames(n: int, seed: int = 0) -> np.ndarray:
    """Return float32 ``(n, FRAMES, DIM)`` whose classes are well apart."""
    centres = np.random.default_rng(100).normal(size=(CLASSES, DIM)) * 2
    noise = np.random.default_rng(seed).normal(size=(n, FRAMES, DIM))
    return (centres[class_ids(n)][:, None] + noise).astype(np.float32)


TRAIN_FRAMES, QUERY_FRAMES = frames(TRAIN, 1), frames(QUERY, 2)


def declaration(name: str) -> str:
    """Return the ``dataset.toml`` of a folder whose database is its training set."""
    parts = "".join(f'[{split}]\nfeatures = "{split}.h5"\nlabels = "{split}.npy"\n' for split in ("train", "query"))
    return f'name = "{name}"\ndatabase = "train"\n{parts}'


def write_plain(folder: Path, values: np.ndarray = TRAIN_FRAMES, **storage: Any) -> None:
    """Write ``train.h5`` with one data set."""
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_dataset("feats", data=values, **storage)


def make_dataset(folder: Path, write_train: Callable[[Path], None] = write_plain) -> Path:
    """Write a dataset folder whose training features are written by ``write_train``; return the folder."""
    folder.mkdir(parents=True)
    np.save(folder / "train.npy", multi_hot(class_ids(TRAIN)))
    np.save(folder / "query.npy", multi_hot(class_ids(QUERY)))
    (folder / "dataset.toml").write_text(declaration(folder.name), encoding="utf-8")
    with h5py.File(folder / "query.h5", "w") as file:
        file["feats"] = QUERY_FRAMES
    write_train(folder)
    return folder


def write_virtual(folder: Path, parts: int = 2, mapped: int = TRAIN, key: str = "feats") -> None:
    """Write ``train.h5`` as a virtual data set over ``part0.h5``, ``part1.h5`` and so on."""
    each = TRAIN // parts
    layout = h5py.VirtualLayout(shape=(TRAIN, FRAMES, DIM), dtype="f4")
    for part in range(parts):
        rows = slice(part * each, min((part + 1) * each, mapped))
        with h5py.File(folder / f"part{part}.h5", "w") as file:
            file["feats"] = TRAIN_FRAMES[part * each : (part + 1) * each]
        source = h5py.VirtualSource(f"part{part}.h5", key, shape=(rows.stop - rows.start, FRAMES, DIM))
        layout[rows] = source
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


def write_linked(folder: Path) -> None:
    """Write ``train.h5`` with a link to a data set in ``real.h5``."""
    with h5py.File(folder / "real.h5", "w") as file:
        file["x"] = TRAIN_FRAMES
    with h5py.File(folder / "train.h5", "w") as file:
        file["feats"] = h5py.ExternalLink("real.h5", "/x")


def write_linked_twice(folder: Path) -> None:
    """Write ``train.h5`` with a link to a link in ``middle.h5`` to ``real.h5``."""
    with h5py.File(folder / "real.h5", "w") as file:
        file["x"] = TRAIN_FRAMES
    with h5py.File(folder / "middle.h5", "w") as file:
        file["y"] = h5py.ExternalLink("real.h5", "/x")
    with h5py.File(folder / "train.h5", "w") as file:
        file["g"] = h5py.ExternalLink("middle.h5", "/")
        file["feats"] = h5py.SoftLink("/g/y")


def write_raw(folder: Path, missing_bytes: int = 0) -> None:
    """Write ``train.h5`` whose values lie in ``raw.bin``, which may be too short."""
    data = TRAIN_FRAMES.tobytes()
    (folder / "raw.bin").write_bytes(data[: len(data) - missing_bytes])
    with h5py.File(folder / "train.h5", "w") as file:
        place = [(str(folder / "raw.bin"), 0, len(data))]
        file.create_dataset("feats", TRAIN_FRAMES.shape, "f4", external=place)


def write_partly(folder: Path, rows: int, **storage: Any) -> None:
    """Write ``train.h5`` of which only the first rows were written."""
    with h5py.File(folder / "train.h5", "w") as file:
        values = file.create_dataset("feats", TRAIN_FRAMES.shape, "f4", **storage)
        if rows:
            values[:rows] = TRAIN_FRAMES[:rows]


def damage_chunk(path: Path, start: float = 0.5, length: int = 64, seed: int = 0) -> None:
    """Overwrite bytes of a file in place."""
    data = bytearray(path.read_bytes())
    first = int(len(data) * start)
    data[first : first + length] = np.random.default_rng(seed).bytes(len(data[first : first + length]))
    path.write_bytes(bytes(data))


@dataclass(frozen=True)
class Outcome:
    """What one command did: its exit code and what it printed.

    ``hidden`` is the test's own folder, whose name tells what is tested: it is taken out of what tests search.
    """

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    hidden: str = ""

    @property
    def text(self) -> str:
        """Return all that was printed, without the name of the test's folder."""
        return self._bare(self.out + self.err)

    def sentence(self) -> str:
        """Return the one sentence of a refusal, checked for its form."""
        assert self.code == 2, (self.words, self.code, self.text[-600:])
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, (self.words, self.err[-600:])
        assert len(lines[0]) <= LONGEST, (len(lines[0]), lines[0][:LONGEST])
        return self._bare(lines[0])

    def _bare(self, text: str) -> str:
        return text.replace(self.hidden, "ROOT") if self.hidden else text

    def done(self) -> Outcome:
        """Return itself where the command succeeded."""
        assert self.code == 0, (self.words, self.code, self.text[-600:])
        return self


@dataclass
class Bench:
    """Runs verbs in this process, on folders below ``root``."""

    root: Path
    call: Callable[..., Outcome]
    results: Path = field(init=False)

    def __post_init__(self) -> None:
        self.results = self.root / "results"

    def run(self, folder: Path, *words: object, method: str = "lsh", results: Path | None = None) -> Outcome:
        """Run one small cell of a dataset folder, without a page."""
        place = results or self.results
        return self.call(
            *("run", "--methods", method, "--datasets", folder, "--bits", 16, "--device", "cpu"),
            *("--no-page", "--results", place, "--cache", self.root / "cache", *words),
        )

    def records(self, results: Path | None = None) -> list[dict[str, Any]]:
        """Return all records of a results folder, in path order."""
        paths = sorted((results or self.results).rglob("record.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    def map20(self, results: Path | None = None) -> float:
        """Return mAP@20 under the field protocol of the only record."""
        (record,) = self.records(results)
        return float(record["metrics"]["field"]["metrics"]["map@20"])
