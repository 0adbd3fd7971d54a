"""Which files of a folder are videos."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BadInput
from benchmark.extraction.naming import can_be_stored, shown_name

ENDINGS = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))  # fmt: skip
"""Endings of file names that are taken for videos, in any case."""


@dataclass(frozen=True)
class Video:
    """A file of the collection; ``name`` is its path below the folder, with ``/``; ``problem`` forbids its use."""

    name: str
    path: Path
    problem: str = ""

    @property
    def folder(self) -> str:
        """Return the folder that holds it, below the collection's, empty for the collection's own."""
        return self.name.rpartition("/")[0]


def collect(folder: Path, leave_out: Path) -> list[Video]:
    """Return the videos below ``folder`` in the order of their names; raises BadInput where there is none.

    Known by their endings. Links are followed, hidden files and folders and the folder ``leave_out`` are not looked at.
    A folder with a video's ending, and one that cannot be entered, is listed with its problem.
    """
    if not folder.is_dir():
        raise BadInput("no such folder", file=folder, next_step="correct --videos")
    videos: list[Video] = []
    seen: set[Path] = set()
    closed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=closed.append, followlinks=True):
        here = Path(place).resolve()
        entered = here not in seen and here != leave_out.resolve()
        seen.add(here)
        names = [name for name in (*files, *folders) if entered and _is_video(name)]
        folders[:] = [name for name in folders if entered and not name.startswith(".") and name not in names]
        videos += [_video(folder, Path(place) / name) for name in names]
    videos += [_closed(folder, error) for error in closed]
    if not videos:
        raise BadInput(
            "holds no video",
            file=folder,
            expected=f"files that end in {', '.join(sorted(ENDINGS))}",
            next_step="correct --videos",
        )
    return sorted(videos, key=lambda video: video.name)


def _is_video(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS  # noqa: PTH122


def _closed(folder: Path, error: OSError) -> Video:
    """Return what stands for the videos of a folder that cannot be listed, so that they are not missed in silence."""
    path = Path(error.filename)
    if path == folder:
        raise BadInput(f"cannot be listed ({error.strerror})", file=folder, next_step="correct --videos") from error
    return Video(shown_name(path.relative_to(folder).as_posix()), path, f"cannot be listed ({error.strerror})")


def _video(folder: Path, path: Path) -> Video:
    name = path.relative_to(folder).as_posix()
    problem = "is a folder, not a file" if path.is_dir() else ""
    if not can_be_stored(name):
        return Video(shown_name(name), path, "has a name that is no UTF-8 text of one line; rename it")
    return Video(name, path, problem)
