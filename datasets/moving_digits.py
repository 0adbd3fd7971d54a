"""Moving digits: an embedded dataset, built in seconds from real handwritten digits, that needs no download.

3,960 videos of 25 frames (2,400 train, 1,200 database, 360 query) in 24 classes. A class is *which digit* and *how the
video moves or cuts in time*: four digits that stay, swing, bob or circle, and four pairs of classes that differ in
nothing but the direction of time (a third of all classes). One to four scenes per video; each shows another handwritten
image of the digit on another background. The images are the 1,797 of scikit-learn; none is used in two splits.

Pixels are kept for pictures and augmentation. Features come from a fixed convolutional network with seeded integer
weights (``datasets.parts.frame_features``), 512 per frame.

Measured (``tests/datasets/test_moving_digits.py``): mean-pooled, centred float cosine has mAP@20 of 0.53 (0.68
on the classes outside of the order pairs, 0.24 inside), random 64-bit codes 0.009. Within an order pair, classifiers of
order-blind statistics of the frames are right in 40-53 % of the videos, and a linear classifier of (mean of the first
half - mean of the second half) in 100 %. Over all 24 classes, logistic regression is right in 82 % of the videos from
the mean frame, and in 99.5 % with that difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmark.data.sharded_videos import ShardedVideos
from benchmark.errors import BadInput
from benchmark.files.atomic import replacing
from benchmark.files.hdf5 import open_hdf5
from benchmark.files.lock import locked
from benchmark.interfaces.dataset import SPLITS, Dataset, check_split, multi_hot
from benchmark.interfaces.videos import FrameShape, Videos
from benchmark.paths import Roots
from benchmark.progress import Progress
from datasets.parts.frame_features import DIM, frame_features
from datasets.parts.motion import FRAMES, KINDS, SIZE
from datasets.parts.rendering import LEVELS, digit_images, draw_video

VERSION = 1
"""Part of the cache's name and of every seed: a change of the recipe is another dataset."""

PER_CLASS = {"train": 100, "database": 50, "query": 15}
IMAGE_SHARES = {"train": 0.60, "database": 0.25, "query": 0.15}

_BLOCK = 60
"""Videos drawn and written at a time."""


class MovingDigits(Dataset):
    """Features from ``<cache>/moving_digits-v1/``, which the first use builds."""

    title = "Moving digits"
    source = (
        "built on first use from the handwritten digits inside scikit-learn "
        "(Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits, 1998)"
    )
    official: ClassVar = {split: count * len(KINDS) for split, count in PER_CLASS.items()}
    shape = FrameShape(FRAMES, DIM)
    classes = tuple(kind.name for kind in KINDS)

    def __init__(self, roots: Roots) -> None:
        super().__init__(roots)
        self._folder = roots.cache / f"moving_digits-v{VERSION}"
        self._splits: dict[str, Videos] = {}
        build(self._folder)

    def split(self, name: str) -> Videos:
        """Return the features of a split."""
        check_split(name)
        if name not in self._splits:
            self._splits[name] = ShardedVideos.open([self._folder / f"{name}.h5"], cache=self.roots.cache)
        return self._splits[name]

    def labels(self, name: str) -> np.ndarray:
        """Return multi-hot uint8 ``(videos, 24)``, one class per video."""
        check_split(name)
        return multi_hot(class_of_rows(name), len(KINDS))

    def preview(self, split: str, row: int) -> np.ndarray:
        """Return uint8 grey frames ``(25, 32, 32)``."""
        check_split(split)
        levels = self._pixels[split]["pixels"][row]
        return np.asarray(levels * (255 // (LEVELS - 1)), dtype=np.uint8)

    @cached_property
    def _pixels(self) -> dict[str, h5py.File]:
        return {split: open_hdf5(self._folder / f"{split}_pixels.h5") for split in SPLITS}


def class_of_rows(split: str) -> np.ndarray:
    """Return the class of every video of a split, int64 ``(videos,)``: all classes equally often, shuffled."""
    ordered = np.repeat(np.arange(len(KINDS)), PER_CLASS[split])
    return _generator(split).permutation(ordered)


def draw(split: str, rows: np.ndarray) -> np.ndarray:
    """Draw videos of a split, uint8 ``(len(rows), 25, 32, 32)`` below 16; each depends on its own row alone."""
    images = digit_images(split, IMAGE_SHARES, (VERSION,))
    classes = class_of_rows(split)
    return np.stack([draw_video(KINDS[classes[row]], images, _generator(split, int(row))) for row in rows])


def build(folder: Path) -> None:
    """Build what is missing or no longer a whole file, each file atomically and one process at a time."""
    wanted = [folder / f"{split}{kind}.h5" for split in SPLITS for kind in ("", "_pixels")]
    if all(_is_whole(file) for file in wanted):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", wait=True):
        for split in SPLITS:
            features, pixels = folder / f"{split}.h5", folder / f"{split}_pixels.h5"
            if not (_is_whole(features) and _is_whole(pixels)):
                _build_split(split, features, pixels)


def _is_whole(path: Path) -> bool:
    """Return whether a file is there and not cut short."""
    try:
        open_hdf5(path).close()
    except BadInput:
        return False
    return True


def _build_split(split: str, features: Path, pixels: Path) -> None:
    n = len(class_of_rows(split))
    with (
        replacing(features) as features_file,
        replacing(pixels) as pixels_file,
        h5py.File(features_file, "w", locking=False) as features_out,
        h5py.File(pixels_file, "w", locking=False) as pixels_out,
        Progress(f"building the {split} split of moving_digits (once)", total=n) as progress,
    ):
        values = features_out.create_dataset("feats", (n, FRAMES, DIM), np.float16)
        frames = pixels_out.create_dataset(
            "pixels", (n, FRAMES, SIZE, SIZE), np.uint8, chunks=(1, FRAMES, SIZE, SIZE), compression="gzip"
        )
        for rows, levels, computed in _blocks(split, n):
            frames[rows[0] : rows[-1] + 1] = levels
            values[rows[0] : rows[-1] + 1] = computed
            progress.advance(len(rows))


def _blocks(split: str, n: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield rows, pixels and features in order; one block per core, which beats all cores on one block.

    torch.set_num_threads would limit the threads of the whole process and for good: OpenMP's limit is that of the
    calling thread, and ends with its block.
    """
    import torch

    def block(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = np.arange(start, min(start + _BLOCK, n))
        levels = draw(split, rows)
        torch.get_num_threads()  # when first asked in a thread, torch sets that thread's number: not inside the limit
        with threadpool_limits(limits=1, user_api="openmp"):
            features = frame_features(levels.reshape(-1, SIZE, SIZE))
        return rows, levels, features.reshape(len(rows), FRAMES, DIM)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(block, range(0, n, _BLOCK))


def _generator(split: str, *row: int) -> np.random.Generator:
    seed = np.random.SeedSequence([VERSION, SPLITS.index(split), *row])
    return np.random.Generator(np.random.Philox(seed))
