"""One streaming pass over a feature file: every value is finite and in range, and the content has this fingerprint."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.feature_file import FeatureFile
from benchmark.errors import BadInput, Unwritable
from benchmark.files import atomic
from benchmark.progress import Progress

LARGEST, SMALLEST = 1e15, 1e-15
"""Magnitudes between which sums and squares of features hold in float32 (our choice).

A value above is refused: the sum of squares of 100,000 of them is 1e+35, and float32 ends at 3.4e+38. A file whose
values are all below the lower bound is refused too: their squares lose digits below 1e-38.
"""


def verified_fingerprint(file: FeatureFile, cache: Path | None) -> str:
    """Return the hex digest of the file's shape, dtype and values; raises BadInput on the first NaN or Inf.

    The pass is made once: its outcome is kept under ``cache`` for exactly this path, key, size and time of change.
    """
    before = identity(file)
    outcome = None if cache is None else cache / "verified" / f"{_digest(before)}.json"
    if outcome is not None and (fingerprint := _remembered(outcome, before)):
        return fingerprint
    fingerprint = _pass(file)
    if outcome is not None and identity(file) == before:
        with suppress(Unwritable):  # the next process then makes the pass again
            atomic.write_json(outcome, {**before, "fingerprint": fingerprint})
    return fingerprint


def identity(file: FeatureFile) -> dict[str, Any]:
    """Return what tells a file from others and from itself before a change, without reading it.

    ``sources``: the same of every other file that its values come from; places where HDF5 would look for one of these
    before count as well, so that a file that appears there is noticed. Raises BadInput where the file cannot be used.
    """
    sources = [_state(path) for path in file.layout.place.sources]
    return {"key": file.key, **_state(file.path), "sources": sources}


def _state(path: Path) -> dict[str, Any]:
    """Return a file's place, size and times of change; a file put in place with an older time has a new ``ctime``."""
    resolved = path.resolve()
    try:
        state = resolved.stat()
    except OSError:
        return {"path": str(resolved), "size": None}
    return {
        "path": str(resolved),
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "ctime_ns": state.st_ctime_ns,
    }


def _digest(identity: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=12).hexdigest()


def _remembered(outcome: Path, identity: dict[str, Any]) -> str | None:
    try:
        stored = json.loads(outcome.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or any(stored.get(key) != value for key, value in identity.items()):
        return None
    fingerprint = stored.get("fingerprint")
    return fingerprint if isinstance(fingerprint, str) else None


def _pass(file: FeatureFile) -> str:
    n, views, frames, dim = file.layout.shape
    digest = hashlib.blake2b(f"{(n, views, frames, dim)} {file.layout.dtype.name}".encode(), digest_size=16)
    largest = 0.0
    with Progress(f"checking {file.path.name}", total=n) as progress:
        for start, values in file.blocks():
            largest = max(largest, _checked(file, start, values))
            digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
            progress.advance(len(values))
    if 0 < largest < SMALLEST:
        raise _out_of_range(file, f"no value is larger than {largest:.2g}, whose square float32 cannot hold")
    return digest.hexdigest()


def _checked(file: FeatureFile, start: int, values: np.ndarray) -> float:
    """Return the largest magnitude of a block; raises BadInput at a value that is not finite or too large."""
    largest = _largest(values)
    if largest <= LARGEST:
        return largest
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    finite = np.isfinite(single)
    row, view, frame, place = (int(i[0]) for i in np.nonzero(~finite if not finite.all() else np.abs(single) > LARGEST))
    where = f"row {start + row}" + (f", view {view}" if values.shape[1] > 1 else "") + f", frame {frame}"
    value = values[row, view, frame, place]
    if np.isfinite(single[row, view, frame, place]):
        raise _out_of_range(
            file, f"value {place} of {where} is {value:.2g}, and sums of its squares overflow in float32"
        )
    if np.isfinite(value):
        raise _out_of_range(file, f"value {place} of {where} is not finite in float32: {value:.2g}")
    raise BadInput(
        f"value {place} of {where} is not finite",
        file=file.path,
        key=file.key,
        expected="finite values only",
        found=value,
        next_step="extract the features of that video again or leave it out",
    )


def _out_of_range(file: FeatureFile, what: str) -> BadInput:
    return BadInput(
        what,
        file=file.path,
        key=file.key,
        expected=f"magnitudes between {SMALLEST:g} and {LARGEST:g}",
        next_step="divide all features of the dataset by one number",
    )


def _largest(values: np.ndarray) -> float:
    """Return the largest magnitude, NaN where there is one; float16 has no value out of range but those not finite.

    These are found by their bits, which is several times faster.
    """
    if values.dtype == np.float16 and values.dtype.isnative:
        exponent = np.uint16(0x7C00)
        return float("inf") if ((values.view(np.uint16) & exponent) == exponent).any() else 1.0
    return max(-float(values.min()), float(values.max()))
