"""Where things lie: the checkout, the data, derived files, records and the page."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BadInput, of_system

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

DATA_VARIABLE, CACHE_VARIABLE = "VIDEO_HASHING_DATA", "VIDEO_HASHING_CACHE"
"""Environment variables that name the two folders of ``Roots``."""


@dataclass(frozen=True)
class Roots:
    """data: the folder with one folder per dataset; cache: where derived things may be kept."""

    data: Path
    cache: Path

    @classmethod
    def of(cls, data: Path | None = None, cache: Path | None = None) -> Roots:
        """Return the folders that are given, else those of the environment, else those of the checkout."""
        return cls(
            data=data or path_of(os.environ.get(DATA_VARIABLE) or ROOT / "data"),
            cache=cache or path_of(os.environ.get(CACHE_VARIABLE) or ROOT / ".cache"),
        )


def results_folder(given: Path | None) -> Path:
    """Return the root of the records: the given folder, else that of the checkout."""
    return given or ROOT / "results"


def page_folder(results: Path) -> Path:
    """Return where the page of a results root goes: reports/html for the default root, else beside the records."""
    return ROOT / "reports" / "html" if results.resolve() == ROOT / "results" else results / "html"


def shown(path: Path) -> str:
    """Return a path as text, relative to the working folder where it lies below it, and never like an option."""
    try:
        text = str(path.resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        text = str(path)
    return f"./{text}" if text.startswith("-") else text


def path_of(text: str | Path) -> Path:
    """Return the path that a user named; raises BadInput where no file can have that name."""
    try:
        os.lstat(text)
    except ValueError as error:
        raise BadInput(f"is a name that no file can have ({error})", file=str(text)) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise of_system(error) from error
    return Path(text)


def is_folder(text: str | Path) -> bool:
    """Return whether a folder has this name, which may be one that no file can have."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False
