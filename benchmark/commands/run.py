"""``run``: the matrix of methods, datasets, bits and seeds."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared
from benchmark.machine import PRECISIONS
from benchmark.options import DEVICES, RERUNS, fill_from_toml
from benchmark.paths import page_folder, results_folder, shown
from benchmark.regime import SELECTIONS

if TYPE_CHECKING:
    from benchmark.dataset import Dataset
    from benchmark.method import Method
    from benchmark.paths import Roots

DEFAULT_BITS, DEFAULT_SEEDS = [16, 32, 64], [0]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = "Run every cell of methods x datasets x bits x seeds that has no record yet."
    parser.add_argument("--methods", nargs="+", metavar="M", help="names, or name:variant; 'list methods' shows them")
    parser.add_argument(
        "--datasets",
        nargs="+",
        metavar="D",
        help="names, name:option=value,.. or folders with a dataset.toml (default: every dataset that is present)",
    )
    parser.add_argument("--bits", nargs="+", type=int, metavar="B", help="code lengths (default: 16 32 64)")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="seeds (default: 0)")
    parser.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="budget: epochs of the main training stage, earlier stages are capped at N; the record shows it",
    )
    _add_regime(parser)
    parser.add_argument("--set", nargs="+", action="extend", metavar="METHOD.KEY=VALUE", help="settings of methods")
    parser.add_argument("--config", type=Path, metavar="F.toml", help="the same options from a file; flags win")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default: auto)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of matrix products in training and encoding (default: fp32); auto takes bf16 where the processor has it "
        "and it was shown to keep the method's numbers",
    )
    parser.add_argument(
        "--rerun",
        choices=RERUNS,
        help="start cells again from scratch: those that failed, those whose code changed, or all of them",
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        default=None,
        help="then perturb the queries of every finished cell that has not been; the verb 'robustness' does it later",
    )
    parser.add_argument(
        "--compile",
        action="store_const",
        const=True,
        help="compile the training step, with CUDA graphs on a GPU: a minute at first, then steps that may be faster; "
        "a cell of its own, as sums round in another order",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the cells and their state, run nothing")
    parser.add_argument("--no-page", action="store_true", help="leave the page as it is; 'report' builds it later")
    shared.add_results(parser)
    shared.add_roots(parser)


def _add_regime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--time-budget",
        metavar="T",
        help="of training, per cell, such as 90s, 10m or 1h: it stops after the epoch in which the time ran out",
    )
    parser.add_argument(
        "--subset",
        type=int,
        metavar="N",
        help="rehearse on N training videos and as large a share of database and queries, even over classes",
    )
    parser.add_argument(
        "--select",
        choices=SELECTIONS,
        help="whose weights are the result: the last epoch's (default), the best's on videos held out of the training "
        "set, without labels, or the best's on the test queries, which only serves to reproduce papers that did so",
    )
    parser.add_argument("--eval-every", type=int, metavar="N", help="epochs between two that --select compares")
    parser.add_argument(
        "--curve",
        nargs="+",
        metavar="E",
        help="measure after these epochs of the main stage (1 2 5, or every:5); no number changes by it",
    )


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    fill_from_toml(args)
    from benchmark import compiled, executors, facts, machine, plan, regime
    from benchmark.errors import BadInput

    if not args.methods:
        raise BadInput("run needs --methods", next_step="'python -m benchmark list methods' shows them")
    bits, seeds = _unique(args.bits or DEFAULT_BITS), _unique(args.seeds or DEFAULT_SEEDS)
    plan.check_numbers(bits, seeds, args.epochs)
    asked = regime.read(args.select, args.eval_every, args.curve, args.time_budget, bool(args.compile))
    choices = [plan.choose_method(name) for name in _unique(args.methods)]
    settings = plan.read_settings(args.set or [])
    opened = reduce_all(open_all(args.datasets, shared.roots(args)), args.subset)
    device = machine.choose_device(args.device or "auto")
    if asked.compiled:
        compiled.check_compiler(device)

    def precision_of(cls: type[Method]) -> str:
        return machine.resolve_precision(
            args.precision or "fp32", device, trained=cls.trained_in_epochs, proven=bool(cls.bf16)
        )

    cells = plan.cells(choices, opened, bits, seeds, settings, args.epochs, precision_of, asked)
    _say_unconcerned(asked, choices)
    results = results_folder(args.results)
    job = executors.Job(cells, results, shared.roots(args).cache, args.device or "auto", args.rerun, _command())
    if args.dry_run:
        executors.show_plan(job)
        return 0
    for argument, dataset in opened:
        facts.keep(results, dataset, argument)
    failed = executors.run(job)
    if args.robustness:
        failed += _perturb(job, shared.roots(args))
    _finish(job, shared.roots(args), page=not args.no_page)
    return 1 if failed else 0


def open_all(names: list[str] | None, roots: Roots) -> list[tuple[str, Dataset]]:
    """Open the named datasets, or every one that is present."""
    from benchmark import registry

    if names:
        return [(name, registry.open_dataset(name, roots)) for name in _unique(names)]
    present = [name for name in registry.datasets() if registry.load_dataset_class(name).presence(roots).available]
    default = [name for name in present if registry.load_dataset_class(name).by_default]
    print(f"datasets present: {', '.join(default)}", file=sys.stderr)
    return [(name, registry.open_dataset(name, roots)) for name in default]


def _perturb(job: Any, roots: Roots) -> int:
    """Measure the robustness of the job's finished cells; return how many could not be."""
    from benchmark import robustness_job
    from benchmark.records import store

    found = [(store.load(cell.folder(job.results)), cell) for cell in job.cells]
    done = [
        robustness_job.TrainedCell(item, cell.folder(job.results), cell.dataset)
        for item, cell in found
        if item is not None and item.status == "done"
    ]
    return robustness_job.run(done, roots, job.device, again=job.rerun == "all")


def reduce_all(opened: list[tuple[str, Dataset]], n: int | None) -> list[tuple[str, Dataset]]:
    """Return the part of each dataset that ``--subset`` asks for; one that has no more videos stays whole."""
    from benchmark.subset import reduced

    parts = [(argument, reduced(dataset, n)) for argument, dataset in opened]
    for _, dataset in parts:
        if n is not None and dataset.drawn is None:
            count = len(dataset.split("train"))
            print(f"{dataset.name}: has {count} training videos, so --subset {n} takes all of it", file=sys.stderr)
    return parts


def _say_unconcerned(asked: Any, choices: list[Any]) -> None:
    """Say of which methods the regime changes nothing."""
    names = [choice.name for choice in choices if not choice.cls.trained_in_epochs]
    if asked.words() and names:
        words = " ".join(asked.words())
        print(f"{', '.join(names)}: trained in no epochs, so {words} changes nothing", file=sys.stderr)


def _finish(job: Any, roots: Roots, page: bool) -> None:
    from benchmark import summary
    from benchmark.publish.page import build

    summary.show(job.cells, job.results)
    if not page:
        return
    path = build(job.results, page_folder(job.results), summary.expected(job.cells), roots)
    print(f"page: {shown(path)}")


def _unique(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _command() -> str:
    return shlex.join(["python", "-m", "benchmark", *sys.argv[1:]])
