"""Which code made a number: the version, the commit, and a digest of the source files that can move it."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.paths import ROOT

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset

FOLDERS = ("benchmark", "methods", "datasets")
"""Folders of the checkout whose files are followed."""
ENGINE = ("benchmark/cells/measure.py", "benchmark/compute/encoding.py", "benchmark/evaluation/evaluator.py")
"""The engine's files that make numbers; beside the method and the dataset, what they import counts."""
UNCOUNTED = (
    # the version
    "benchmark/__init__.py",
    # wording, progress and places
    "benchmark/errors.py",
    "benchmark/progress.py",
    "benchmark/paths.py",
    # how files are written whole, and by one process at a time
    "benchmark/files/atomic.py",
    "benchmark/files/lock.py",
    # the fingerprint of features, which is in the key
    "benchmark/data/verification.py",
    # records and what lies beside them
    "benchmark/records",
    # measurement of memory
    "benchmark/compute/memory.py",
    # from words to cells: all that a cell is made of is in its key, and its guests are known
    "benchmark/catalogue/registry.py",
    "benchmark/catalogue/choice.py",
)
"""Files, and folders with all their files, that can move no number: neither they nor what they import counts."""
CARD = {"paper", "source", "differences", "choices", "cost", "title", "bf16"}
"""Class attributes that say something in words; one that holds anything but text counts."""


def code_identity(method: str, dataset: Dataset) -> dict[str, Any]:
    """Return version, commit, the dataset's source file and the digest of all that the cell's numbers depend on."""
    file = source_file(dataset)
    return {
        "version": __version__,
        **_git(),
        "dataset_file": os.path.relpath(file, ROOT),
        "digest": code_digest(method, file),
    }


def source_file(dataset: Dataset) -> Path:
    """Return the file that defines a dataset's class; for a part of a dataset, that of the whole."""
    return Path(inspect.getfile(type(dataset.origin)))


@functools.cache
def code_digest(method: str, dataset_file: Path, root: Path = ROOT) -> str:
    """Return a hash over the sources that can move the numbers of a method on a dataset.

    These are the files of ``counted_files``, without comments, docstrings, layout, type-checking imports, texts of
    errors and what cards say. ``root`` is the checkout. Raises FileNotFoundError where a named file does not exist.
    """
    digest = hashlib.blake2b(digest_size=8)
    for file in counted_files(method, dataset_file, root):
        digest.update(os.path.relpath(file, root).encode())
        digest.update(_source(file, root)[0].encode())
    return digest.hexdigest()


def counted_files(method: str, dataset_file: Path, root: Path = ROOT) -> list[Path]:
    """Return, sorted, the method, the dataset, ``ENGINE`` and what these import, transitively, less ``UNCOUNTED``.

    A file of nothing but words, such as that of a package, does not count.
    """
    start = [root / "methods" / f"{method}.py", dataset_file, *(root / name for name in ENGINE)]
    uncounted = [root / name for name in UNCOUNTED]
    for path in (*start, *uncounted):
        if not path.exists():
            raise FileNotFoundError(f"the digest of the code names a file that does not exist: {path}")
    return sorted(file for file in _closure(start, uncounted, root) if _source(file, root)[0] != "pass")


def _closure(start: Iterable[Path], uncounted: Iterable[Path], root: Path) -> set[Path]:
    skipped, counted, todo = set(uncounted), set[Path](), list(start)
    while todo:
        file = todo.pop()
        if file not in counted and skipped.isdisjoint((file, *file.parents)):
            counted.add(file)
            todo.extend(_source(file, root)[1])
    return counted


@functools.cache
def _source(file: Path, root: Path) -> tuple[str, tuple[Path, ...]]:
    """Return what of a file can move a number, as text, and the files of the suite that it imports; read once."""
    tree = _Bare().visit(ast.parse(file.read_text(encoding="utf-8")))
    return ast.unparse(tree), tuple(_imports(tree, root))


class _Bare(ast.NodeTransformer):
    """Takes out of a syntax tree what can move no number."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        if isinstance(node, ast.ClassDef):
            node.body = [part for part in node.body if not _is_of_card(part)] or [ast.Pass()]
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING") else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [argument for argument in node.exc.args if not _is_wording(argument)]
            node.exc.keywords = [word for word in node.exc.keywords if not _is_wording(word.value)]
        return self.generic_visit(node)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _is_of_card(part: ast.stmt) -> bool:
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return bool(names) and set(names) <= CARD and _is_words(getattr(part, "value", None))


def _is_words(value: ast.expr | None) -> bool:
    """Return whether an expression is a text, or a tuple or list of texts."""
    if isinstance(value, ast.Tuple | ast.List):
        return all(_is_words(item) for item in value.elts)
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_wording(value: ast.expr) -> bool:
    """Return whether an argument of an error is a text, with or without values in it."""
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))


def _imports(tree: ast.AST, root: Path) -> Iterator[Path]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    paths = [root.joinpath(*name.split(".")) for name in names if name.split(".")[0] in FOLDERS]
    candidates = [path.with_suffix(".py") for path in paths] + [path / "__init__.py" for path in paths]
    return (path for path in candidates if path.exists())


@functools.cache
def _git() -> dict[str, Any]:
    try:
        return {
            "commit": _command("git", "rev-parse", "HEAD"),
            "dirty": bool(_command("git", "status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _command(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
