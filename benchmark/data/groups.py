"""Groups of near-duplicate videos, such as clips of one source video, as a file beside the features names them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import BadInput, nearest
from benchmark.files.tables import Row, read_rows

FILE = "videos.csv"
NEEDED = ("split", "row", "group")

SPLIT_NAMES = ("train", "database", "query", "test")
"""What the file may call a split, in any case; ``test`` are the queries."""

_ROW = re.compile(r"([0-9]{1,15})(\.0*)?")
"""A row's number, also as spreadsheets and pandas write whole numbers (03, 3.0)."""

_NEXT = "correct the file, or take it away: groups are optional"


def read_groups(folder: Path, names: set[str], n: int) -> np.ndarray | None:
    """Return a number for the group of each of ``n`` videos, int64 ``(n,)``, or None where the file says nothing.

    ``videos.csv`` has the columns split, row (from 0) and group; with a column class, groups are numbered inside of a
    class. names: what the split may be called there. Raises BadInput where it does not list each row once.
    """
    path = folder / FILE
    if not os.path.lexists(path):
        return None
    rows = [row for row in read_rows(path, NEEDED) if _split(path, row) in names]
    if not rows:
        return None
    groups = _by_row(path, rows, n, "/".join(sorted(names)))
    number = {group: place for place, group in enumerate(sorted(set(groups)))}
    return np.array([number[group] for group in groups], np.int64)


def _by_row(path: Path, rows: Sequence[Row], n: int, split: str) -> list[tuple[str, str]]:
    """Return class and group of each video in the order of its row; raises BadInput unless each is there once."""
    groups: dict[int, tuple[str, str]] = {}
    for row in rows:
        number = _number(path, row)
        if number in groups or number >= n:
            problem = "again" if number in groups else "which is beyond the last"
            raise _incomplete(path, split, n, len(rows), f"row {number} {problem}, in line {row.line}")
        groups[number] = _name(row.cells.get("class", "")), _name(row.cells["group"])
        if not row.cells["group"]:
            raise BadInput(
                f"line {row.line}: the video has no group",
                file=path,
                next_step="give it one; a video that stands alone is a group of its own",
            )
    if len(groups) < n:
        missing = next(number for number in range(n) if number not in groups)
        raise _incomplete(path, split, n, len(rows), f"no row {missing}")
    return [groups[number] for number in range(n)]


def _incomplete(path: Path, split: str, n: int, lines: int, what: str) -> BadInput:
    return BadInput(
        f"does not list each video of '{split}' once",
        file=path,
        expected=f"rows 0 to {n - 1}",
        found=f"{lines} lines, {what}",
        next_step=_NEXT,
    )


def _split(path: Path, row: Row) -> str:
    name = row.cells["split"].casefold()
    if name not in SPLIT_NAMES:
        raise BadInput(
            f"line {row.line}: there is no split '{row.cells['split'][:40]}'",
            file=path,
            key="split",
            next_step=nearest(name[:40], SPLIT_NAMES),
        )
    return name


def _number(path: Path, row: Row) -> int:
    matched = _ROW.fullmatch(row.cells["row"])
    if not matched:
        found = f"'{row.cells['row'][:40]}'"
        raise BadInput(
            f"line {row.line}: is no row", file=path, key="row", expected="a whole number from 0", found=found
        )
    return int(matched[1])


def _name(text: str) -> str:
    return unicodedata.normalize("NFC", text)
