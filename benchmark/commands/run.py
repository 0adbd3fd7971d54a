"""``run``: the matrix of methods, datasets, bits and seeds."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands import shared
from benchmark.commands.options import OF_RUN, add_arguments, fill_from_toml
from benchmark.paths import page_folder, path_of, results_folder, shown
from benchmark.records.options import RunOptions

if TYPE_CHECKING:
    from benchmark.cells.executor import Job
    from benchmark.paths import Roots

DEFAULT_BITS, DEFAULT_SEEDS = [16, 32, 64], [0]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = "Run every cell of methods x datasets x bits x seeds that has no record yet."
    add_arguments(parser, OF_RUN)
    parser.add_argument("--set", nargs="+", action="extend", metavar="METHOD.KEY=VALUE", help="settings of methods")
    parser.add_argument("--config", type=path_of, metavar="F.toml", help="the same options from a file; flags win")
    parser.add_argument("--dry-run", action="store_true", help="show the cells and their state, run nothing")
    parser.add_argument("--no-page", action="store_true", help="leave the page as it is; 'report' builds it later")
    shared.add_results(parser)
    shared.add_roots(parser)
    group = parser.add_argument_group("options of a cell", "a cell with other values is another one, but for --curve")
    add_arguments(group, RunOptions.declared().values())


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.cells import executor, plan, summary
    from benchmark.errors import BadInput, Unwritable
    from benchmark.records import facts

    fill_from_toml(args)
    if not args.methods:
        raise BadInput("run needs --methods", next_step="'python -m benchmark list methods' shows them")
    request = plan.Request(
        methods=args.methods,
        datasets=args.datasets,
        bits=args.bits or DEFAULT_BITS,
        seeds=args.seeds or DEFAULT_SEEDS,
        settings=args.set or [],
        options=RunOptions.read(vars(args)),
        device=args.device or "auto",
    )
    roots, results = shared.roots(args), results_folder(args.results)
    matrix = plan.make_matrix(request, roots)
    for remark in matrix.remarks:
        print(remark, file=sys.stderr)
    command = shlex.join(["python", "-m", "benchmark", *sys.argv[1:]])
    job = executor.Job(matrix.cells, results, roots.cache, request.device, args.rerun, command)
    if args.dry_run:
        executor.show_plan(job)
        return 0
    for argument, dataset in matrix.datasets:
        try:
            facts.keep(results, dataset, argument)
        except Unwritable as error:
            if not executor.all_kept(job):
                raise
            print(f"note: {error}", file=sys.stderr)
    failed = executor.run(job)
    if args.robustness:
        failed += _perturb(job, roots)
    summary.show(job.cells, results)
    if not args.no_page:
        print(f"page: {shown(_page(job, roots))}")
    return 1 if failed else 0


def _perturb(job: Job, roots: Roots) -> int:
    """Measure the robustness of the job's finished cells; return how many could not be."""
    from benchmark.records import store
    from benchmark.robustness import job as robustness_job

    records = [(store.load(cell.folder(job.results)), cell) for cell in job.cells]
    done = [
        robustness_job.TrainedCell(item, cell.folder(job.results), cell.dataset)
        for item, cell in records
        if item is not None and item.status == "done"
    ]
    return robustness_job.run(done, roots, job.device, again=job.rerun == "all")


def _page(job: Job, roots: Roots) -> Path:
    """Build the page of all records and of the job's cells without one."""
    from benchmark.publish.expected import expected
    from benchmark.publish.page import build

    return build(job.results, page_folder(job.results), expected(job.cells), roots)
