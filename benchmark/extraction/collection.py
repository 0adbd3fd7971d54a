"""Which files of a folder are videos, and the tables a user gives about them."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BadInput

ENDINGS = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))  # fmt: skip
"""Endings of file names that are taken for videos, in any case."""

SEPARATOR = ";"


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
    A folder with a video's ending is listed with its problem and not entered.
    """
    if not folder.is_dir():
        raise BadInput("no such folder", file=folder, next_step="correct --videos")
    videos: list[Video] = []
    seen: set[Path] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place).resolve()
        entered = here not in seen and here != leave_out.resolve()
        seen.add(here)
        names = [name for name in (*files, *folders) if entered and _is_video(name)]
        folders[:] = [name for name in folders if entered and not name.startswith(".") and name not in names]
        videos += [_video(folder, Path(place) / name) for name in names]
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


def _video(folder: Path, path: Path) -> Video:
    name = path.relative_to(folder).as_posix()
    problem = "is a folder, not a file" if path.is_dir() else ""
    if not name.isprintable():  # bytes that are no UTF-8 appear as lone surrogates, which no file could hold
        name, problem = name.encode("unicode_escape", "surrogatepass").decode(), "has a name that cannot be printed"
    return Video(name, path, problem)


def read_table(path: Path, column: str, videos: Sequence[Video]) -> tuple[dict[str, list[str]], int]:
    """Return video name -> values of ``column`` of a CSV with the columns ``video`` and ``column``, in their order.

    Several rows of one video, and ``;`` inside a value, give several values; empty ones give none. A video is named by
    its path below the folder or, where only one video has them, by its file name, with or without ending. The second
    result counts the rows that name no video of the folder. Raises BadInput where that is all of them.
    """
    ways = _ways_to_name(videos)
    values: dict[str, list[str]] = {}
    unknown = rows = 0
    for line, row in _rows(path, column):
        rows += 1
        name_in_table = (row["video"] or "").strip()
        names = ways.get(name_in_table, [])
        if len(names) > 1:
            raise BadInput(
                f"line {line}: several videos are called '{name_in_table}'",
                file=path,
                found=", ".join(names[:3]),
                next_step="write the path below the folder",
            )
        unknown += not names
        for name in names:
            given = [part.strip() for part in (row[column] or "").split(SEPARATOR)]
            mine = values.setdefault(name, [])
            mine += [part for part in given if part and part not in mine]
    if unknown == rows:
        raise BadInput(
            "names no video of the folder",
            file=path,
            key="video",
            expected=f"names such as '{videos[0].name}'",
            found=f"'{name_in_table}'" if rows else "no row",
        )
    return values, unknown


def _rows(path: Path, column: str) -> list[tuple[int, dict[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            for needed in ("video", column):
                if needed not in header:
                    raise BadInput(
                        "no such column", file=path, key=needed, found=", ".join(header) or "an empty file",
                        next_step=f"the first line must name the columns video,{column}",
                    )  # fmt: skip
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path, next_step="correct the path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"cannot be read as CSV ({error})", file=path, next_step="save it as UTF-8 CSV") from error


def _ways_to_name(videos: Sequence[Video]) -> dict[str, list[str]]:
    ways: dict[str, list[str]] = {}
    for video in videos:
        file = video.name.rpartition("/")[2]
        for way in {file, os.path.splitext(file)[0], os.path.splitext(video.name)[0]}:  # noqa: PTH122
            ways.setdefault(way, []).append(video.name)
    return {**ways, **{video.name: [video.name] for video in videos}}
