"""``scale``: what the phases of methods cost at several sizes, how that grows, and what a larger size would cost."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared
from benchmark.options import DEVICES
from benchmark.records.options import PRECISIONS
from benchmark.registry import ROOT

if TYPE_CHECKING:
    from benchmark.scaling.task import Task

SIZES, TARGET = [6400, 25_600, 102_400, 409_788], 10_000_000
DIM, BITS, STEPS = 512, 64, 5
EPILOG = """Each method and size has a process of its own. Training is measured on a bounded number of steps, encoding
on a bounded number of batches, both on data that are ready: making or reading the features is not counted. Times are
fitted by a power of the number of videos, memory by a line. A finished size is kept; the same command goes on."""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "scale",
        help="measure how time and memory grow with the number of videos",
        description="Measure time and memory of prepare, training epoch, encoding and evaluation at several sizes, fit "
        "the growth, draw it, and extrapolate.",
        epilog=EPILOG,
    )
    parser.add_argument("--methods", nargs="+", metavar="M", help="names, or name:variant; 'list methods' shows them")
    parser.add_argument("--dataset", metavar="D", help="a dataset of any size, name or name:option=value,..")
    sizes = " ".join(map(str, SIZES))
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        metavar="N",
        help=f"training videos (default: {sizes}); the database is a quarter, queries are 1,000 at most",
    )
    parser.add_argument("--dim", type=int, metavar="D", help=f"values per frame (default: {DIM}, the field has 4096)")
    parser.add_argument("--bits", type=int, metavar="B", help=f"code length (default: {BITS})")
    parser.add_argument("--steps", type=int, metavar="N", help=f"steps and batches measured (default: {STEPS})")
    parser.add_argument("--target", type=int, metavar="N", help=f"videos to extrapolate to (default: {TARGET:,})")
    parser.add_argument("--preset", metavar="NAME", help="the methods' settings for this dataset (default: their own)")
    parser.add_argument("--set", nargs="+", action="extend", metavar="METHOD.KEY=VALUE", help="settings of methods")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of matrix products (default: fp32)")
    parser.add_argument("--rerun", action="store_true", help="measure again what is already there")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of what is written (default: reports/scaling/)")
    shared.add_roots(parser)
    parser.set_defaults(call=call, sizes=SIZES, dim=DIM, bits=BITS, steps=STEPS, target=TARGET)


def call(args: argparse.Namespace) -> int:
    """Run the verb; the exit code is 1 where a measurement failed."""
    from benchmark.scaling import store

    tasks = plan_tasks(args)
    out = args.out or ROOT / "reports" / "scaling"
    kept = {store.key_of(found["identity"]): found for found in store.load(out)}
    failed = 0
    for task in tasks:
        key = store.key_of(task.identity())
        if key in kept and not args.rerun:
            print(f"{_name(task)}: kept", file=sys.stderr)
            continue
        found = _measured(task)
        failed += found is None
        if found is not None:
            kept[key] = found
            store.save(out, list(kept.values()), {})
    asked = [kept[key] for task in tasks if (key := store.key_of(task.identity())) in kept]
    if asked:
        _finish(out, list(kept.values()), asked, args.target)
    return 1 if failed else 0


def plan_tasks(args: argparse.Namespace) -> list[Task]:
    """Return the measurements that were asked for, method by method; raises BadInput on a mistake."""
    from benchmark import environment, machine
    from benchmark.catalogue.choice import choose_method, read_settings
    from benchmark.errors import BadInput
    from benchmark.scaling import store
    from benchmark.scaling.task import Task, default_dataset

    if not args.methods:
        raise BadInput("scale needs --methods", next_step="'python -m benchmark list methods' shows them")
    _check_numbers(args)
    choices = {name: choose_method(name) for name in args.methods}
    settings = read_settings(args.set or [])
    _check_names(settings, args.preset, list(choices.values()))
    device = environment.choose_device(args.device)
    tasks = [
        Task(
            method=name,
            size=size,
            dataset=args.dataset or default_dataset(),
            dim=args.dim,
            bits=args.bits,
            device=str(device),
            precision=machine.resolve_precision(args.precision, device, choice.cls),
            steps=args.steps,
            preset=args.preset,
            settings=settings.get(choice.name, {}),
            roots=shared.roots(args),
        )
        for name, choice in choices.items()
        for size in sorted(set(args.sizes))
    ]
    for task in tasks:
        task.check()
    return list({store.key_of(task.identity()): task for task in tasks}.values())


def _check_numbers(args: argparse.Namespace) -> None:
    from benchmark import plan
    from benchmark.errors import BadInput

    plan.check_numbers([args.bits], [])
    least = {"--sizes": (min(args.sizes), 2), "--dim": (args.dim, 1), "--steps": (args.steps, 1)}
    for option, (value, smallest) in {**least, "--target": (args.target, 2)}.items():
        if value < smallest:
            raise BadInput(f"{option} is out of range", expected=f"{smallest} or more", found=value)


def _check_names(settings: Mapping[str, Any], preset: str | None, choices: Sequence[Any]) -> None:
    from benchmark.errors import BadInput, nearest

    for method in settings:
        if method not in {choice.name for choice in choices}:
            raise BadInput(f"--set {method}.*: method '{method}' is not among --methods")
    known = sorted({name for choice in choices for name in choice.cls.presets})
    if preset is not None and preset not in known:
        raise BadInput(f"no method of --methods has a preset '{preset}'; {nearest(preset, known)}")


def _measured(task: Task) -> dict[str, Any] | None:
    """Return a finished measurement with its identity and command, or None after saying why there is none."""
    from benchmark.scaling.measure import in_own_process

    print(f"{_name(task)}: measuring", file=sys.stderr, flush=True)
    try:
        found = in_own_process(task)
    except Exception as error:  # one size that fails does not stop the others
        print(f"{_name(task)}: failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return None
    command = shlex.join(["python", "-m", "benchmark", *sys.argv[1:]])
    return {"identity": task.identity(), "command": command, **found}


def _name(task: Task) -> str:
    return f"{task.method}, {task.size:,} videos"


def _finish(out: Path, kept: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]], target: int) -> None:
    """Fit, write and draw what was asked for, and print it."""
    from benchmark import registry
    from benchmark.scaling import laws, store, table

    fitted = laws.laws(asked, target)
    store.save(out, kept, {"laws": fitted, "asked": [found["identity"] for found in asked]})
    store.save_csv(out, asked, fitted)
    for law in fitted:
        own = [found for found in asked if laws.of_method(found["identity"]) == law["identity"]]
        print("\n".join([*table.lines(own, law), ""]))
    print("\n".join(table.notes(asked, target)))
    from reports.scaling import write

    written = [out / store.JSON, out / store.CSV, *write(out, out / store.JSON, sorted(registry.methods()))]
    print(f"written: {', '.join(shared.shown(path) for path in written)}")
