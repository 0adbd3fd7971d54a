"""One extraction: its plan, the work that is left, and the files at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.extraction.collection import Video, collect
from benchmark.extraction.labels import Labels, read_labels
from benchmark.extraction.output import TABLE, ExtractedDataset, TableRow, attributes, write_dataset, write_table
from benchmark.extraction.pipeline import Augment, ClipRecipe, StageTimes, VideoOutcome, extract
from benchmark.extraction.splits import Splits, draw_splits, read_groups, read_splits
from benchmark.extraction.streams import STREAM_RULE
from benchmark.extraction.timeline import RULE
from benchmark.extraction.work import VideoEntry, WorkArea
from benchmark.files.atomic import write_json, writing_to
from benchmark.interfaces.dataset import SPLITS
from benchmark.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.extraction.backbones import Backbone

SHARD_BYTES, SHARD_SECONDS = 16 * 2**20, 10.0
"""A batch of finished videos is written when it has this size, or its first video is this old (our choice)."""

REPORT = "extract.json"
FULL = "make room; the same command goes on with the videos that are left"


@dataclass(frozen=True)
class Views:
    """How views after the first are made: ``make(frames, seed, name, view)``, and the version of the recipe."""

    make: Callable[[Tensor, int, str, int], Tensor]
    version: str


@dataclass(frozen=True)
class ExtractionPlan:
    """The videos, labels and splits of a call, checked. ``notes``: sentences for the user about tables and labels."""

    videos: Sequence[Video]
    labels: Labels
    splits: Splits
    groups: Mapping[str, str]
    notes: Sequence[str]


@dataclass(frozen=True)
class Report:
    """The outcome of a call. ``rows``: one per video of a split; ``new``: videos that this call extracted."""

    rows: Sequence[TableRow]
    splits: Splits
    new: int
    busy: StageTimes
    wall: float
    missing: Sequence[str]

    def count(self, status: str) -> int:
        """Return how many videos are ``ok``, ``partial`` or ``failed``."""
        return sum(row.status == status for row in self.rows)

    def notes(self) -> list[str]:
        """Return sentences about videos that are stored in a way that allows more than one set of frames."""
        entries = [row.entry for row in self.rows if row.entry is not None]
        interlaced, several = (
            sum(entry.is_interlaced for entry in entries),
            sum(bool(entry.stream) for entry in entries),
        )
        notes = []
        if interlaced:
            notes.append(
                f"{interlaced:,} interlaced {_videos(interlaced)}: both fields of a frame stay together, nothing is "
                f"deinterlaced; the column 'interlaced' of {TABLE} names them"
            )
        if several:
            notes.append(
                f"{several:,} {_videos(several)} with several video streams, {STREAM_RULE}; the column 'stream' of "
                f"{TABLE} names what was taken"
            )
        return notes


def _videos(count: int) -> str:
    return "video" if count == 1 else "videos"


def make_plan(
    folder: Path, out: Path, labels: Path | None, splits: Path | None, groups: Path | None, share: float, seed: int
) -> ExtractionPlan:
    """Collect the videos and decide on labels and splits; raises BadInput."""
    videos = collect(folder, out)
    video_labels, notes = read_labels(videos, labels, folder)
    grouped, more = read_groups(videos, groups, folder)
    notes += more
    if splits is not None:
        chosen, more = read_splits(videos, splits, folder)
        notes += more
    else:
        chosen = draw_splits(videos, video_labels, grouped, share, seed)
    used = {name for names in chosen.values() for name in names}
    if len(used) < len(videos):
        notes.append(f"{len(videos) - len(used):,} videos of the folder are in no split and are left out")
    without = sum(not video_labels.of.get(name) for name in used)
    if not video_labels.classes:
        notes.append(
            "no video has a label: methods can be trained and videos encoded, but every score will be 0; "
            "give --labels, or lay the videos in one folder per class"
        )
    elif without:
        notes.append(f"{without:,} videos have no label and are relevant to nothing")
    return ExtractionPlan([video for video in videos if video.name in used], video_labels, chosen, grouped, notes)


def run(
    plan: ExtractionPlan, out: Path, backbone: Backbone, views: Views | None, recipe: ClipRecipe, seed: int, dtype: str
) -> Report:
    """Extract what is missing and write the dataset; raises BadInput.

    Finished videos are kept batch by batch. The dataset is not written while a split has no video; ``Report.missing``
    then names it.
    """
    settings = _settings(backbone, views, recipe, seed, dtype)
    augment: Augment | None = None
    if views is not None:
        make = views.make
        augment = lambda frames, name, view: make(frames, seed, name, view)  # noqa: E731
    began, busy = time.perf_counter(), StageTimes()
    with writing_to(out, FULL), WorkArea.opened(out, settings, dtype) as work:
        failed, new = _extract(plan.videos, work, backbone, augment, recipe, busy)
        wall = time.perf_counter() - began
        rows = [_row(video, work, failed.get(video.name, "")) for video in plan.videos]
        done = {row.name for row in rows if row.entry is not None}
        splits = {split: [name for name in names if name in done] for split, names in plan.splits.items()}
        missing = [split for split in SPLITS if not splits[split]]
        if not missing:
            described = attributes({**settings, "stream": STREAM_RULE}, backbone.spec)
            write_dataset(ExtractedDataset(out, splits, plan.labels, plan.groups, described, recipe.thumbnails), work)
        write_table(out, rows, plan.splits, plan.labels)
        report = Report(rows, splits, new, busy, wall, missing)
        write_json(out / REPORT, _report_json(report, settings, recipe))
    return report


def _extract(
    videos: Sequence[Video],
    work: WorkArea,
    backbone: Backbone,
    augment: Augment | None,
    recipe: ClipRecipe,
    busy: StageTimes,
) -> tuple[dict[str, str], int]:
    """Extract what the work area lacks; return the reasons of those that failed, and how many were extracted anew."""
    todo = [(video, entry) for video in videos for fresh, entry in [_earlier(video, work, recipe)] if not fresh]
    failed: dict[str, str] = {}
    batch: list[tuple[VideoEntry, np.ndarray, bytes]] = []
    new, began = 0, time.monotonic()
    with Progress("extract") as progress:
        progress.phase(f"{len(todo):,} of {len(videos):,}", len(todo))
        try:
            for outcome in extract(todo, backbone, augment, recipe, busy):
                progress.advance(1)
                if outcome.reason or outcome.entry is None:
                    failed[outcome.video.name] = outcome.reason
                    continue
                began = began if batch else time.monotonic()
                batch.append(_item(outcome, outcome.entry, work))
                new += not outcome.is_unchanged
                full = sum(features.nbytes for _, features, _ in batch) >= SHARD_BYTES
                if full or time.monotonic() - began >= SHARD_SECONDS:
                    work.add(batch)
                    batch = []
        finally:
            work.add(batch)
    return failed, new


def _earlier(video: Video, work: WorkArea, recipe: ClipRecipe) -> tuple[bool, VideoEntry | None]:
    """Return whether a video's features are of the file as it is, and the entry of an earlier call, if any."""
    entry = work.entries.get(video.name)
    if video.problem or entry is None:
        return False, None
    if (entry.damage and not recipe.allow_partial) or (recipe.thumbnails and not entry.thumbnail):
        return False, None
    try:
        state = video.path.stat()
    except OSError:
        return False, entry
    return (state.st_size, state.st_mtime_ns) == (entry.size, entry.mtime_ns), entry


def _item(outcome: VideoOutcome, entry: VideoEntry, work: WorkArea) -> tuple[VideoEntry, np.ndarray, bytes]:
    if outcome.is_unchanged:
        return entry, work.features(entry.name), work.thumbnail(entry.name)
    features = outcome.features
    assert features is not None
    if work.dtype == np.float16 and np.abs(features).max() > np.finfo(np.float16).max:
        raise BadInput(
            "a feature does not fit float16", file=outcome.video.path, expected="65504 at most",
            found=f"{np.abs(features).max():g}", next_step="use --dtype float32 and another --out",
        )  # fmt: skip
    return entry, features, outcome.thumbnail


def _row(video: Video, work: WorkArea, reason: str) -> TableRow:
    entry = None if reason else work.entries[video.name]
    if entry is None:
        return TableRow(video.name, "failed", reason, None)
    return TableRow(video.name, "partial" if entry.damage else "ok", entry.damage, entry)


def _settings(backbone: Backbone, views: Views | None, recipe: ClipRecipe, seed: int, dtype: str) -> dict[str, Any]:
    """Return what decides the numbers; the views' seed only where there are views to draw."""
    of_views = {} if views is None else {"views_seed": seed, "views_recipe": views.version}
    return {
        "backbone": dict(backbone.identity),
        "frames": recipe.frames,
        "sampling": RULE,
        "views": recipe.views,
        "dtype": dtype,
        **of_views,
    }


def _report_json(report: Report, settings: dict[str, Any], recipe: ClipRecipe) -> dict[str, Any]:
    return {
        "settings": settings,
        "videos": {status: report.count(status) for status in ("ok", "partial", "failed")},
        "extracted_by_this_call": report.new,
        "splits": {split: len(names) for split, names in report.splits.items()},
        "busy_seconds": report.busy.seconds,
        "wall_seconds": report.wall,
        "workers": recipe.workers,
        "failed": {row.name: row.reason for row in report.rows if row.status == "failed"},
    }
