"""Verbs and wording of ``python -m benchmark``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmark import __version__
from benchmark.commands import (
    check,
    convert,
    doctor,
    encode,
    evaluate,
    extract,
    listing,
    report,
    robustness,
    run,
    scale,
)
from benchmark.errors import BadInput

DESCRIPTION = """Benchmark of self-supervised video hashing: learn short binary codes without labels,
rank by Hamming distance, and keep a record of how every number was made."""

EPILOG = """exit codes: 0 all done, 1 some cell failed (the others still ran), 2 wrong usage or bad input,
130 interrupted (what is done is kept; the same command goes on)"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all verbs."""
    top = argparse.ArgumentParser(
        prog="python -m benchmark",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in (run, listing, doctor, extract, convert, encode, evaluate, robustness, scale, check, report):
        verb.add(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(arguments)
    try:
        return int(args.call(args))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
