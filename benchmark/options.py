"""Options of ``run`` from a TOML file: the same names as the flags, flags win."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput, nearest
from benchmark.machine import PRECISIONS
from benchmark.regime import SELECTIONS

LISTS = {"methods": str, "datasets": str, "bits": int, "seeds": int}
SCALARS = {
    "epochs": int, "time_budget": str, "subset": int, "select": str, "eval_every": int, "device": str,
    "precision": str, "rerun": str, "compile": bool, "robustness": bool, "results": str, "data_root": str, "cache": str,
}  # fmt: skip
DEVICES, RERUNS = ("auto", "cpu", "cuda"), ("failed", "stale", "all")


def fill_from_toml(args: argparse.Namespace) -> None:
    """Fill in, from ``args.config``, the options that the command line left out.

    The file holds ``methods``, ``datasets``, ``bits``, ``seeds`` (lists), ``curve`` (a list of epochs, or
    ``"every:N"``, or both in a list), the options of ``SCALARS``, and tables ``[set.METHOD]`` of settings. Raises
    BadInput on anything else.
    """
    if args.config is None:
        return
    table = read_toml(args.config)
    settings = table.pop("set", {})
    for key, value in table.items():
        checked = _checked(args.config, key, value)
        if getattr(args, key) is None:
            setattr(args, key, Path(checked) if key in ("results", "data_root", "cache") else checked)
    args.set = [*_pairs(args.config, settings), *(args.set or [])]


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises BadInput where it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path, next_step="check the path given to --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"is not readable TOML: {error}", file=path) from error


def _checked(file: Path, key: str, value: Any) -> Any:
    known = [*LISTS, *SCALARS, "curve", "set"]
    if key == "curve":
        words = value if isinstance(value, list) else [value]
        if not words or not all(type(word) in (int, str) for word in words):
            raise BadInput(
                "has the wrong type", file=file, key=key, expected='epochs such as [1, 2, 5], or "every:5"', found=value
            )
        return [str(word) for word in words]
    if key in LISTS:
        kind = LISTS[key]
        if not isinstance(value, list) or not value or not all(type(item) is kind for item in value):
            raise BadInput("has the wrong type", file=file, key=key, expected=f"a list of {kind.__name__}", found=value)
    elif key in SCALARS:
        kind = SCALARS[key]
        if type(value) is not kind:
            raise BadInput("has the wrong type", file=file, key=key, expected=kind.__name__, found=repr(value))
        allowed = {"device": DEVICES, "precision": PRECISIONS, "rerun": RERUNS, "select": SELECTIONS}.get(key)
        if allowed and value not in allowed:
            raise BadInput("has an unknown value", file=file, key=key, expected=" | ".join(allowed), found=repr(value))
    else:
        raise BadInput(f"is unknown; {nearest(key, known)}", file=file, key=key)
    return value


def _pairs(file: Path, settings: Any) -> list[str]:
    if not isinstance(settings, dict) or not all(isinstance(table, dict) for table in settings.values()):
        raise BadInput("has the wrong form", file=file, key="set", expected="tables [set.METHOD] with KEY = VALUE")
    return [f"{method}.{key}={value}" for method, table in settings.items() for key, value in table.items()]
