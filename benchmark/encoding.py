"""From videos to packed codes: fixed batches, progress, and the one place where reals become signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.atomic import replacing
from benchmark.errors import TrainingDiverged
from benchmark.evaluation.hamming import Codes, pack

if TYPE_CHECKING:
    from benchmark.features import Videos
    from benchmark.method import Method

BATCH = 256
"""Videos per call of ``encode`` (ours). The last batch is filled up, so that every matrix product has one shape."""


def encode_reals(
    method: Method, videos: Videos, advance: Callable[[int], None] | None = None, batch: int = BATCH
) -> np.ndarray:
    """Return ``(n, bits)`` float32: what the method says before the sign.

    Raises TrainingDiverged where a value is not finite.
    """
    outputs: list[np.ndarray] = []
    with torch.inference_mode():
        for rows, frames in videos.batches(batch):
            filled = _filled(frames, batch).to(method.run.device)
            reals = method.encode(filled)[: len(rows)].float().cpu().numpy()
            if not np.isfinite(reals).all():
                raise TrainingDiverged(
                    f"encode returned a value that is not finite, among rows {rows[0]} to {rows[-1]}"
                )
            outputs.append(reals)
            if advance:
                advance(len(rows))
    return np.concatenate(outputs)


def encode_split(method: Method, videos: Videos, advance: Callable[[int], None] | None = None) -> Codes:
    """Return the packed codes of a split."""
    return pack(encode_reals(method, videos, advance))


def _filled(frames: torch.Tensor, size: int) -> torch.Tensor:
    short = size - len(frames)
    return frames if short <= 0 else torch.cat([frames, frames[-1:].expand(short, -1, -1)])


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
