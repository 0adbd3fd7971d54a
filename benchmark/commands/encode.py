"""``encode``: codes of a feature file from a checkpoint, ours or the authors'."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared

if TYPE_CHECKING:
    from benchmark.features import FrameShape, Videos
    from benchmark.method import Imported, Method


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "encode",
        help="encode a feature file with a checkpoint",
        description="Encode frame features (HDF5, (videos, frames, dim)) with our model.pt or the authors' checkpoint.",
    )
    parser.add_argument("--method", required=True, metavar="M")
    parser.add_argument("--checkpoint", required=True, type=Path, metavar="F")
    parser.add_argument("--features", required=True, type=Path, metavar="F.h5")
    parser.add_argument("--key", default="feats", help="data set inside the HDF5 file (default: feats)")
    parser.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="settings of the method")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", required=True, type=Path, metavar="codes.npz", help="codes (n, bits) int8, and packed")
    shared.add_roots(parser)
    parser.set_defaults(call=call)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    import numpy as np

    from benchmark import environment, machine
    from benchmark.catalogue.choice import choose_method, read_settings
    from benchmark.code_file import save_arrays
    from benchmark.encoding import encode_split
    from benchmark.evaluation.hamming import unpack
    from benchmark.features import ShardedVideos
    from benchmark.progress import Progress

    machine.set_up()
    choice = choose_method(args.method)
    if args.out.suffix != ".npz":
        from benchmark.errors import BadInput

        raise BadInput("codes are written as .npz", file=args.out, next_step="give --out a name that ends in .npz")
    settings = read_settings([_with_method(choice.name, pair) for pair in args.set or []])
    videos = ShardedVideos.open([args.features], args.key, shared.roots(args).cache)
    method = restore(
        choice, args.checkpoint, videos, settings.get(choice.name, {}), environment.choose_device(args.device)
    )
    _ = videos.fingerprint  # verifies every value, once per file
    with Progress(f"{choice.name} encodes {args.features.name}") as progress:
        progress.phase("encode", len(videos))
        codes = encode_split(method, videos, progress.advance)
    values = np.where(unpack(codes) < 0, -1, 1).astype(np.int8)
    save_arrays(args.out, {"codes": values, "packed": codes.packed, "bits": np.array(codes.bits), **_zeros(codes)})
    print(f"{len(videos)} videos, {codes.bits} bits: {shared.shown(args.out)}")
    return 0


def _with_method(method: str, pair: str) -> str:
    return pair if pair.partition("=")[0].startswith(f"{method}.") else f"{method}.{pair}"


def _zeros(codes: Any) -> dict[str, Any]:
    return {} if codes.nonzero is None else {"nonzero": codes.nonzero}


def restore(choice: Any, checkpoint: Path, videos: Videos, settings: dict[str, str], device: Any) -> Method:
    """Return the method with the checkpoint's weights; raises BadInput where file, method and features do not fit."""
    from benchmark.checkpoint import MODEL_FORMAT, load_tensors
    from benchmark.errors import BadInput

    payload = load_tensors(checkpoint)
    ours = payload.get("format") == MODEL_FORMAT
    if ours and payload["method"] != choice.name:
        raise BadInput(
            "is a checkpoint of another method",
            file=checkpoint,
            expected=choice.name,
            found=payload["method"],
        )
    imported = _ours(payload) if ours else choice.cls.import_checkpoint(payload)
    precision = payload.get("precision", "fp32") if ours else "fp32"
    return _build(choice, checkpoint, imported, videos.shape, settings, device, precision)


def _ours(payload: dict[str, Any]) -> Imported:
    import json

    from benchmark.method import FrameShape, Imported

    shape = FrameShape(payload["frames"], payload["dim"])
    return Imported(payload["bits"], shape, json.loads(payload["config"]), payload["state"])


def _build(
    choice: Any,
    checkpoint: Path,
    imported: Imported,
    shape: FrameShape,
    settings: dict[str, str],
    device: Any,
    precision: str,
) -> Method:
    from benchmark.catalogue.choice import resolve_config
    from benchmark.errors import BadInput
    from benchmark.method import Run

    expected = imported.shape
    if expected is not None and (expected.dim != shape.dim or expected.frames not in (0, shape.frames)):
        frames = f"{expected.frames} frames of " if expected.frames else "frames of "
        raise BadInput(
            "was trained on features of another shape",
            file=checkpoint,
            expected=f"{frames}{expected.dim} dimensions",
            found=f"{shape.frames} frames of {shape.dim} dimensions",
            next_step="encode features of the same backbone and frame count",
        )
    config = resolve_config(choice, "", {**imported.config, **settings})
    method: Method = choice.cls(imported.bits, shape, config, Run(seed=0, device=device, precision=precision))
    try:
        method.load({name: tensor.to(device) for name, tensor in imported.state.items()})
    except (RuntimeError, KeyError) as error:
        raise BadInput(
            f"does not fit the method's settings: {' '.join(str(error).split())[:300]}",
            file=checkpoint,
            next_step="give the settings it was trained with by --set",
        ) from error
    return method
