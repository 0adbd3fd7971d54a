"""Packed codes on disk, read and written without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.atomic import replacing
from benchmark.evaluation.hamming import Codes


def write_codes(path: Path, splits: Mapping[str, Codes]) -> None:
    """Write the codes of several splits into one ``.npz``: ``<split>`` uint64 words, ``<split>_nonzero``, ``bits``."""
    arrays: dict[str, np.ndarray] = {}
    for name, codes in splits.items():
        arrays["bits"] = np.array(codes.bits)
        arrays[name] = codes.packed
        if codes.nonzero is not None:
            arrays[f"{name}_nonzero"] = codes.nonzero
    save_arrays(path, arrays)


def read_codes(path: Path) -> dict[str, Codes]:
    """Read what ``write_codes`` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        bits = int(stored["bits"])
        names = [name for name in stored.files if name != "bits" and not name.endswith("_nonzero")]
        return {name: Codes(stored[name], stored.get(f"{name}_nonzero"), bits) for name in names}


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed ``.npz`` atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
