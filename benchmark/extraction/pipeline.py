"""Videos to features: threads decode and prepare clips while the backbone works on those that are ready.

The backbone is called with the frames of one video at a time, in blocks of at most ``batch`` frames, as equal as they
can be. So a video's features are a function of the video alone, and not of which other videos happened to be left: an
interrupted extraction gives the bytes of an uninterrupted one, with any number of workers. Videos come out in the order
of the input.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import BadInput
from benchmark.extraction.collection import Video
from benchmark.extraction.decoding import UnreadableVideo, library_versions, read_clip
from benchmark.extraction.thumbnails import thumbnail
from benchmark.extraction.work import VideoEntry

if TYPE_CHECKING:
    from benchmark.extraction.backbones import Backbone

AHEAD = 2
"""Clips per worker that may be decoded, being decoded included, before the backbone takes them (our choice)."""


Augment = Callable[["Tensor", str, int], "Tensor"]
"""(frames of a clip, name of the video, view) -> frames of the view."""


@dataclass(frozen=True)
class ClipRecipe:
    """How clips are made: frames per clip, views, and whether a damaged file is used up to where it decodes."""

    frames: int
    views: int
    allow_partial: bool
    thumbnails: bool
    batch: int
    workers: int

    @property
    def block(self) -> int:
        """Return how many frames go through the backbone at a time: a video's, or equal parts of at most ``batch``."""
        total = self.views * self.frames
        return -(-total // -(-total // self.batch))


@dataclass
class StageTimes:
    """Seconds of work by stage, added up over threads; safe to add to from several."""

    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "prepare": 0.0, "backbone": 0.0})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a piece of work."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] += time.perf_counter() - began


@dataclass(frozen=True)
class VideoOutcome:
    """A video that is done, with features float32 (views, frames, dim) and thumbnail, or ``reason`` why there are none.

    ``is_unchanged``: the file's content is that of the earlier entry, whose features stay.
    """

    video: Video
    reason: str = ""
    entry: VideoEntry | None = None
    features: np.ndarray | None = None
    thumbnail: bytes = b""
    is_unchanged: bool = False


@dataclass(frozen=True)
class _Ready:
    outcome: VideoOutcome
    inputs: tuple[Tensor, ...] = ()


def extract(
    videos: Iterable[tuple[Video, VideoEntry | None]],
    backbone: Backbone,
    augment: Augment | None,
    recipe: ClipRecipe,
    busy: StageTimes,
) -> Iterator[VideoOutcome]:
    """Yield the outcome of every video in order. ``videos``: each with its entry of an earlier call, if any."""
    backbone.batch = recipe.block
    with ThreadPoolExecutor(recipe.workers, thread_name_prefix="decode") as pool:
        pending: deque[Future[_Ready]] = deque()
        todo = iter(videos)
        try:
            while True:
                while len(pending) < AHEAD * recipe.workers and (item := next(todo, None)) is not None:
                    pending.append(pool.submit(_ready, *item, backbone, augment, recipe, busy))
                if not pending:
                    return
                yield _finish(pending.popleft().result(), backbone, recipe, busy)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ready(
    video: Video,
    earlier: VideoEntry | None,
    backbone: Backbone,
    augment: Augment | None,
    recipe: ClipRecipe,
    busy: StageTimes,
) -> _Ready:
    if video.problem:
        return _Ready(VideoOutcome(video, video.problem))
    try:
        with busy.stage("decode"):
            state = video.path.stat()
            checksum = _checksum(video)
            if earlier is not None and earlier.sha256 == checksum:
                same = replace(earlier, size=state.st_size, mtime_ns=state.st_mtime_ns)
                return _Ready(VideoOutcome(video, entry=same, is_unchanged=True))
            clip = read_clip(video.path, recipe.frames, recipe.allow_partial)
            picture = thumbnail(clip.frames) if recipe.thumbnails else b""
    except UnreadableVideo as error:
        return _Ready(VideoOutcome(video, str(error)))
    except OSError as error:
        return _Ready(VideoOutcome(video, f"cannot be read ({error.strerror or error})"))
    except Exception as error:  # one odd file must not end the work on all others
        return _Ready(VideoOutcome(video, f"cannot be decoded ({type(error).__name__}: {error})"))
    entry = VideoEntry(
        name=video.name, size=state.st_size, mtime_ns=state.st_mtime_ns, sha256=checksum, frames=clip.decoded,
        seconds=clip.seconds, damage=clip.damage, made_with=made_with(recipe), thumbnail=len(picture),
        stream=clip.stream, is_interlaced=clip.is_interlaced,
    )  # fmt: skip
    with busy.stage("prepare"):
        pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        views = [pixels if augment is None else augment(pixels, video.name, view) for view in range(recipe.views)]
        inputs = tuple(backbone.prepare(view) for view in views)
    return _Ready(VideoOutcome(video, entry=entry, thumbnail=picture), inputs)


def made_with(recipe: ClipRecipe) -> str:
    """Return the software that decodes, and how many frames the backbone is given at a time."""
    return f"{library_versions()}, torch {torch.__version__}, {recipe.block} frames at a time"


def _finish(ready: _Ready, backbone: Backbone, recipe: ClipRecipe, busy: StageTimes) -> VideoOutcome:
    done = ready.outcome
    if not ready.inputs:
        return done
    try:
        with busy.stage("backbone"):
            inputs = torch.cat(ready.inputs)
            values = torch.cat([backbone.features(block) for block in inputs.split(recipe.block)])
    except BadInput as error:
        return VideoOutcome(done.video, str(error))
    if not torch.isfinite(values).all():
        return VideoOutcome(done.video, "the backbone's features of it are not all finite numbers")
    features = values.numpy().reshape(recipe.views, recipe.frames, backbone.dim)
    return VideoOutcome(done.video, entry=done.entry, features=features, thumbnail=done.thumbnail)


def _checksum(video: Video) -> str:
    with open(video.path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
