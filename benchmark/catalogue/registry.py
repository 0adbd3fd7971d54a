"""What the checkout offers: one file in ``methods/`` is one method, one file in ``datasets/`` is one dataset.

The engine finds them by the presence of the file. A guest that cannot be imported, or whose packages are missing, is a
state that is shown with its reason, never a crash of the others.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import BadInput, listed, nearest
from benchmark.paths import ROOT, Roots, is_folder

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset, Presence
    from benchmark.interfaces.method import Method


Room = Literal["methods", "datasets"]


@dataclass(frozen=True)
class Entry:
    """A guest by name; ``room`` is the top-level folder of its file."""

    name: str
    room: str

    @property
    def path(self) -> Path:
        """The guest's source file."""
        return ROOT / self.room / f"{self.name}.py"

    def module(self) -> ModuleType:
        """Import the guest's file; raises BadInput with the reason where that fails."""
        if str(ROOT) not in sys.path:
            sys.path.insert(0, str(ROOT))
        try:
            return importlib.import_module(f"{self.room}.{self.name}")
        except ImportError as error:
            raise BadInput(
                f"cannot be imported ({error})",
                file=self.path.relative_to(ROOT),
                next_step=f"install '{error.name}'" if error.name else "run 'python -m benchmark doctor'",
            ) from error
        except (Exception, SystemExit) as error:  # a file that somebody is writing may do anything
            raise self.broken("cannot be loaded", error) from error

    def broken(self, what: str, error: BaseException) -> BadInput:
        """Return the sentence on a guest whose own code raised an error."""
        return BadInput(f"{what} ({type(error).__name__}: {error})", file=self.path.relative_to(ROOT))

    def load(self, base: type) -> Any:
        """Return the one concrete subclass of ``base`` that the file defines, with its name set."""
        module = self.module()
        own = [
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
        ]
        classes = [cls for cls in own if not inspect.isabstract(cls)]
        if len(classes) != 1:
            lacking = [
                f"{cls.__name__} lacks {listed(getattr(cls, '__abstractmethods__', ()))}"
                for cls in own
                if cls not in classes
            ]
            raise BadInput(
                "a guest's file defines one concrete class",
                file=self.path.relative_to(ROOT),
                expected=f"1 subclass of {base.__name__}",
                found="; ".join([f"{len(classes)}", *lacking]),
            )
        return classes[0]


def _entries(room: str) -> dict[str, Entry]:
    """Return the guests of a room: files whose names are those of Python modules, so no hidden files and no copies."""
    files = sorted((ROOT / room).glob("*.py"))
    names = [file.stem for file in files if file.stem.isidentifier() and file.is_file()]
    return {name: Entry(name, room) for name in names if not name.startswith("_")}


def state(room: Room, name: str) -> Any:
    """Return a guest's class, or the BadInput that says why it cannot be loaded."""
    try:
        return load_method(name) if room == "methods" else load_dataset_class(name)
    except BadInput as error:
        return error


def states(room: Room) -> Iterator[tuple[str, Any]]:
    """Yield every guest of a room by name, with its ``state``."""
    for name in _entries(room):
        yield name, state(room, name)


def methods() -> dict[str, Entry]:
    """Return every method of the checkout by name."""
    return _entries("methods")


def datasets() -> dict[str, Entry]:
    """Return every dataset of the checkout by name."""
    return _entries("datasets")


def method_entry(name: str) -> Entry:
    """Return one method's entry; raises BadInput with the nearest known name."""
    return _find(methods(), name, "method")


def load_method(name: str) -> type[Method]:
    """Import one method; raises BadInput where it is unknown or lacks packages."""
    from benchmark.interfaces.method import Method

    cls: type[Method] = method_entry(name).load(Method)
    missing = [package for package in cls.needs if not _is_installed(package)]
    if missing:
        raise BadInput(
            f"method '{name}' needs package {', '.join(missing)}",
            next_step=f"pip install {' '.join(missing)}",
        )
    return cls


def load_dataset_class(name: str) -> type[Dataset]:
    """Import one dataset's class; raises BadInput with the nearest known name."""
    from benchmark.interfaces.dataset import Dataset

    cls: type[Dataset] = _find(datasets(), name, "dataset").load(Dataset)
    return cls


def presence(name: str, roots: Roots) -> Presence:
    """Return whether a dataset can be opened; raises BadInput where it cannot be loaded or cannot tell."""
    cls = load_dataset_class(name)
    try:
        return cls.presence(roots)
    except BadInput:
        raise
    except Exception as error:
        raise datasets()[name].broken("cannot tell whether it is here", error) from error


def open_dataset(argument: str, roots: Roots) -> Dataset:
    """Open ``name``, ``name:option=value,...`` or the path of a folder with a ``dataset.toml``."""
    from benchmark.data.file_dataset import load_folder

    name, _, tail = argument.partition(":")
    if name in datasets():
        cls = load_dataset_class(name)
        if tail:
            return cls.with_options(roots, _options(argument, tail))
        place = presence(name, roots)
        if not place.available:
            raise BadInput(f"dataset '{name}' is not here: {place.reason}")
        return cls(roots)
    if is_folder(argument):
        return load_folder(Path(argument), roots.cache)
    if "/" in argument or "\\" in argument:
        raise BadInput(
            "no such folder", file=argument, next_step="give a dataset's name or a folder with a dataset.toml"
        )
    _find(datasets(), name, "dataset")
    raise AssertionError("unreachable")


def _options(argument: str, tail: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in tail.split(","):
        key, sign, value = part.partition("=")
        if not sign or not key or not value:
            raise BadInput(f"dataset '{argument}': cannot read the option '{part}'", expected="name:option=value,...")
        options[key.strip()] = value.strip()
    return options


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # a part of a package that is not there
        return False


def _refuse_odd_name(name: str, kind: str) -> None:
    """Raise BadInput where a file of that name lies among the guests and is none."""
    folder = ROOT / f"{kind}s"
    if f"{name}.py" in {path.name for path in folder.glob("*.py")}:
        raise BadInput(
            f"is no {kind}, as its name is not that of a Python module",
            file=(folder / f"{name}.py").relative_to(ROOT),
            next_step="rename the file with letters, digits and underscores",
        )


def _find(entries: dict[str, Entry], name: str, kind: str) -> Entry:
    if name not in entries:
        _refuse_odd_name(name, kind)
        raise BadInput(f"unknown {kind} '{name}'; {nearest(name, list(entries))}")
    return entries[name]
