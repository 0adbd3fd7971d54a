"""``report``: the page, figures and tables of a results folder."""

from __future__ import annotations

import argparse

from benchmark.commands import shared
from benchmark.errors import BadInput
from benchmark.paths import page_folder, path_of, results_folder, shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = "Build one offline HTML page, figures and tables."
    shared.add_results(parser)
    shared.add_roots(parser)
    parser.add_argument("--out", type=path_of, metavar="DIR", help="folder of the page (default: reports/html/)")


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.publish.page import build

    results = results_folder(args.results)
    if not results.is_dir():
        raise BadInput("no such results folder", file=results, next_step="'python -m benchmark run' makes one")
    page = build(results, args.out or page_folder(results), (), shared.roots(args))
    print(f"page: {shown(page)}")
    return 0
