"""``check``: every method on a small part of a dataset, against committed numbers."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared
from benchmark.registry import ROOT

if TYPE_CHECKING:
    from benchmark.regression.baseline import Baseline
    from benchmark.regression.cells import Machine, Outcome
    from benchmark.regression.compare import Finding
    from benchmark.regression.plan import Plan

EPILOG = """Exit codes: 0 nothing fell and every loss stayed in its band (what is better than its tolerance is shown);
1 something fell, is suspiciously better, left its band, failed, is missing or has no baseline; 2 wrong usage."""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "check",
        help="regression gate: run every method briefly and compare with committed numbers",
        description="Run every method on the part of a dataset that check.toml describes, and compare mAP, diagnostics "
        "of the codes and losses with the baselines beside it, within tolerances that were measured.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="DIR", help="folder of baselines and check.toml (default: results/baselines)"
    )
    parser.add_argument("--methods", nargs="+", metavar="M", help="names (default: every method of the checkout)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--update", action="store_true", help="write the baselines anew and show what that changes")
    action.add_argument(
        "--measure",
        action="store_true",
        help="measure how far numbers scatter over threads, libraries, processors, bfloat16 and seeds, and write that "
        "with the baselines (some minutes)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core, at most 8)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each process (default: 1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the cells' records here (default: not kept)")
    shared.add_roots(parser)
    parser.set_defaults(call=call)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.regression import baseline, compare, plan, spreads, table
    from benchmark.regression.cells import Machine

    _check_numbers(args)
    folder = args.baseline or ROOT / "results" / "baselines"
    asked, methods = plan.read(folder), _methods(args.methods)
    if args.measure:
        return _measure(args, folder, asked, methods)
    measured = spreads.read(folder)
    baselines = _baselines(folder, anew=args.update and not args.methods)
    began = time.perf_counter()
    with _out(args.out) as out:
        outcomes = _run(args, asked, methods, Machine(args.threads), out)
    findings = compare.compare(asked, outcomes, baselines, measured)
    gone = [] if args.methods else [name for name in baselines if name not in methods]
    findings += [_gone(name) for name in gone]
    seconds = f"{len(outcomes)} cells in {time.perf_counter() - began:.0f} s"
    if args.update:
        failed = [finding for finding in findings if finding.verdict == "failed"]
        table.show_changes(findings)
        written = _write(folder, asked, outcomes, baselines)
        for name in gone:
            baseline.path_of(folder, name).unlink()
        print(f"{seconds}; {len(written)} baselines written, {len(gone)} removed, in {shared.shown(folder)}")
        return 1 if failed else 0
    table.show(findings)
    print(f"{seconds}; {table.verdict(findings)}")
    return 1 if any(finding.failing for finding in findings) else 0


def _baselines(folder: Path, anew: bool) -> dict[str, Baseline]:
    """Return the baselines; a damaged one counts as none where all are written anew."""
    from benchmark.errors import BadInput
    from benchmark.regression import baseline

    try:
        return baseline.read_all(folder)
    except BadInput:
        if not anew:
            raise
        return {}


def _check_numbers(args: argparse.Namespace) -> None:
    from benchmark.errors import BadInput

    for option, value in (("--jobs", args.jobs), ("--threads", args.threads)):
        if value is not None and value < 1:
            raise BadInput(f"{option} is out of range", expected="1 or more", found=value)


def _methods(asked: Sequence[str] | None) -> list[str]:
    from benchmark import registry
    from benchmark.errors import BadInput

    for name in asked or ():
        if ":" in name:
            raise BadInput(f"check runs a method as it comes, not '{name}'", next_step="give the name alone")
        registry.method_entry(name)
    return list(dict.fromkeys(asked)) if asked else list(registry.methods())


@contextmanager
def _out(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        yield Path(folder)


def _run(
    args: argparse.Namespace,
    asked: Plan,
    methods: Sequence[str],
    machine: Machine,
    out: Path,
    precision: str = "fp32",
    seed: int = 0,
) -> list[Outcome]:
    """Run the cells, the longest first, and return their outcomes in the order of methods and bits."""
    from benchmark.regression import cells

    roots = shared.roots(args)
    asked.open(roots)  # made on first use by this process, not by several at once
    tasks = [
        cells.Task(asked, method, bits, asked.seed + seed, precision, roots, out)
        for method in methods
        for bits in asked.bits
    ]
    jobs = min(args.jobs or min(os.cpu_count() or 1, 8), len(tasks))
    found = {}
    for number, outcome in enumerate(cells.run(_longest_first(tasks), machine, jobs), 1):
        found[outcome.method, outcome.bits] = outcome
        said = outcome.problem or f"{outcome.seconds:.1f} s"
        print(f"[{number}/{len(tasks)}] {outcome.method}, {outcome.bits} bits: {said}", file=sys.stderr, flush=True)
    return [found[task.place] for task in tasks]


def _longest_first(tasks: Sequence[Any]) -> list[Any]:
    from benchmark import registry
    from benchmark.errors import BadInput

    def trained(task: Any) -> bool:
        try:
            return registry.load_method(task.method).trained_in_epochs
        except BadInput:
            return False

    return sorted(tasks, key=trained, reverse=True)


def _gone(method: str) -> Finding:
    from benchmark.regression.compare import Finding

    return Finding(method, None, "", "missing", note="a baseline without a method; 'check --update' removes it")


def _write(folder: Path, asked: Plan, outcomes: Sequence[Outcome], held: Mapping[str, Baseline]) -> list[str]:
    """Write the baselines that differ from those that are held, and return their names."""
    from benchmark.regression import baseline

    written = []
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.method == method]
        if any(outcome.numbers is None and not outcome.skipped for outcome in mine):
            continue  # a cell that failed has no number to hold others to
        if method in held and baseline.same_numbers(held[method], mine, asked):
            continue
        baseline.write(folder, asked, mine, _made())
        written.append(method)
    return written


def _measure(args: argparse.Namespace, folder: Path, asked: Plan, methods: Sequence[str]) -> int:
    """Compute the check in every way, and write the spreads and the baselines."""
    from benchmark import registry
    from benchmark.regression import spreads
    from benchmark.regression.cells import Machine
    from benchmark.regression.numbers import named

    def table(outcomes: Sequence[Outcome]) -> dict[tuple[str, int], Any]:
        return {(o.method, o.bits): named(o.numbers) for o in outcomes if o.numbers is not None}

    trained = [name for name in methods if registry.load_method(name).trained_in_epochs]
    seeded = [name for name in methods if registry.load_method(name).seeded]
    of_kind = {"rounding": methods, "bf16": trained, "seeds": seeded}
    with _out(args.out) as out:
        base = _run(args, asked, methods, Machine(), out / "base")
        failed = [outcome for outcome in base if outcome.numbers is None and not outcome.skipped]
        if failed:
            print(f"not measured: {failed[0].method}, {failed[0].bits} bits: {failed[0].problem}")
            return 1
        again = []
        for number, way in enumerate(spreads.ways()):
            print(f"measuring: {way.name}", file=sys.stderr, flush=True)
            words = (way.machine, out / f"way{number}", way.precision, way.seed)
            again.append((way, table(_run(args, asked, of_kind[way.kind], *words))))
    found = spreads.measured(table(base), again)
    names = ["1 thread, chosen products (the check itself)", *(way.name for way, _ in again)]
    if args.methods and (folder / spreads.SPREADS).exists():
        found = {**spreads.read(folder).methods, **found}
    spreads.write(folder, spreads.Spreads(check=asked.described(), made=_made(), ways=names, methods=found))
    _write(folder, asked, base, {})
    print(f"{len(found)} methods measured in {1 + len(again)} ways, in {shared.shown(folder / spreads.SPREADS)}")
    return 0


def _made() -> dict[str, Any]:
    """Return where and when numbers were made, as they are committed."""
    import torch

    from benchmark import environment, machine

    machine.choose_products()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": machine.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "float32_products": machine.float32_products(),
        "packages": {name: environment.version(name) for name in ("torch", "numpy", "scipy", "scikit-learn", "numba")},
    }
