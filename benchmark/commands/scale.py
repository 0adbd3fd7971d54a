"""``scale``: what the phases of methods cost at several sizes, how that grows, and what a larger size would cost."""

from __future__ import annotations

import argparse
import shlex
import sys

from benchmark.commands import shared
from benchmark.interfaces.names import FP32
from benchmark.paths import ROOT, path_of, shown
from benchmark.records.options import PRECISIONS

SIZES, TARGET = [6400, 25_600, 102_400, 409_788], 10_000_000
DIM, BITS, STEPS = 512, 64, 5
EPILOG = """Each method and size has a process of its own. Training is measured on a bounded number of steps, encoding
on a bounded number of batches, both on data that are ready: making or reading the features is not counted. Times are
fitted by a power of the number of videos, memory by a line. A finished size is kept; the same command goes on."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Measure time and memory of prepare, training epoch, encoding and evaluation at several sizes, fit "
        "the growth, draw it, and extrapolate."
    )
    parser.epilog = EPILOG
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
    shared.add_device(parser)
    parser.add_argument("--precision", choices=PRECISIONS, default=FP32, help="of matrix products (default: fp32)")
    parser.add_argument("--rerun", action="store_true", help="measure again what is already there")
    parser.add_argument("--out", type=path_of, metavar="DIR", help="where it is written (default: reports/scaling/)")
    shared.add_roots(parser)
    parser.set_defaults(sizes=SIZES, dim=DIM, bits=BITS, steps=STEPS, target=TARGET)


def call(args: argparse.Namespace) -> int:
    """Run the verb; the exit code is 1 where a measurement failed."""
    from benchmark.scaling.study import StudyRequest, run

    request = StudyRequest(
        methods=args.methods or [],
        dataset=args.dataset,
        sizes=args.sizes,
        dim=args.dim,
        bits=args.bits,
        steps=args.steps,
        target=args.target,
        preset=args.preset,
        settings=args.set or [],
        device=args.device,
        precision=args.precision,
        rerun=args.rerun,
        out=args.out or ROOT / "reports" / "scaling",
        roots=shared.roots(args),
        command=shlex.join(["python", "-m", "benchmark", *sys.argv[1:]]),
    )
    study = run(request, lambda line: print(line, file=sys.stderr, flush=True))
    if study.files:
        print("\n".join(study.lines))
        print(f"written: {', '.join(map(shown, study.files))}")
    return 1 if study.failed else 0
