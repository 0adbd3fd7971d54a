"""Tables that a user gives about the videos of a folder: labels, splits, groups."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import BadInput
from benchmark.extraction.collection import Video
from benchmark.extraction.naming import LONGEST_NAME, VideoNames, shown_name
from benchmark.files.tables import Row, read_rows

SEPARATOR = ";"
EXAMPLES = 3
"""Rows of one kind that a sentence names (our choice)."""


@dataclass
class VideoTable:
    """What a table says of the videos.

    values: video name -> the values of its rows, without repetition. notes: sentences about rows that name no video, or
    one that is written in another way.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_video_table(path: Path, column: str, videos: Sequence[Video], folder: Path) -> VideoTable:
    """Return ``column`` of a CSV with the columns ``video`` and ``column``; ``folder`` is that of the videos.

    Several rows of one video, and ``;`` inside a value, give several values; empty ones give none. Values are taken in
    the composed Unicode form. ``VideoNames`` says how a video may be named. Raises BadInput where a name is that of
    several videos, and where no row names one.
    """
    names = VideoNames([video.name for video in videos], folder, path)
    table = VideoTable()
    unknown: list[Row] = []
    differing: list[tuple[Row, str]] = []
    rows = read_rows(path, ("video", column))
    for row in rows:
        match = names.match(row.cells["video"]) if row.cells["video"] else None
        if match is None or not match.names:
            unknown.append(row)
            continue
        if len(match.names) > 1:
            raise BadInput(
                f"line {row.line}: several videos are called '{_shown(row)}'",
                file=path,
                found=", ".join(shown_name(name, LONGEST_NAME) for name in match.names[:EXAMPLES]),
                next_step="write the path below the folder",
            )
        (name,) = match.names
        if not match.is_exact:
            differing.append((row, name))
        values = table.values.setdefault(name, [])
        given = [unicodedata.normalize("NFC", part).strip() for part in row.cells[column].split(SEPARATOR)]
        values += [part for part in dict.fromkeys(given) if part and part not in values]
    example = shown_name(videos[0].name, LONGEST_NAME)
    if not table.values:
        raise BadInput(
            "names no video of the folder",
            file=path,
            key="video",
            expected=f"names such as '{example}'",
            found=f"'{_shown(rows[0])}' (line {rows[0].line})" if rows else "no row",
        )
    table.notes = _notes(path, folder, example, unknown, differing)
    return table


def _notes(
    path: Path, folder: Path, example: str, unknown: Sequence[Row], differing: Sequence[tuple[Row, str]]
) -> list[str]:
    notes = []
    table = shown_name(path.name, LONGEST_NAME)
    if unknown:
        listed = ", ".join(f"'{_shown(row)}' (line {row.line})" for row in unknown[:EXAMPLES])
        name = "row names" if len(unknown) == 1 else "rows name"
        notes.append(
            f"{table}: {len(unknown):,} {name} no video below {shown_name(str(folder), LONGEST_NAME)}, first {listed}; "
            f"looked for by path and by file name: write the path below that folder, such as '{example}'"
        )
    if differing:
        listed = ", ".join(
            f"'{_shown(row)}' (line {row.line}) for '{shown_name(name, LONGEST_NAME)}'"
            for row, name in differing[: EXAMPLES - 1]
        )
        name = "row names its" if len(differing) == 1 else "rows name their"
        notes.append(f"{table}: {len(differing):,} {name} video in another case or spelling, {listed}")
    return notes


def _shown(row: Row) -> str:
    return shown_name(row.cells["video"], LONGEST_NAME)
