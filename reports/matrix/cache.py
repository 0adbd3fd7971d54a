"""Results of long computations, kept beside the page: the same input is not computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.files.atomic import write_text


def cached(path: Path | None, inputs: str, make: Callable[[], Any]) -> Any:
    """Return the result that the file keeps for these inputs, else what ``make`` returns, plain data, and keep it.

    ``inputs`` is a ``digest``. A damaged file is made again; without a path, or where it cannot be written, nothing is
    kept.
    """
    result = _read(path, inputs)
    if result is None:
        result = make()
        if path:
            with suppress(OSError, BadInput):
                write_text(path, json.dumps({"inputs": inputs, "digest": digest(result), "result": result}) + "\n")
    return result


def digest(*parts: Any) -> str:
    """Return the hex digest of arrays and plain data, in this order."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            own = hashlib.blake2b(np.ascontiguousarray(part).data, digest_size=16)
            part = [part.shape, str(part.dtype), own.hexdigest()]
        whole.update(canonical(part).encode() + b"\n")
    return whole.hexdigest()


def canonical(value: Any) -> str:
    """Return plain data as JSON in one form."""
    return json.dumps(value, sort_keys=True)


def _read(path: Path | None, inputs: str) -> Any:
    try:
        stored = json.loads(path.read_text(encoding="utf-8")) if path else {}
        sound = stored["inputs"] == inputs and stored["digest"] == digest(stored["result"])
        return stored["result"] if sound else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
