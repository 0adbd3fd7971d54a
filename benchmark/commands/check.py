"""``check``: every method on a small part of a dataset, against committed numbers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmark.commands import shared
from benchmark.errors import BadInput
from benchmark.paths import ROOT, path_of, shown

if TYPE_CHECKING:
    from benchmark.regression.gate import CheckRequest

EPILOG = """Exit codes: 0 nothing fell and every loss stayed in its band (what is better than its tolerance is shown);
1 something fell, is suspiciously better, left its band, failed, is missing or has no baseline; 2 wrong usage."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Run every method on the part of a dataset that check.toml describes, and compare mAP, diagnostics "
        "of the codes and losses with the baselines beside it, within tolerances that were measured."
    )
    parser.epilog = EPILOG
    parser.add_argument(
        "--baseline",
        type=path_of,
        metavar="DIR",
        help="baselines and check.toml (default: results/baselines)",
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
    parser.add_argument("--out", type=path_of, metavar="DIR", help="keep the cells' records here (default: not kept)")
    shared.add_roots(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.regression.gate import CheckRequest

    for option, value in (("--jobs", args.jobs), ("--threads", args.threads)):
        if value is not None and value < 1:
            raise BadInput(f"{option} is out of range", expected="1 or more", found=value)
    folder = args.baseline or ROOT / "results" / "baselines"
    if (args.update or args.measure) and folder.is_dir():
        from benchmark.files.atomic import check_writable

        check_writable(folder / "check.json")  # before minutes of work, not after them
    request = CheckRequest(folder, args.methods, shared.roots(args), args.jobs, args.threads, args.out)
    return _measure(request) if args.measure else _check(request, args.update)


def _check(request: CheckRequest, update: bool) -> int:
    from benchmark.regression import gate, table

    outcome = gate.check(request, update, _tell)
    findings = outcome.findings
    seconds = f"{outcome.cells} cells in {outcome.seconds:.0f} s"
    if update:
        table.show_changes(findings)
        changes = f"{len(outcome.written)} baselines written, {len(outcome.removed)} removed"
        print(f"{seconds}; {changes}, in {shown(request.folder)}")
        return 1 if any(finding.verdict == "failed" for finding in findings) else 0
    table.show(findings)
    print(f"{seconds}; {table.verdict(findings)}")
    return 1 if any(finding.failing for finding in findings) else 0


def _measure(request: CheckRequest) -> int:
    from benchmark.regression import gate, spreads

    spread = gate.measure(request, _tell)
    if spread.problem:
        print(f"not measured: {spread.problem}")
        return 1
    print(f"{spread.methods} methods measured in {spread.ways} ways, in {shown(request.folder / spreads.SPREADS)}")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
