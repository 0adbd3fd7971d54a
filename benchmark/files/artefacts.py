"""Cache of prepared arrays (anchors, graphs, scenes): content key, atomic publish, one maker at a time."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import Unwritable
from benchmark.files.arrays import Unreadable, read_arrays, save_arrays
from benchmark.files.atomic import sweep, writing_to
from benchmark.files.lock import locked

KEY = "__key__"
"""The array that says what the others were made from."""


class ArtefactStore:
    """Arrays that are a pure function of (name, content they were made from, parameters), kept as ``.npz`` files.

    A file appears only when complete, so a kill in the middle leaves nothing behind that could be taken for a result.
    A damaged file is made again. A second process that needs the same artefact waits for the first. Where nothing can
    be written, an artefact is made each time, which is said on stderr.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *, of: str, params: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return the arrays, from the cache or from ``make``; ``of`` is a content fingerprint."""
        key = json.dumps({"name": name, "of": of, "params": dict(params)}, sort_keys=True)
        path = self.root / f"{name}-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.npz"
        arrays = _read(path, key)
        if arrays is not None:
            return arrays
        with ExitStack() as stack:
            try:
                with writing_to(self.root, "make room"):
                    self.root.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(path.with_name(f"{path.name}.lock"), wait=True))
            except Unwritable as error:
                _note(error)
                return _made(make)
            arrays = _read(path, key)
            if arrays is None:
                sweep(path.parent, path.name)
                arrays = _made(make)
                try:
                    save_arrays(path, {KEY: np.array(key), **arrays}, compressed=False)
                except Unwritable as error:
                    _note(error)
        return arrays


def _made(make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {label: np.asarray(value) for label, value in make().items()}


def _note(error: Unwritable) -> None:
    print(f"note: {error}", file=sys.stderr, flush=True)


def _read(path: Path, key: str) -> dict[str, np.ndarray] | None:
    """Return the arrays made for ``key``, or None where they are missing, damaged, or of another key."""
    try:
        arrays = read_arrays(path)
    except Unreadable:
        return None
    return arrays if str(arrays.pop(KEY, None)) == key else None
