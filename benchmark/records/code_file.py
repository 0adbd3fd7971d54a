"""Packed codes on disk, read and written without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.evaluation.hamming import WORD, Codes
from benchmark.files.arrays import Unreadable, read_arrays, save_arrays, whole_number

BITS = "bits"


def write_codes(path: Path, splits: Mapping[str, Codes]) -> None:
    """Write the codes of several splits into one ``.npz``: ``<split>`` uint64 words, ``<split>_nonzero``, ``bits``."""
    arrays: dict[str, np.ndarray] = {}
    for name, codes in splits.items():
        arrays[BITS] = np.array(codes.bits)
        arrays[name] = codes.packed
        if codes.nonzero is not None:
            arrays[f"{name}_nonzero"] = codes.nonzero
    save_arrays(path, arrays)


def read_codes(path: Path) -> dict[str, Codes]:
    """Read what ``write_codes`` wrote; raises Unreadable where the file is missing, damaged, or something else."""
    arrays = read_arrays(path)
    if BITS not in arrays:
        raise Unreadable("holds no codes", file=path, expected=f"key {BITS}", found=", ".join(arrays) or "nothing")
    bits = whole_number(arrays, BITS, path)
    names = [name for name in arrays if name != BITS and not name.endswith("_nonzero")]
    splits = {name: Codes(arrays[name], arrays.get(f"{name}_nonzero"), bits) for name in names}
    for name, codes in splits.items():
        shape = (*codes.packed.shape[:1], -(-bits // WORD))
        tables = [codes.packed] if codes.nonzero is None else [codes.packed, codes.nonzero]
        if bits < 1 or any(table.dtype != np.uint64 or table.shape != shape for table in tables):
            raise Unreadable(f"holds no packed codes of {bits} bits", file=path, key=name)
    return splits
