"""The one reader of CSV tables that people write about videos.

``read_rows(path, columns)`` returns a ``Row(line, cells)`` for each line below the header: ``line`` counts lines of the
file from 1, for messages, and ``cells`` is a dict from column to text, with the spaces around it taken away. All
columns of the file are there; those of ``columns`` must be. Empty lines are left out. A missing file, another
encoding, a lacking column, and a line that is shorter or longer than the header are BadInput that names file and line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import BadInput
from benchmark.files.text import read_text

_SHOWN = 8
"""Columns that a message lists of a header (our choice)."""


class Row(NamedTuple):
    """One line of a table: its number in the file, from 1, and its cells by column, without spaces around them."""

    line: int
    cells: dict[str, str]


def read_rows(path: Path, columns: Sequence[str], missing: str = "correct the path") -> list[Row]:
    """Return the rows of a CSV file in UTF-8, with commas and a header, in their order.

    columns: those that the header must name. missing: the next step where there is no such file. Raises BadInput.
    """
    reader = csv.reader(io.StringIO(read_text(path, missing), newline=""), skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, columns)
        return [
            Row(reader.line_num, _cells(path, reader.line_num, header, values)) for values in reader if _any(values)
        ]
    except csv.Error as error:
        raise BadInput(
            f"line {reader.line_num}: cannot be read as CSV ({error})", file=path, next_step="correct its quotes"
        ) from error


def _any(values: list[str]) -> bool:
    return any(value.strip() for value in values)


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    for name in columns:
        if name not in header:
            shown = ", ".join(column[:40] for column in header[:_SHOWN]) or "an empty file"
            raise BadInput(
                "no such column",
                file=path,
                key=name,
                found=f"{shown}, ..." if len(header) > _SHOWN else shown,
                next_step=f"the first line must name the columns {','.join(columns)}, with commas between them",
            )
        if header.count(name) > 1:
            raise BadInput("the first line names this column twice", file=path, key=name)


def _cells(path: Path, line: int, header: list[str], values: list[str]) -> dict[str, str]:
    """Return the cells of a line by column; empty cells behind the last column are left out."""
    if len(values) < len(header) or _any(values[len(header) :]):
        raise BadInput(
            f"line {line}: has another number of fields than the first line",
            file=path,
            expected=len(header),
            found=f"{len(values)}, the first '{values[0][:40]}'",
            next_step="complete it; a field that holds a comma needs quotes",
        )
    return {name: value.strip() for name, value in zip(header, values, strict=False)}
