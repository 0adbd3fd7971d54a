"""Codes of a feature file, made with a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.catalogue.choice import choose_method, read_settings
from benchmark.cells.model_file import restore
from benchmark.compute import machine
from benchmark.compute.encoding import encode_split
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.errors import BadInput, TrainingDiverged
from benchmark.evaluation.hamming import Codes, unpack
from benchmark.files.arrays import save_arrays
from benchmark.files.atomic import check_writable
from benchmark.progress import Progress


@machine.configured()
def encode_file(
    method: str,
    checkpoint: Path,
    features: Path,
    out: Path,
    *,
    key: str,
    settings: Sequence[str],
    device: str,
    cache: Path,
) -> Codes:
    """Encode the frame features of an HDF5 file, write ``out`` (.npz), and return the codes.

    ``method`` and ``settings`` are as on the command line, ``KEY=VALUE`` with or without the method before the key.
    ``out`` holds ``codes``, (n, bits) int8 of +1 and -1, ``packed`` and ``bits``. Raises BadInput on a mistake.
    """
    choice = choose_method(method)
    if out.suffix != ".npz":
        raise BadInput("codes are written as .npz", file=out, next_step="give --out a name that ends in .npz")
    check_writable(out)
    own = read_settings([_with_method(choice.name, pair) for pair in settings]).get(choice.name, {})
    videos = ShardedVideos.open([features], key, cache)
    model = restore(choice, checkpoint, videos.shape, own, machine.choose_device(device))
    _ = videos.fingerprint  # verifies every value, once per file
    with Progress(f"{choice.name} encodes {features.name}") as progress:
        progress.phase("encode", len(videos))
        try:
            codes = encode_split(model, videos, progress.advance)
        except TrainingDiverged as error:
            raise BadInput(f"gives no codes of these features: {error}", file=checkpoint) from error
    _save(out, codes)
    return codes


def _save(out: Path, codes: Codes) -> None:
    values = np.where(unpack(codes) < 0, -1, 1).astype(np.int8)
    zeros = {} if codes.nonzero is None else {"nonzero": codes.nonzero}
    save_arrays(out, {"codes": values, "packed": codes.packed, "bits": np.array(codes.bits), **zeros})


def _with_method(method: str, pair: str) -> str:
    return pair if pair.partition("=")[0].startswith(f"{method}.") else f"{method}.{pair}"
