"""Where things lie: the checkout, the data, derived files, records and the page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
            data=data or Path(os.environ.get(DATA_VARIABLE) or ROOT / "data"),
            cache=cache or Path(os.environ.get(CACHE_VARIABLE) or ROOT / ".cache"),
        )


def results_folder(given: Path | None) -> Path:
    """Return the root of the records: the given folder, else that of the checkout."""
    return given or ROOT / "results"


def page_folder(results: Path) -> Path:
    """Return where the page of a results root goes: reports/html for the default root, else beside the records."""
    return ROOT / "reports" / "html" if results.resolve() == ROOT / "results" else results / "html"


def shown(path: Path) -> str:
    """Return a path as text, relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
