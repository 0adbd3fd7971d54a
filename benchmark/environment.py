"""Where a number was made: versions, device, commit, determinism flags, and the digest of the code that made it."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__, machine
from benchmark.errors import BadInput
from benchmark.registry import ROOT

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "numba", "h5py", "pandas", "pydantic")
ROOMS = ("benchmark", "methods", "datasets")
ENGINE = ("benchmark/runner.py", "benchmark/encoding.py", "benchmark/evaluation/evaluator.py")
"""The engine's files whose imports, taken together, can move a number."""
FINDERS = ("benchmark/registry.py", "benchmark/catalogue/choice.py")
"""Files that lead from names to guests: the guests of a cell are known, so what else they import is not followed."""
TOLD = {"paper", "source", "differences", "choices", "cost", "title", "bf16"}
"""Class attributes that say something in words; one that holds anything but text counts."""


def choose_device(name: str) -> torch.device:
    """Return the torch device for ``auto``, ``cpu`` or ``cuda``; raises BadInput where there is no such device."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: no CUDA device is visible to torch", next_step="use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def describe(device: torch.device) -> dict[str, Any]:
    """Return the environment as it goes into a record."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": machine.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "float32_products": machine.float32_products() if device.type == "cpu" else "default",
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """Return the installed version of each package that can move a number."""
    return {package: version(package) for package in PACKAGES}


def version(package: str) -> str:
    """Return the installed version of a package; raises LookupError where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise LookupError(package) from error


def code_identity(method: str, dataset_file: Path) -> dict[str, Any]:
    """Return version, commit and the digest of every source file that the cell's numbers depend on."""
    file = os.path.relpath(dataset_file, ROOT)
    return {
        "version": __version__,
        **_git(),
        "dataset_file": file,
        "digest": code_digest(method, dataset_file),
    }


@functools.cache
def code_digest(method: str, dataset_file: Path) -> str:
    """Return a hash over the sources that the method, the dataset and the evaluation import, transitively.

    Comments, docstrings, layout and what cards say cannot move a number and are left out.
    """
    start = [ROOT / "methods" / f"{method}.py", dataset_file, *(ROOT / name for name in ENGINE)]
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(_closure(start)):
        digest.update(os.path.relpath(file, ROOT).encode())
        digest.update(_source(file)[0].encode())
    return digest.hexdigest()


@functools.cache
def _source(file: Path) -> tuple[str, tuple[Path, ...]]:
    """Return what of a file can move a number, as text, and the files of the suite that it imports; read once."""
    text = file.read_text(encoding="utf-8")
    return ast.unparse(_bare(ast.parse(text))), tuple(_imports(ast.parse(text)))


def _bare(tree: ast.Module) -> ast.Module:
    """Return the syntax tree without docstrings and without the words of ``TOLD``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [part for part in node.body if not _is_text(part)]
            if isinstance(node, ast.ClassDef):
                body = [part for part in body if not _is_told(part)]
            node.body = body or [ast.Pass()]
    return tree


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _is_told(part: ast.stmt) -> bool:
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return bool(names) and set(names) <= TOLD and _is_words(getattr(part, "value", None))


def _is_words(value: ast.expr | None) -> bool:
    """Say whether an expression is a text, or a tuple or list of texts."""
    if isinstance(value, ast.Tuple | ast.List):
        return all(_is_words(item) for item in value.elts)
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _closure(start: Iterable[Path]) -> set[Path]:
    seen: set[Path] = set()
    finders = {ROOT / name for name in FINDERS}
    todo = [file for file in start if file.exists()]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            if file not in finders:
                todo.extend(_source(file)[1])
    return seen


def _imports(tree: ast.Module) -> list[Path]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    paths = [ROOT.joinpath(*name.split(".")) for name in names if name.split(".")[0] in ROOMS]
    candidates = [path.with_suffix(".py") for path in paths] + [path / "__init__.py" for path in paths]
    return [path for path in candidates if path.exists()]


@functools.cache
def _git() -> dict[str, Any]:
    try:
        commit = _command("git", "rev-parse", "HEAD")
        return {
            "commit": commit,
            "dirty": bool(_command("git", "status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _command(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


def reset_peak_memory() -> None:
    """Start the measurement of the peak resident memory anew, where the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory() -> int:
    """Return the peak resident memory in bytes since the last reset (mapped feature files count while resident)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import psutil

        return int(psutil.Process().memory_info().rss)
