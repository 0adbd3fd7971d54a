"""Datasets streamed into HDF5 files, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import torch

from benchmark.files.arrays import save_array
from benchmark.files.atomic import replacing, write_text
from benchmark.interfaces.dataset import SPLITS, Dataset
from benchmark.interfaces.videos import Videos
from datasets.synthetic import Recipe, SyntheticVideos


def write_hdf5(path: Path, *, dtype: str = "float16", **options: Any) -> None:
    """Stream the training split of a recipe, given by its fields, into a contiguous HDF5 file."""
    write_split(path, SyntheticVideos(Recipe(**options), "train"), dtype)


def write_split(path: Path, videos: Videos, dtype: str = "float16", batch: int = 64) -> None:
    """Stream a split into a contiguous HDF5 file under ``feats``, ``batch`` videos in memory at a time."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as opened:
        values = opened.create_dataset("feats", (len(videos), *videos.shape), dtype)
        for rows, frames in videos.batches(batch):
            values[rows[0] : rows[-1] + 1] = frames.to(getattr(torch, dtype)).numpy()


def write_folder(folder: Path, dataset: Dataset, dtype: str = "float16") -> None:
    """Write a dataset as a folder with a ``dataset.toml``."""
    tables = []
    for split in SPLITS:
        write_split(folder / f"{split}.h5", dataset.split(split), dtype)
        save_array(folder / f"{split}.npy", dataset.labels(split))
        tables.append(f'[{split}]\nfeatures = "{split}.h5"\nlabels = "{split}.npy"\n')
    write_text(folder / "dataset.toml", "\n".join(tables))
