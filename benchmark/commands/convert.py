"""``convert``: a dataset rewritten as a compact store, whose random reads are positioned reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands import shared
from benchmark.errors import BadInput
from benchmark.paths import is_folder, path_of

if TYPE_CHECKING:
    from benchmark.data.convert import Written


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Rewrite the features of a dataset (shards, compressed, float64, several views) into one "
        "contiguous HDF5 file per split, with labels and a dataset.toml; 'run --datasets DIR' takes the folder. "
        "Stopped, the same command goes on with the splits that are left."
    )
    parser.add_argument("--dataset", required=True, metavar="D", help="name, or folder with a dataset.toml")
    parser.add_argument("--out", required=True, type=path_of, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--dtype",
        choices=("keep", "float16", "float32"),
        default="keep",
        help="type of the stored values; keep (default) leaves float16 and float32 and makes float64 float32",
    )
    shared.add_roots(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.catalogue import registry
    from benchmark.data.convert import convert
    from benchmark.progress import Progress
    from benchmark.records.command_line import first_run

    if is_folder(args.dataset) and Path(args.dataset).resolve() == args.out.resolve():
        raise BadInput("is the dataset's own folder", file=args.out, next_step="give --out another folder")
    dataset = registry.open_dataset(args.dataset, shared.roots(args))
    with Progress(dataset.name) as progress:
        convert(dataset, args.out, args.dtype, args.dataset, lambda split: print(_line(split), flush=True), progress)
    print(f"{dataset.name}: {first_run(args.out)}")
    return 0


def _line(split: Written) -> str:
    if split.owner != split.split:
        return f"{split.split}: {split.videos:,} videos, in the file of {split.owner}"
    before = "computed" if split.before is None else _mebibytes(split.before)
    text = f"{split.split}: {split.videos:,} videos, {before} -> {_mebibytes(split.after)}"
    if split.was_finished:
        return f"{text}, kept"
    text += f", {split.seconds:.1f} s"
    if split.rounding.relative:
        text += f"; largest relative rounding error {split.rounding.relative:.1e}"
    if split.rounding.tiny:
        text += f"; {split.rounding.tiny:,} values below 6.1e-05 rounded by at most 3e-08"
    return text


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
