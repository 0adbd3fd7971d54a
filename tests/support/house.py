"""Read the sources of the suite: who imports whom, circles, long files, and the map of rooms in the README.

``python -m tests.support.house`` prints the counts, ``--map`` the table of rooms as Markdown, and ``--write`` puts that
table between its markers in the README.
"""

from __future__ import annotations

import argparse
import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SUITE = ("benchmark", "methods", "datasets", "reports")
MARKERS = ("<!-- rooms -->\n", "<!-- end of rooms -->")


class Import(NamedTuple):
    """One imported module, with the line of the statement."""

    module: str
    line: int


def files(*folders: str) -> list[Path]:
    """Return the Python files below top-level folders, sorted."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    """Return the dotted name of a file; a package's ``__init__`` has the package's name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the suite and of its tests by dotted name."""
    return {module_name(path): path for path in files(*SUITE, "tests")}


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[Import]:
    """Yield what a file imports of the suite and its tests, inside functions and under TYPE_CHECKING too.

    ``from package import name`` counts as the module ``package.name`` where there is one, and as ``package`` elsewhere.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = _absolute(path, node)
            names = [f"{package}.{alias.name}" for alias in node.names]
        else:
            continue
        targets = [name if name in modules() else name.rpartition(".")[0] or name for name in names]
        for module in dict.fromkeys(name for name in targets if name.split(".")[0] in (*SUITE, "tests")):
            yield Import(module, node.lineno)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parents = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def room(module: str) -> str:
    """Return the folder of a module: at most one below the top, and a file that lies flat is a room of its own.

    Guests (``methods/*.py``, ``datasets/*.py``) are one room each.
    """
    parts = module.split(".")
    if parts[0] in ("methods", "datasets"):
        return ".".join(parts[:2]) if parts[1:2] == ["parts"] else parts[0]
    return ".".join(parts[:2])


def file_graph() -> dict[str, set[str]]:
    """Return the modules that each module of the suite imports."""
    return {
        name: {found.module for found in imports(path)} - {name}
        for name, path in modules().items()
        if name.split(".")[0] in SUITE
    }


def room_graph() -> dict[str, set[str]]:
    """Return the rooms that each room of the suite imports from."""
    graph: dict[str, set[str]] = {}
    for module, others in file_graph().items():
        graph.setdefault(room(module), set()).update(room(other) for other in others)
    return {name: others - {name} for name, others in graph.items()}


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other."""
    reached = {node: _reachable(graph, node) for node in graph}
    groups = {frozenset(other for other in reached[node] if node in reached.get(other, ())) for node in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reachable(graph: Mapping[str, Iterable[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(graph.get(node, ()))
    return seen


def flat_files(folder: str) -> list[str]:
    """Return the names, without suffix, of the Python files directly in a folder."""
    return sorted(path.stem for path in (ROOT / folder).glob("*.py"))


def functions(path: Path) -> set[str]:
    """Return the names of the functions at the top of a module."""
    return {node.name for node in tree(path).body if isinstance(node, ast.FunctionDef)}


def lines(path: Path) -> int:
    """Return the number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def summary_line(path: Path) -> str:
    """Return the first line of a module's docstring, or nothing."""
    return (ast.get_docstring(tree(path)) or "").partition("\n")[0]


def docstring_fault(path: Path) -> str:
    """Return what is wrong with a module's docstring, or nothing: its first line is to be one sentence."""
    first, _, rest = (ast.get_docstring(tree(path)) or "").partition("\n")
    if not first:
        return "has no docstring that starts in its first line"
    if rest and rest.partition("\n")[0].strip():
        return "goes on in the second line"
    if not first.endswith(".") or re.search(r"[.!?] [A-Z]", first):
        return "is not one sentence"
    return ""


def rooms() -> list[Path]:
    """Return the rooms of the suite in the order of the map: flat files of the engine, its folders, then the others."""
    flat = [path for path in files("benchmark") if path.parent == ROOT / "benchmark" and path.stem[:2] != "__"]
    packages = [path for folder in SUITE for path in files(folder) if path.stem == "__init__"]
    return [
        ROOT / "benchmark" / "__init__.py",
        *flat,
        *[path for path in packages if path.parent != ROOT / "benchmark"],
    ]


def room_map() -> str:
    """Return the table of rooms as Markdown, from the first lines of their docstrings."""
    rows = ["| room | what it is for |", "|---|---|"]
    for path in rooms():
        place = path.relative_to(ROOT)
        name = f"{place.parent}/" if path.stem == "__init__" else str(place)
        rows.append(f"| `{name}` | {summary_line(path).replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def shown_map() -> str:
    """Return the table that the README shows; raises ValueError where a marker is missing."""
    text = README.read_text(encoding="utf-8")
    return text[slice(*_between_markers(text))]


def write_map() -> None:
    """Put the table between its markers in the README."""
    text = README.read_text(encoding="utf-8")
    start, end = _between_markers(text)
    README.write_text(text[:start] + room_map() + text[end:], encoding="utf-8")


def _between_markers(text: str) -> tuple[int, int]:
    start, end = MARKERS
    return text.index(start) + len(start), text.index(end)


def counts() -> dict[str, object]:
    """Return the numbers that say how tidy the house is."""
    paths = files(*SUITE, "tests")
    longest = max(paths, key=lines)
    return {
        "rooms of benchmark/": len({room(name) for name in file_graph() if name.startswith("benchmark.")}),
        "flat files in benchmark/": ", ".join(flat_files("benchmark")),
        "flat files in reports/": ", ".join(flat_files("reports")),
        "files of the suite": len(files(*SUITE)),
        "files of the tests": len(files("tests")),
        "circles between files": circles(file_graph()) or "none",
        "circles between folders": circles(room_graph()) or "none",
        "longest file": f"{longest.relative_to(ROOT)}, {lines(longest)} lines",
        "files over 300 lines": [str(path.relative_to(ROOT)) for path in paths if lines(path) > 300] or "none",
    }


def main() -> None:
    """Print the counts or the map, or write the map."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--map", action="store_true", help="print the table of rooms")
    parser.add_argument("--write", action="store_true", help="put the table of rooms into the README")
    args = parser.parse_args()
    if args.write:
        write_map()
    elif args.map:
        print(room_map(), end="")
    else:
        for name, value in counts().items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
