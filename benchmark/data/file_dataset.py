"""Datasets made of files: those of the field, declared by their file names, and a user's own folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmark.data.dataset_toml import FILE, SplitTable, read_declaration
from benchmark.data.feature_file import CHUNK_CACHE, FeatureFile, needs_decoding, share_chunk_cache
from benchmark.data.groups import read_groups
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.data.split_labels import LabelFiles, SplitLabels
from benchmark.errors import BadInput
from benchmark.files.pictures import find, read_frames
from benchmark.interfaces.dataset import SPLITS, Dataset, Presence, check_split
from benchmark.interfaces.videos import FrameShape, Videos
from benchmark.paths import Roots

CONVERT = "'python -m benchmark convert' makes a copy whose random reads are faster"


@dataclass(frozen=True)
class Source:
    """The files of one split: features and labels, each with their key, relative to the dataset's folder.

    There is one label file for all feature files or one for each. ``partial``: the files are numbered shards of which
    the first few will do; the set is then a subset. ``previews``: a folder of thumbnails or a pattern with ``{row}``,
    by default ``previews/<split>``.
    """

    features: tuple[str, ...]
    labels: tuple[str, ...] = ()
    key: str = "feats"
    labels_key: str = "labels"
    partial: bool = False
    previews: str = ""

    def present(self, folder: Path) -> Source:
        """Return the source with those shards that are there, up to the last one; itself where all are needed."""
        if not self.partial:
            return self
        numbers = [number for number, name in enumerate(self.features, 1) if (folder / name).is_file()]
        last = max(numbers, default=1)
        return Source(self.features[:last], self.labels[:last], self.key, self.labels_key, previews=self.previews)

    def missing(self, folder: Path, labelled: bool) -> list[str]:
        """Return the files that are needed and absent; a gap in numbered shards is one."""
        needed = self.present(folder)
        names = (*needed.features, *(needed.labels if labelled else ()))
        return [name for name in names if not (folder / name).is_file()]


def one(features: str, labels: str = "", labels_key: str = "labels") -> Source:
    """Declare a split of one feature file under ``feats`` and, if named, one label file."""
    return Source((features,), (labels,) if labels else (), labels_key=labels_key)


def shards(count: int, features: str, labels: str = "") -> Source:
    """Declare a split in numbered shards; ``{}`` in a name stands for 1 to ``count``."""
    numbers = range(1, count + 1)
    label_files = tuple(labels.format(number) for number in numbers) if labels else ()
    return Source(tuple(features.format(number) for number in numbers), label_files, partial=True)


class FileDataset(Dataset):
    """A dataset whose splits are HDF5 features and label files in ``<data root>/<name>``, declared by class attributes.

    ``query_files`` None means that the database is its own query set. Splits may share files, which are opened once.
    Labels of the training split are never needed. The constructor checks everything but the values of the features,
    which ``fingerprint`` verifies; it raises BadInput.
    """

    train_files: Source
    database_files: Source
    query_files: Source | None = None

    def __init__(self, roots: Roots) -> None:
        super().__init__(roots)
        presence = self.presence(roots)
        if not presence.available:
            raise BadInput(presence.reason)
        self._open(
            roots.data / self.name,
            {"train": self.train_files, "database": self.database_files, "query": self.query_files},
        )

    @classmethod
    def presence(cls, roots: Roots) -> Presence:
        """Look for the files."""
        folder = roots.data / cls.default_name()
        sources = {"train": cls.train_files, "database": cls.database_files, "query": cls.query_files}
        files: list[str] = []
        missing: list[str] = []
        for name, source in sources.items():
            if source is not None:
                files += [*source.features, *(source.labels if name != "train" else ())]
                missing += source.missing(folder, labelled=name != "train")
        reason = (
            f"missing in {folder}: {', '.join(dict.fromkeys(missing))}; to obtain them: {cls.source}" if missing else ""
        )
        return Presence(not missing, reason, list(dict.fromkeys(files)))

    @classmethod
    def advice(cls, roots: Roots) -> str:
        """Return a hint where the compressed files are too large to be kept decoded in memory."""
        folder = roots.data / cls.default_name()
        sources = [
            source.present(folder) for source in (cls.train_files, cls.database_files, cls.query_files) if source
        ]
        names = dict.fromkeys((folder / name, source.key) for source in sources for name in source.features)
        try:
            slow = needs_decoding([FeatureFile(*name) for name in names])
        except BadInput as error:
            return str(error)
        return f"compressed features of {slow / 2**30:.1f} GiB: {CONVERT}" if slow > CHUNK_CACHE else ""

    def _open(self, folder: Path, sources: dict[str, Source | None]) -> None:
        self._folder = folder
        self.self_retrieval = sources["query"] is None
        opened: dict[tuple[tuple[str, ...], str], ShardedVideos] = {}
        self._sources: dict[str, Source] = {}
        self._splits: dict[str, ShardedVideos] = {}
        for name in SPLITS:
            source = (sources[name] or self._sources["database"]).present(folder)
            identity = (source.features, source.key)
            if identity not in opened:
                files = [FeatureFile(folder / file, source.key) for file in source.features]
                opened[identity] = ShardedVideos(files, self.roots.cache)
            self._sources[name], self._splits[name] = source, opened[identity]
        share_chunk_cache([file for videos in opened.values() for file in videos.files])
        self._check_shapes()
        self._labels = SplitLabels(self.name, {name: self._label_files(name) for name in SPLITS})
        for name in SPLITS:  # a damaged file of groups shows now, not when a part is first drawn
            self.groups(name)

    @property
    def shape(self) -> FrameShape:  # type: ignore[override]
        """Return frames and dimensions, the same in every split."""
        return self._splits["train"].shape

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names of the classes; the files of the field carry none, so they are numbered from 1."""
        return self._labels.classes

    def split(self, name: str) -> Videos:
        """Return the features of a split."""
        check_split(name)
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, classes)``; raises NoLabels where the training split has none."""
        check_split(name)
        return self._labels.of(name)

    def groups(self, name: str) -> np.ndarray | None:
        """Return the groups that an optional ``videos.csv`` in the folder states; queries may be called ``test``."""
        check_split(name)
        names = {other for other, videos in self._splits.items() if videos is self._splits[name]}
        return read_groups(self._folder, names | ({"test"} if name == "query" else set()), len(self._splits[name]))

    def preview_file(self, split: str, row: int) -> Path | None:
        """Return the file of a video's thumbnail, or None where there is none."""
        check_split(split)
        split = "database" if split == "query" and self.self_retrieval else split
        return find(self._folder / (self._sources[split].previews or f"previews/{split}"), row)

    def preview(self, split: str, row: int) -> np.ndarray | None:
        """Return a video's thumbnail, uint8 ``(frames, height, width, 3)``, or None where there is none."""
        path = self.preview_file(split, row)
        return None if path is None else read_frames(path)

    def _label_files(self, name: str) -> LabelFiles:
        source, videos = self._sources[name], self._splits[name]
        paths = tuple(self._folder / file for file in source.labels)
        if len(paths) == 1:
            return LabelFiles(paths, source.labels_key, (len(videos),), (", ".join(source.features),))
        counts, names = tuple(len(file) for file in videos.files), tuple(file.path.name for file in videos.files)
        return LabelFiles(paths, source.labels_key, counts, names)

    def _check_shapes(self) -> None:
        train = self._splits["train"]
        for name, videos in self._splits.items():
            if videos.shape != train.shape:
                raise BadInput(
                    f"the {name} split has another shape than the training split",
                    file=videos.files[0].path,
                    key=videos.files[0].key,
                    expected=f"{train.shape.frames} frames of {train.shape.dim} values",
                    found=f"{videos.shape.frames} of {videos.shape.dim}",
                )


class FolderDataset(FileDataset):
    """A user's own folder with a ``dataset.toml``."""

    source = "a folder of your own"

    def __init__(self, folder: Path, cache: Path) -> None:
        Dataset.__init__(self, Roots(folder.parent, cache))
        declared = read_declaration(folder)
        self.name = declared.name or folder.resolve().name
        self.title = declared.title or self.name
        self.source = declared.source or self.source
        self.official = declared.official.model_dump(exclude_none=True)  # type: ignore[misc]
        self.protocol = declared.protocol.overrides()
        query = declared.query_table
        self._open(
            folder,
            {
                "train": _source(declared.train),
                "database": _source(declared.database_table),
                "query": None if query is None else _source(query),
            },
        )
        if declared.classes:
            self._name_classes(folder / FILE, declared.classes)

    def _name_classes(self, path: Path, names: list[str]) -> None:
        if len(names) != len(self.classes):
            raise BadInput(
                "names the wrong number of classes",
                file=path,
                key="classes",
                expected=f"{len(self.classes)} as in the label files",
                found=len(names),
            )
        self.classes = tuple(names)


def _source(table: SplitTable) -> Source:
    return Source(table.feature_files(), table.label_files(), table.key, table.labels_key, previews=table.previews)


def load_folder(path: Path, cache: Path) -> Dataset:
    """Open a folder with a ``dataset.toml``; raises BadInput."""
    return FolderDataset(path, cache)
