"""What a guest's file says of itself, read without importing it: torch is not loaded to print names."""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path

from benchmark.paths import ROOT

QUIET = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.ClassDef, ast.FunctionDef)
"""Statements of a module that a reader may skip without missing what importing it would do."""


def stated(path: Path, name: str) -> str | None:
    """Return the text that the file's one class with this attribute gives it.

    None where only importing the file can tell: it is damaged, it does more than to define, the text is computed, or
    something that it imports is not there.
    """
    tree = _parsed(path)
    if tree is None or not _is_importable(path):
        return None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    values = [value for node in classes if (value := _attribute(node, name)) is not None]
    needed = [value for node in classes if (value := _attribute(node, "needs")) is not None]
    if len(values) != 1 or not isinstance(values[0], str) or not all(map(_is_installed, needed)):
        return None
    return values[0]


@functools.cache
def _parsed(path: Path) -> ast.Module | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    return tree if all(isinstance(node, QUIET) or _is_docstring(node) for node in tree.body) else None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _attribute(node: ast.ClassDef, name: str) -> object:
    """Return the value of a class's attribute, None where it has none; ``...`` for one that is computed."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(statement.value)  # type: ignore[arg-type]
            except ValueError:
                return ...
    return None


def _is_installed(needs: object) -> bool:
    """Return whether packages are installed; False for what is no tuple of names."""
    if not isinstance(needs, (tuple, list)):
        return False
    return all(isinstance(name, str) and _has_package(name.split(".")[0]) for name in needs)


@functools.cache
def _is_importable(path: Path) -> bool:
    """Return whether what a file imports is there; of guests' shared pieces, also what these import."""
    tree = _parsed(path)
    if tree is None:
        return False
    modules: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                return False
            modules.append(node.module)
    return all(map(_is_there, modules))


def _is_there(module: str) -> bool:
    first = module.split(".")[0]
    if first == "benchmark":
        return True
    if not (ROOT / first / "__init__.py").is_file():
        return _has_package(first)
    file = ROOT.joinpath(*module.split("."))
    return file.is_dir() or _is_importable(file.with_suffix(".py"))


@functools.cache
def _has_package(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
