"""What the checkout offers: one file in ``methods/`` is one method, one file in ``datasets/`` is one dataset.

The engine finds them by the presence of the file. A guest that cannot be imported, or whose packages are missing, is a
state that is shown with its reason, never a crash of the others.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.errors import BadInput, nearest
from benchmark.paths import ROOT, Roots

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import Method


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

    def load(self, base: type) -> Any:
        """Return the one concrete subclass of ``base`` that the file defines, with its name set."""
        module = self.module()
        classes = [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, base)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        ]
        if len(classes) != 1:
            raise BadInput(
                "a guest's file defines one concrete class",
                file=self.path.relative_to(ROOT),
                expected=f"1 subclass of {base.__name__}",
                found=f"{len(classes)}",
            )
        return classes[0]


def _entries(room: str) -> dict[str, Entry]:
    files = sorted((ROOT / room).glob("*.py"))
    return {file.stem: Entry(file.stem, room) for file in files if not file.stem.startswith("_")}


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
    missing = [package for package in cls.needs if importlib.util.find_spec(package) is None]
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


def open_dataset(argument: str, roots: Roots) -> Dataset:
    """Open ``name``, ``name:option=value,...`` or the path of a folder with a ``dataset.toml``."""
    from benchmark.data.file_dataset import load_folder

    name, _, tail = argument.partition(":")
    if name in datasets():
        cls = load_dataset_class(name)
        if tail:
            return cls.with_options(roots, _options(argument, tail))
        presence = cls.presence(roots)
        if not presence.available:
            raise BadInput(f"dataset '{name}' is not here: {presence.reason}")
        return cls(roots)
    if Path(argument).is_dir():
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


def _find(entries: dict[str, Entry], name: str, kind: str) -> Entry:
    if name not in entries:
        raise BadInput(f"unknown {kind} '{name}'; {nearest(name, list(entries))}")
    return entries[name]
