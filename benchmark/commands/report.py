"""``report``: the page, figures and tables of a results folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared

if TYPE_CHECKING:
    from benchmark.dataset import Roots
    from benchmark.records.expected import ExpectedCell


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "report",
        help="build the page from records",
        description="Build one offline HTML page, figures and tables.",
    )
    shared.add_results(parser)
    shared.add_roots(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the page (default: reports/html/)")
    parser.set_defaults(call=call)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.errors import BadInput

    results = shared.results_folder(args.results)
    if not results.is_dir():
        raise BadInput("no such results folder", file=results, next_step="'python -m benchmark run' makes one")
    page = build(results, args.out or shared.page_folder(results), (), shared.roots(args))
    print(f"page: {shared.shown(page)}")
    return 0


def build(results: Path, out: Path, expected: Sequence[ExpectedCell], roots: Roots) -> Path:
    """Build the page and return its path; cells that are expected and have no record are shown as not run."""
    from benchmark.commands import listing
    from benchmark.previews import Previews
    from reports.page import build as build_page

    return build_page(
        results, out, expected, stale=listing.is_stale, cards=listing.cards(), pictures=Previews(results, roots).picture
    )
