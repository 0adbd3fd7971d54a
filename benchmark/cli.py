"""Verbs and wording of ``python -m benchmark``; what a verb needs is loaded when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import NamedTuple, NoReturn

from benchmark import __version__
from benchmark.errors import BadInput, of_system

DESCRIPTION = """Benchmark of self-supervised video hashing: learn short binary codes without labels,
rank by Hamming distance, and keep a record of how every number was made."""

EPILOG = """exit codes: 0 all done, 1 some cell failed (the others still ran), 2 wrong usage or bad input,
130 interrupted (what is done is kept; the same command goes on)"""


class Verb(NamedTuple):
    """A verb's file in ``benchmark/commands``, which has ``add_options`` and ``call``, and its line of help."""

    file: str
    help: str

    def module(self) -> ModuleType:
        """Import the file."""
        return importlib.import_module(f"benchmark.commands.{self.file}")


VERBS = {
    "run": Verb("run", "run methods on datasets and measure them"),
    "list": Verb("listing", "show methods or datasets"),
    "status": Verb("status", "show the state of every cell in a results folder"),
    "doctor": Verb("doctor", "check the environment and the data"),
    "extract": Verb("extract", "make a dataset of frame features from a folder of videos"),
    "convert": Verb("convert", "rewrite a dataset into contiguous files"),
    "encode": Verb("encode", "encode a feature file with a checkpoint"),
    "evaluate": Verb("evaluate", "measure codes made elsewhere"),
    "robustness": Verb("robustness", "measure what trained cells lose when queries are damaged"),
    "scale": Verb("scale", "measure how time and memory grow with the number of videos"),
    "check": Verb("check", "regression gate: run every method briefly and compare with committed numbers"),
    "report": Verb("report", "build the page from records"),
}


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one short line, however long the argument is that it quotes."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and leave with exit code 2."""
        sentence = BadInput(message, next_step=f"'{self.prog} --help' shows the usage")
        self.exit(2, f"error: {sentence}\n")


def parser(words: Collection[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """Return the parser of all verbs; only those that occur among ``words`` have their options."""
    top = Parser(
        prog="python -m benchmark",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        options = verbs.add_parser(name, help=verb.help)
        if name in words:
            verb.module().add_options(options)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        args = parser(words).parse_args(words)
        return int(VERBS[args.verb].module().call(args))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:  # whatever no part of the engine has told in its own words
        print(f"error: {of_system(error)}", file=sys.stderr)
        return 2
