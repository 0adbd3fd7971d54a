"""Cache of prepared arrays (anchors, graphs, scenes): content key, atomic publish, one maker at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from benchmark.atomic import replacing, sweep


class ArtefactStore:
    """Arrays that are a pure function of (name, content they were made from, parameters), kept as ``.npz`` files.

    A file appears only when complete, so a kill in the middle leaves nothing behind that could be taken for a result.
    A damaged file is made again. A second process that needs the same artefact waits for the first.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *, of: str, params: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return the arrays, from the cache or from ``make``; ``of`` is a content fingerprint."""
        from filelock import FileLock

        key = json.dumps({"name": name, "of": of, "params": dict(params)}, sort_keys=True)
        path = self.root / f"{name}-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            arrays = _read(path, key)
            if arrays is None:
                sweep(path.parent, path.name)
                arrays = {label: np.asarray(value) for label, value in make().items()}
                with replacing(path) as temporary, open(temporary, "wb") as stream:
                    np.savez(stream, allow_pickle=False, __key__=np.array(key), **arrays)
        return arrays


def _read(path: Path, key: str) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["__key__"]) != key:
                return None
            return {label: stored[label] for label in stored.files if label != "__key__"}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
