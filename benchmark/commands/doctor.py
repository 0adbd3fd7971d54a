"""``doctor``: the environment, the data, what is missing and how to get it."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from benchmark.commands import shared
from benchmark.paths import results_folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    shared.add_roots(parser)
    shared.add_results(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb; the exit code is 1 where something needed is missing."""
    ok = [_environment(), _folders(args), _methods(), _datasets(args)]
    print("\nall that is needed is here" if all(ok) else "\nsomething needed is missing: see the lines marked '!!'")
    return 0 if all(ok) else 1


def _line(fine: bool | None, name: str, text: str) -> None:
    mark = {True: "ok", False: "!!", None: "--"}[fine]
    print(f"{mark}  {name:<18} {text}")


def _environment() -> bool:
    from benchmark.records import environment

    print("environment")
    fine = True
    for package in environment.PACKAGES:
        try:
            _line(True, package, environment.version(package))
        except LookupError:
            fine = False
            _line(False, package, "not installed; run: pip install -e .")
    if fine:
        import torch

        device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none visible, methods run on the CPU"
        _line(torch.cuda.is_available() or None, "CUDA device", device)
        _line(True, "processor", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads for torch")
    return fine


def _folders(args: argparse.Namespace) -> bool:
    print("folders")
    roots = shared.roots(args)
    places = {"results": results_folder(args.results), "cache": roots.cache}
    fine = True
    for name, path in places.items():
        parent = next(folder for folder in (path, *path.resolve().parents) if folder.exists())
        free = shutil.disk_usage(parent).free / 2**30
        problem = _problem(parent)
        fine &= not problem
        _line(not problem, name, f"{path} ({free:.0f} GiB free{problem})")
    _line(roots.data.is_dir() or None, "data root", f"{roots.data}{'' if roots.data.is_dir() else ' (absent)'}")
    return fine


def _problem(folder: Path) -> str:
    """Return why nothing can be written to what should be a folder, as an addition to its line, or nothing."""
    if not folder.is_dir():
        return ", but it is a file" if folder.is_file() else ", but it is no folder"
    return "" if os.access(folder, os.W_OK) else ", not writable"


def _methods() -> bool:
    from benchmark.publish.cards import MethodCard, describe_methods

    print("methods")
    for card in describe_methods():
        if isinstance(card, MethodCard):
            _line(True, card.name, card.paper)
        else:
            _line(None, card.name, card.reason)
    return True


def _datasets(args: argparse.Namespace) -> bool:
    from benchmark.publish.cards import Unavailable, describe_datasets

    print("datasets")
    for card in describe_datasets(shared.roots(args)):
        if isinstance(card, Unavailable):
            _line(None, card.name, card.reason)
            continue
        _line(card.present or None, card.name, card.title if card.present else card.reason)
        if card.advice:
            _line(None, "", card.advice)
    return True
