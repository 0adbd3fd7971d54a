"""``robustness``: what trained cells lose when their queries are damaged."""

from __future__ import annotations

import argparse

from benchmark.commands import shared
from benchmark.paths import page_folder, results_folder, shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Perturb the queries of finished cells (drop, shuffle, reverse, crop, noise), encode them with the "
        "cell's model.pt and rank them against its stored database codes. Nothing is trained."
    )
    parser.add_argument("--methods", nargs="+", metavar="M", help="only these: names, or name:variant")
    parser.add_argument("--datasets", nargs="+", metavar="D", help="only these, named as for run")
    parser.add_argument("--bits", nargs="+", type=int, metavar="B", help="only these code lengths")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="only these seeds")
    parser.add_argument("--rerun", action="store_true", help="measure again the cells that have it")
    shared.add_device(parser)
    parser.add_argument("--no-page", action="store_true", help="leave the page as it is; 'report' builds it later")
    shared.add_results(parser)
    shared.add_roots(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb; the exit code is 1 where a cell could not be measured."""
    from benchmark.robustness import job

    results, roots = results_folder(args.results), shared.roots(args)
    wanted = job.Wanted(args.methods or (), args.datasets or (), args.bits or (), args.seeds or ())
    failed = job.run(job.find_cells(results, wanted, roots), roots, args.device, args.rerun)
    if not args.no_page:
        from benchmark.publish.page import build

        print(f"page: {shown(build(results, page_folder(results), (), roots))}")
    return 1 if failed else 0
