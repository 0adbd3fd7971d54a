"""``status``: the state of every cell of a results folder."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict

from benchmark.commands import shared
from benchmark.errors import BadInput
from benchmark.paths import results_folder, shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    shared.add_results(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.cells.state import states

    results = results_folder(args.results)
    if results.exists() and not results.is_dir():
        raise BadInput("is no folder", file=results, next_step="give the folder of the records by --results")
    rows = states(results)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
        return 0
    if not rows:
        print(f"no cell in {shown(results)}; 'python -m benchmark run' makes some")
        return 0
    for row in rows:
        print(f"{row.state:<12} {row.cell:<60} {row.detail}".rstrip())
    print(", ".join(f"{count} {state}" for state, count in sorted(Counter(row.state for row in rows).items())))
    return 0
