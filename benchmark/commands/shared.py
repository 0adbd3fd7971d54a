"""Options that several verbs share, and where things lie by default."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.registry import ROOT

if TYPE_CHECKING:
    from benchmark.dataset import Roots

DATA_VARIABLE, CACHE_VARIABLE = "VIDEO_HASHING_DATA", "VIDEO_HASHING_CACHE"


def add_roots(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root`` and ``--cache``."""
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help=f"folder with one folder per dataset (default: ${DATA_VARIABLE}, else data/)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help=f"folder for derived files: embedded data, checks, artefacts (default: ${CACHE_VARIABLE}, else .cache/)",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add ``--results``."""
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder of the records (default: results/)")


def roots(args: argparse.Namespace) -> Roots:
    """Return where data and derived files lie."""
    from benchmark.dataset import Roots

    return Roots(
        data=args.data_root or Path(os.environ.get(DATA_VARIABLE) or ROOT / "data"),
        cache=args.cache or Path(os.environ.get(CACHE_VARIABLE) or ROOT / ".cache"),
    )


def results_folder(given: Path | None) -> Path:
    """Return the results root."""
    return given or ROOT / "results"


def page_folder(results: Path) -> Path:
    """Return where the page of a results root goes: reports/html for the default root, else beside the records."""
    return ROOT / "reports" / "html" if results.resolve() == ROOT / "results" else results / "html"


def shown(path: Path) -> str:
    """Return a path relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
