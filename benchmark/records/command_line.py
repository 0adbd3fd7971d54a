"""The command that makes cells again, quoted for a shell: one builder, from what a record says the cell is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput
from benchmark.paths import shown
from benchmark.records.curve import Curve, read_curve
from benchmark.records.options import RunOptions
from benchmark.records.record import Identity, Record, options_of

PROGRAM = ("python", "-m", "benchmark")


def run_command(
    identity: Identity,
    dataset_argument: str = "",
    bits: Iterable[int] = (),
    seeds: Iterable[int] = (),
    model: type[RunOptions] = RunOptions,
) -> str:
    """Return the command that makes a cell, or cells that differ from it in ``bits`` and ``seeds``.

    ``dataset_argument`` is what names the dataset on the command line; without one it is the dataset's name.
    """
    method, variant = identity.method, identity.named_variant
    words = ["--methods", f"{method}:{variant}" if variant else method]
    words += ["--datasets", dataset_word(dataset_argument or identity.dataset)]
    words += ["--bits", *map(str, tuple(bits) or (identity.bits,))]
    words += ["--seeds", *map(str, tuple(seeds) or (identity.seed,))]
    words += options_of(identity, model).words()
    settings = [f"{method}.{key}={value}" for key, value in (identity.settings or {}).items()]
    return command("run", *words, *(["--set", *settings] if settings else []))


def first_run(folder: Path) -> str:
    """Return the command that runs on a dataset folder."""
    return command("run", "--datasets", shown(folder))


def command(verb: str, *words: str) -> str:
    """Return a command of the suite as a shell takes it."""
    return shlex.join([*PROGRAM, verb, *words])


def dataset_word(argument: str) -> str:
    """Return what names a dataset so that it is not taken for an option: a folder may be called ``-x``."""
    return f"./{argument}" if argument.startswith("-") else argument


def again(record: Record, dataset_argument: str = "", bits: Iterable[int] = (), seeds: Iterable[int] = ()) -> str:
    """Return the command that makes a record's cell again, or others like it.

    Records of before settings were kept have them, as the epochs of their curve, in their stored command only.
    """
    identity = record.identity
    if identity.settings is None:
        stored = _stored_words(record)
        update: dict[str, Any] = {"settings": _settings(stored.get("--set", []), identity.method)}
        if not identity.curve:
            update["curve"] = _curve(stored.get("--curve", []))
        identity = identity.model_copy(update=update)
    return run_command(identity, dataset_argument or stored_argument(record), bits, seeds)


def stored_argument(record: Record) -> str:
    """Return what names the dataset in a record's stored command, or nothing where there is none."""
    return " ".join(_stored_words(record).get("--datasets", []))


def _stored_words(record: Record) -> Mapping[str, Sequence[str]]:
    """Return the words after each flag of a record's stored command.

    Commands of before settings were kept were joined by spaces and not quoted, so they are split at spaces.
    """
    words = record.rerun.split(" ") if record.identity.settings is None else _split(record.rerun)
    flags: dict[str, list[str]] = {}
    after: list[str] = []
    for word in words:
        if word.startswith("--"):
            after = flags.setdefault(word, [])
        else:
            after.append(word)
    return flags


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation without its end
        return command.split(" ")


def _curve(words: Sequence[str]) -> Curve:
    try:
        return read_curve(words)
    except BadInput:  # the page shows records as they are
        return Curve()


def _settings(words: Sequence[str], method: str) -> dict[str, str]:
    """Return key -> value of words such as ``method.key=value``; a word of another form goes on with the one before."""
    settings: dict[str, str] = {}
    key = ""
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name.startswith(f"{method}."):
            key = name.removeprefix(f"{method}.")
            settings[key] = value
        elif key:
            settings[key] += f" {word}"
    return settings
