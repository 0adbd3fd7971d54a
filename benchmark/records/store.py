"""Records on disk: written atomically, read in any schema version, and a whole results folder at once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from benchmark.files.atomic import write_json
from benchmark.records.record import FAILURE, RECORD, RESERVED, SCHEMA, Record


@dataclass(frozen=True)
class Damaged:
    """A file that should be a record and cannot be read as one."""

    path: Path
    reason: str


@dataclass
class Contents:
    """The contents of a results folder; ``folders`` maps a record's ``place``, dataset and key, to its cell folder."""

    records: list[Record] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    folders: dict[tuple[str, str], Path] = field(default_factory=dict)


def write(folder: Path, record: Record) -> None:
    """Write a record (or a failure beside it) atomically; success removes an older failure."""
    name = RECORD if record.status == "done" else FAILURE
    write_json(folder / name, record.model_dump(mode="json"))
    if record.status == "done":
        with suppress(OSError):  # it does not count beside a record
            (folder / FAILURE).unlink(missing_ok=True)


def read(path: Path) -> Record | Damaged:
    """Read one record of any schema version up to the current one."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            return Damaged(path, "is no JSON object")
        version = raw.get("schema_version")
        if not isinstance(version, int) or version > SCHEMA:
            return Damaged(path, f"has schema version {version!r}; this suite reads up to {SCHEMA}")
        return Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Damaged(path, f"does not fit the schema at '{where}': {first['msg']}")
    except (OSError, ValueError, RecursionError) as error:
        return Damaged(path, f"cannot be read: {error}")


def read_cell(folder: Path) -> Record | Damaged | None:
    """Read what a cell's folder has: its record, else its failure, else None."""
    paths = [folder / name for name in (RECORD, FAILURE) if (folder / name).exists()]
    return read(paths[0]) if paths else None


def load(folder: Path) -> Record | None:
    """Return the cell's record if it is done, else its failure, else None; a damaged file counts as none."""
    for name in (RECORD, FAILURE):
        if (folder / name).exists():
            record = read(folder / name)
            if isinstance(record, Record):
                return record
    return None


def cell_folders(root: Path) -> list[Path]:
    """Return the folders of all cells under a results root, finished or not, in path order."""
    folders = sorted(path for path in root.glob("*/*/*/seed*") if path.is_dir())
    return [folder for folder in folders if folder.relative_to(root).parts[0] not in RESERVED]


def scan(root: Path) -> Contents:
    """Read every record under a results root, in path order; a failure counts where no record is done."""
    contents = Contents()
    for folder in sorted({path.parent for path in root.glob("*/*/*/*/*.json")}):
        record = None if folder.relative_to(root).parts[0] in RESERVED else read_cell(folder)
        if isinstance(record, Damaged):
            contents.damaged.append(record)
        elif record is not None:
            contents.records.append(record)
            if record.status == "done" or record.place not in contents.folders:
                contents.folders[record.place] = folder
    return contents
