"""Pictures of videos for the gallery: made once from a dataset that is present, and stored beside its facts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import BadInput
from benchmark.files.atomic import write_bytes
from benchmark.files.pictures import strip, whole
from benchmark.interfaces.dataset import Dataset
from benchmark.paths import Roots
from benchmark.records import facts


@dataclass
class Previews:
    """Lends pictures by dataset name, fingerprint, split and row; a dataset is opened once, and only when needed."""

    results: Path
    roots: Roots
    _facts: dict[tuple[str, str], facts.Facts | None] = field(default_factory=dict, repr=False)
    _opened: dict[tuple[str, str], Dataset | None] = field(default_factory=dict, repr=False)
    _same: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False)

    def picture(self, name: str, fingerprint: str, split: str, row: int) -> bytes | None:
        """Return a PNG or JPEG of three of a video's frames side by side, or None where there is none.

        The facts of the dataset must be stored. A damaged picture is made again where its dataset is present. In
        self-retrieval a query is the database's video of that row.
        """
        key = name, fingerprint
        if key not in self._facts:
            self._facts[key] = facts.read(self.results, name, fingerprint)
        stored = self._facts[key]
        if stored is None:
            return None
        split = "database" if stored.self_retrieval else split
        stem = facts.folder(self.results, name, fingerprint) / "previews" / f"{split}-{row}"
        return _stored_picture(stem) or self._made(stored, split, row, stem)

    def _made(self, stored: facts.Facts, split: str, row: int, stem: Path) -> bytes | None:
        """Make a picture and keep it; whatever a dataset raises leaves a video without one and stops no report."""
        key = stored.name, stored.fingerprint
        try:
            if key not in self._opened:
                self._opened[key] = None
                self._opened[key] = _open(stored, self.roots)
            dataset = self._opened[key]
            frames = None if dataset is None else dataset.preview(split, row)
            if dataset is None or frames is None or not self._is_same(stored, dataset):
                return None
            data = strip(frames)
        except Exception:
            return None
        # a results folder that cannot be written to still gives its page
        with suppress(OSError, BadInput):
            write_bytes(stem.with_suffix(".png" if data.startswith(b"\x89PNG") else ".jpg"), data)
        return data

    def _is_same(self, stored: facts.Facts, dataset: Dataset) -> bool:
        """Return whether the dataset has the content of the facts; called last, as it may have to read all features."""
        key = stored.name, stored.fingerprint
        if key not in self._same:
            self._same[key] = False
            self._same[key] = dataset.fingerprint == stored.fingerprint
        return self._same[key]


def _open(stored: facts.Facts, roots: Roots) -> Dataset | None:
    from benchmark.catalogue import registry
    from benchmark.data import subset

    return subset.reduced(registry.open_dataset(stored.argument, roots), stored.drawn)


def _stored_picture(stem: Path) -> bytes | None:
    for ending in (".png", ".jpg"):
        with suppress(OSError):
            data = stem.with_suffix(ending).read_bytes()
            if whole(data):
                return data
    return None
