"""``extract``: a folder of videos made into a dataset of frame features."""

from __future__ import annotations

import argparse
import importlib.util
import os
from typing import TYPE_CHECKING, Any

from benchmark.commands.shared import DEVICES
from benchmark.errors import BadInput
from benchmark.paths import path_of, shown

if TYPE_CHECKING:
    import torch

    from benchmark.extraction.job import Report, Views
    from benchmark.extraction.pipeline import ClipRecipe

BATCH, MOST_WORKERS, MOST_NAMES = 64, 16, 20
"""Frames per call of the backbone; at most so many decoding threads, and videos named in the summary (our choice)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = (
        "Decode a folder of videos, take T frames of each through a backbone, and write a folder that "
        "'run --datasets DIR' takes. Damaged files are reported and skipped. Stopped or killed, the same command goes "
        "on; videos that were added or changed since are extracted, and no others."
    )
    parser.add_argument("--videos", required=True, type=path_of, metavar="DIR", help="folder with videos, at any depth")
    parser.add_argument("--backbone", required=True, metavar="SPEC", help="the network, such as hf:NAME@REVISION")
    parser.add_argument("--frames", type=int, default=25, metavar="T", help="frames per video (default: 25)")
    parser.add_argument("--views", type=int, default=1, metavar="V", help="views per video, the first one plain")
    parser.add_argument("--out", required=True, type=path_of, metavar="DIR", help="a new folder, or an earlier call's")
    tables = parser.add_argument_group("labels and splits")
    tables.add_argument(
        "--labels",
        type=path_of,
        metavar="CSV",
        help="columns video,label; several by rows or ';' (default: the class of a video is its folder)",
    )
    tables.add_argument(
        "--splits",
        type=path_of,
        metavar="CSV",
        help="columns video,split with train, database, query (default: drawn; the training videos are the database)",
    )
    tables.add_argument(
        "--groups",
        type=path_of,
        metavar="CSV",
        help="columns video,group: a group is never divided (default: by _g01_ in file names, as in UCF101)",
    )
    tables.add_argument("--query-share", type=float, default=0.2, metavar="X", help="of every class (default: 0.2)")
    tables.add_argument("--seed", type=int, default=0, help="of drawn splits and of views (default: 0)")
    _add_work(parser.add_argument_group("work"))


def _add_work(group: Any) -> None:
    group.add_argument("--batch", type=int, default=BATCH, metavar="N", help=f"frames per call (default: {BATCH})")
    group.add_argument("--workers", type=int, metavar="N", help="decoding threads (default: by cores and device)")
    group.add_argument("--device", choices=DEVICES, default="auto")
    group.add_argument("--precision", choices=("fp32", "fp16", "bf16", "auto"), default="auto")
    group.add_argument("--dtype", choices=("float32", "float16"), default="float32", help="of the stored features")
    group.add_argument("--allow-partial", action="store_true", help="use damaged files up to where they decode")
    group.add_argument("--no-thumbnails", action="store_true", help="make no pictures for the page's gallery")


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    _check(args)
    _check_decoder()
    from benchmark.compute import machine
    from benchmark.extraction import job
    from benchmark.extraction.backbones import open_backbone
    from benchmark.extraction.pipeline import ClipRecipe
    from benchmark.progress import Progress
    from benchmark.records.command_line import first_run

    plan = job.make_plan(args.videos, args.out, args.labels, args.splits, args.groups, args.query_share, args.seed)
    for note in plan.notes:
        print(note)
    device = machine.choose_device(args.device)
    recipe = ClipRecipe(
        frames=args.frames, views=args.views, allow_partial=args.allow_partial, thumbnails=not args.no_thumbnails,
        batch=args.batch, workers=args.workers or _workers(device),
    )  # fmt: skip
    views = _views() if args.views > 1 else None
    with machine.configured():
        with Progress(f"opening the backbone {args.backbone}"):
            backbone = open_backbone(args.backbone, device, args.precision)
        report = job.run(plan, args.out, backbone, views, recipe, args.seed, args.dtype)
    _show(report, recipe)
    classes = len(plan.labels.classes)
    if report.missing:
        print(f"no dataset was written: no video of the {report.missing[0]} split could be extracted")
        return 1
    sizes = ", ".join(f"{split} {len(names):,}" for split, names in report.splits.items())
    print(f"{sizes} videos, {classes} classes, {args.frames} x {backbone.dim}")
    print(f"{shown(args.out)}: {first_run(args.out)}")
    return 1 if report.count("failed") else 0


def _check(args: argparse.Namespace) -> None:
    for name in ("frames", "views", "batch"):
        if getattr(args, name) < 1:
            raise BadInput(f"--{name} is out of range", expected="1 or more", found=getattr(args, name))
    if args.workers is not None and args.workers < 1:
        raise BadInput("--workers is out of range", expected="1 or more", found=args.workers)
    if not 0 < args.query_share < 1:
        raise BadInput("--query-share is out of range", expected="between 0 and 1", found=args.query_share)
    if args.videos.resolve() == args.out.resolve():
        raise BadInput("is the folder of the videos", file=args.out, next_step="give --out another folder")


def _check_decoder() -> None:
    if importlib.util.find_spec("av") is None:
        raise BadInput("extract needs the package av", next_step="pip install -e '.[extract]'")


def _workers(device: torch.device) -> int:
    """Return the decoding threads: all cores beside a GPU, half of them where the backbone computes on the CPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, cores if device.type != "cpu" else max(1, cores // 2))


def _views() -> Views:
    from benchmark.extraction.job import Views
    from benchmark.extraction.views import VIEWS_VERSION, augmented

    return Views(augmented, VIEWS_VERSION)


def _show(report: Report, recipe: ClipRecipe) -> None:
    from benchmark.extraction.naming import shown_name

    for status in ("partial", "failed"):
        rows = [row for row in report.rows if row.status == status]
        for row in rows[:MOST_NAMES]:
            print(f"{status:<8} {shown_name(row.name)}: {row.reason}")
        if len(rows) > MOST_NAMES:
            print(f"{status:<8} and {len(rows) - MOST_NAMES:,} more, in extract.csv")
    for sentence in report.notes():
        print(sentence)
    counts = ", ".join(f"{report.count(status):,} {status}" for status in ("ok", "partial", "failed"))
    print(f"{len(report.rows):,} videos: {counts}; {report.new:,} extracted now, in {report.wall:.1f} s")
    if report.new:
        seconds = report.busy.seconds
        reading = (seconds["decode"] + seconds["prepare"]) / recipe.workers
        slower = max(reading, seconds["backbone"])
        print(
            f"decoding {seconds['decode']:.1f} s and preparing {seconds['prepare']:.1f} s on {recipe.workers} threads, "
            f"backbone {seconds['backbone']:.1f} s: together {report.wall / slower:.2f} times the slower of the two"
        )
