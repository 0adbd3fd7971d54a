"""Options that several verbs share."""

from __future__ import annotations

import argparse

from benchmark.paths import CACHE_VARIABLE, DATA_VARIABLE, Roots, path_of

DEVICES = ("auto", "cpu", "cuda")


def add_roots(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root`` and ``--cache``."""
    parser.add_argument(
        "--data-root",
        type=path_of,
        metavar="DIR",
        help=f"folder with one folder per dataset (default: ${DATA_VARIABLE}, else data/)",
    )
    parser.add_argument(
        "--cache",
        type=path_of,
        metavar="DIR",
        help=f"folder for derived files: embedded data, checks, artefacts (default: ${CACHE_VARIABLE}, else .cache/)",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add ``--results``."""
    parser.add_argument("--results", type=path_of, metavar="DIR", help="folder of the records (default: results/)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")


def roots(args: argparse.Namespace) -> Roots:
    """Return where data and derived files lie."""
    return Roots.of(args.data_root, args.cache)
