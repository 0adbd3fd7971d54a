"""Verbs and wording of ``python -m benchmark``; what a verb needs is loaded when it is called."""

from __future__ import annotations

import argparse
import codecs
import importlib
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import ModuleType
from typing import NamedTuple, NoReturn

from benchmark import __version__
from benchmark.errors import BadInput, of_system
from benchmark.progress import Progress

DESCRIPTION = """Benchmark of self-supervised video hashing: learn short binary codes without labels,
rank by Hamming distance, and keep a record of how every number was made."""

EPILOG = """exit codes: 0 all done, 1 some cell failed (the others still ran), 2 wrong usage or bad input,
130 interrupted, 143 terminated (what is done is kept; the same command goes on)"""

REPLACED = "benchmark.plain"
"""Name of the way in which characters are printed that a terminal's encoding lacks."""
PLAIN = {"±": "+/-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "\u202f": " ", "\u00a0": " "}
"""The same in ASCII; other characters are printed as escapes."""


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


class Terminated(KeyboardInterrupt):
    """SIGTERM, which clusters send: everything that was begun is left as after an interruption."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    with _any_terminal(), _terminable():
        try:
            args = parser(words).parse_args(words)
            with Progress(args.verb, live=False):
                return int(VERBS[args.verb].module().call(args))
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except Terminated:
            print("terminated; what is done is kept, and the same command goes on", file=sys.stderr)
            return 143
        except KeyboardInterrupt:
            print("interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
            return 130
        except BrokenPipeError:
            sys.stderr.close()
            return 1
        except OSError as error:  # whatever no part of the engine has told in its own words
            print(f"error: {of_system(error)}", file=sys.stderr)
            return 2


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise Terminated on the first SIGTERM, so that children and files are put in order; a second one ends at once."""

    def leave(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def _any_terminal() -> Iterator[None]:
    """Print what a terminal's encoding lacks in other characters: no sign ends a command."""
    codecs.register_error(REPLACED, _replaced)
    before = [(stream, stream.errors) for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    for stream, _ in before:
        stream.reconfigure(errors=REPLACED)
    try:
        yield
    finally:
        for stream, errors in before:
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.reconfigure(errors=errors)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Return plain text for characters that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    place = error.start
    character = error.object[place]
    text = PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")
    return text, place + 1
