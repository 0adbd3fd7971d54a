"""Words of ``run``: the options of its cells as arguments, and all of its options from a TOML file; flags win."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput, nearest
from benchmark.files.toml import read_toml
from benchmark.paths import path_of
from benchmark.records.option import Option
from benchmark.records.options import RunOptions

DEVICES, RERUNS = ("auto", "cpu", "cuda"), ("failed", "stale", "all")

OF_RUN: tuple[Option, ...] = (
    Option("--methods", "names, or name:variant; 'list methods' shows them", metavar="M", many=True),
    Option(
        "--datasets",
        "names, name:option=value,.. or folders with a dataset.toml (default: every dataset that is present)",
        metavar="D",
        many=True,
    ),
    Option("--bits", "code lengths (default: 16 32 64)", metavar="B", takes=int, many=True),
    Option("--seeds", "seeds (default: 0)", metavar="S", takes=int, many=True),
    Option("--device", "where to compute (default: auto)", choices=DEVICES),
    Option(
        "--rerun",
        "start cells again from scratch: those that failed, those whose code changed, or all of them",
        choices=RERUNS,
    ),
    Option(
        "--robustness",
        "then perturb the queries of every finished cell that has not been; the verb 'robustness' does it later",
        takes=bool,
    ),
)
"""What ``run`` is asked beside the options of its cells."""

FOLDERS = tuple(Option(flag, "", takes=str, parse=Path) for flag in ("--results", "--data-root", "--cache"))
"""Folders that several verbs are given; their arguments are added elsewhere."""


def add_arguments(parser: argparse._ActionsContainer, options: Iterable[Option]) -> None:
    """Add each option to a parser; one that is left out is None."""
    for option in options:
        if option.takes is bool:
            form: dict[str, Any] = {"action": "store_const", "const": True}
        else:
            form = {"type": option.takes, "metavar": option.metavar, "choices": option.choices or None}
            form |= {"nargs": "+"} if option.many else {}
        parser.add_argument(option.flag, help=option.help, **form)


def fill_from_toml(args: argparse.Namespace, model: type[RunOptions] = RunOptions) -> None:
    """Fill in, from ``args.config``, the options that the command line left out.

    The file holds the options of ``run`` under the names of their flags without dashes, ``_`` for ``-``, and tables
    ``[set.METHOD]`` of settings. Raises BadInput on anything else.
    """
    if args.config is None:
        return
    table = read_toml(args.config, missing="check the path given to --config")
    settings = table.pop("set", {})
    options = {option.toml: option for option in (*OF_RUN, *model.declared().values(), *FOLDERS)}
    for key, value in table.items():
        if key not in options:
            raise BadInput(f"is unknown; {nearest(key, [*options, 'set'])}", file=args.config, key=key)
        checked = _checked(args.config, options[key], value)
        if getattr(args, key) is None:
            setattr(args, key, path_of(checked) if options[key] in FOLDERS else checked)
    args.set = [*_pairs(args.config, settings), *(args.set or [])]


def _checked(file: Path, option: Option, value: Any) -> Any:
    """Return a value from TOML as the command line would give it; raises BadInput on a wrong type or choice."""
    kind, wrong = option.takes.__name__, "has the wrong type"
    if option.many and option.parse:
        words = value if isinstance(value, list) else [value]
        if not words or not all(type(word) in (int, str) for word in words):
            raise BadInput(wrong, file=file, key=option.toml, expected=option.example, found=value)
        return [str(word) for word in words]
    if option.many:
        if not isinstance(value, list) or not value or not all(type(item) is option.takes for item in value):
            raise BadInput(wrong, file=file, key=option.toml, expected=f"a list of {kind}", found=value)
        return value
    if type(value) is not option.takes:
        raise BadInput(wrong, file=file, key=option.toml, expected=kind, found=repr(value))
    if option.choices and value not in option.choices:
        expected = " | ".join(option.choices)
        raise BadInput("has an unknown value", file=file, key=option.toml, expected=expected, found=repr(value))
    return value


def _pairs(file: Path, settings: Any) -> list[str]:
    if not isinstance(settings, dict) or not all(isinstance(table, dict) for table in settings.values()):
        raise BadInput("has the wrong form", file=file, key="set", expected="tables [set.METHOD] with KEY = VALUE")
    return [f"{method}.{key}={value}" for method, table in settings.items() for key, value in table.items()]
