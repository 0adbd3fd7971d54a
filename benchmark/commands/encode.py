"""``encode``: codes of a feature file from a checkpoint, ours or the authors'."""

from __future__ import annotations

import argparse

from benchmark.commands import shared
from benchmark.paths import path_of, shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Encode frame features (HDF5, (videos, frames, dim)) with our model.pt or the authors' checkpoint."
    )
    parser.add_argument("--method", required=True, metavar="M")
    parser.add_argument("--checkpoint", required=True, type=path_of, metavar="F")
    parser.add_argument("--features", required=True, type=path_of, metavar="F.h5")
    parser.add_argument("--key", default="feats", help="data set inside the HDF5 file (default: feats)")
    parser.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="settings of the method")
    shared.add_device(parser)
    parser.add_argument("--out", required=True, type=path_of, metavar="codes.npz", help="(n, bits) int8, and packed")
    shared.add_roots(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.cells.encode_file import encode_file

    codes = encode_file(
        args.method,
        args.checkpoint,
        args.features,
        args.out,
        key=args.key,
        settings=args.set or [],
        device=args.device,
        cache=shared.roots(args).cache,
    )
    print(f"{codes.n} videos, {codes.bits} bits: {shown(args.out)}")
    return 0
