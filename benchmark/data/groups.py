"""Groups of near-duplicate videos, such as clips of one source video, as a file beside the features names them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmark.errors import BadInput

FILE = "videos.csv"
NEEDED = ("split", "row", "group")


def read_groups(folder: Path, names: set[str], n: int) -> np.ndarray | None:
    """Return a number for the group of each of ``n`` videos, int64 ``(n,)``, or None where the file says nothing.

    ``videos.csv`` has the columns split, row (from 0) and group; with a column class, groups are numbered inside of a
    class. names: what the split may be called there. Raises BadInput where it does not list each row once.
    """
    path = folder / FILE
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            lacking = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if lacking:
                raise BadInput("lacks a column", file=path, expected=", ".join(NEEDED), found=f"no {lacking[0]}")
            lines = [line for line in reader if line["split"] in names]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"is not readable CSV: {error}", file=path) from error
    if not lines:
        return None
    group_of = {line["row"]: (line.get("class") or "", line["group"]) for line in lines}
    if set(group_of) != {str(row) for row in range(n)} or len(group_of) != len(lines):
        raise BadInput(
            f"does not list each video of '{'/'.join(sorted(names))}' once",
            file=path,
            expected=f"rows 0 to {n - 1}",
            found=f"{len(lines)} lines",
            next_step="correct the file, or take it away: groups are optional",
        )
    _, number = np.unique(["\t".join(group_of[str(row)]) for row in range(n)], return_inverse=True)
    return number.astype(np.int64)
