"""What ``run`` prints: a line per cell, and a table of means over seeds at the end."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import record
from benchmark.evaluation.statistics import mean_deviation
from benchmark.plan import Cell

COLUMNS = ("map@5", "map@20", "map@40", "map@60", "map@80", "map@100")
PRESET = "field"


def cell_line(number: int, total: int, cell: Cell, done: record.Record, kept: bool) -> str:
    """Return one line for a finished cell."""
    head = f"[{number:>{len(str(total))}}/{total}] {cell.label()}"
    if done.failure is not None:
        return f"{head}: FAILED in {done.failure.phase}: {done.failure.message}"
    metrics = done.metrics[PRESET].metrics
    scores = "  ".join(f"mAP@{k} {metrics[f'map@{k}']:.4f}" for k in (5, 20, 100))
    if kept:
        return f"{head}: {scores}  (kept, made {done.finished})"
    timing = done.timing
    subset = "  subset" if done.data and done.data.subset else ""
    return (
        f"{head}: {scores}  {epochs_text(done)}fit {timing['fit']:.1f} s"
        f"  encode {timing['encode_videos_per_second']:,.0f} videos/s{subset}"
    )


def skip_line(number: int, total: int, cell: Cell) -> str:
    """Return one line for a cell that cannot run."""
    return f"[{number:>{len(str(total))}}/{total}] {cell.label()}: not run, {cell.skip}"


def epochs_text(done: record.Record) -> str:
    """Return the epochs that were trained, stage by stage, or nothing for a method without epochs."""
    epochs = "+".join(str(stage["epochs"]) for stage in done.training.stages)
    return f"{epochs} epochs  " if epochs else ""


def show(cells: Sequence[Cell], results: Path) -> None:
    """Print, per dataset, mAP under the field's protocol: mean and deviation over the seeds of this run."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    for dataset in dict.fromkeys(cell.dataset.name for cell in cells):
        table = Table(box=box.SIMPLE, title=f"{dataset}: mAP, field protocol (AP divided by K, ties by database row)")
        table.add_column("method")
        table.add_column("bits", justify="right")
        table.add_column("epochs", justify="right")
        for column in COLUMNS:
            table.add_column(column.replace("map", "mAP"), justify="right", no_wrap=True)
        table.add_column("seeds", justify="right")
        for row in _rows([cell for cell in cells if cell.dataset.name == dataset], results):
            table.add_row(*row)
        console.print(table)


def _rows(cells: Sequence[Cell], results: Path) -> list[list[str]]:
    groups: dict[tuple[str, int], list[record.Record]] = defaultdict(list)
    for cell in cells:
        group = groups[cell.choice.cls.title + cell.choice.suffix(" ({})"), cell.bits]
        found = record.load(cell.folder(results))
        if found is not None and found.status == "done":
            group.append(found)
    rows = []
    for (method, bits), records in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0].lower())):
        if not records:
            rows.append([method, str(bits), "", *("not run" for _ in COLUMNS), "0"])
            continue
        values = np.array([[item.metrics[PRESET].metrics[column] for column in COLUMNS] for item in records])
        epochs = epochs_text(records[0]).removesuffix(" epochs  ")
        rows.append([method, str(bits), epochs, *(_mean(column) for column in values.T), str(len(records))])
    return rows


def _mean(values: np.ndarray) -> str:
    mean, deviation = mean_deviation(values.tolist())
    return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def expected(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return what the page has to show of these cells, run or not."""
    return [
        {
            "dataset": cell.dataset.name,
            "dataset_title": cell.dataset.title,
            "method": cell.choice.name,
            "method_title": cell.choice.cls.title,
            "variant": cell.choice.variant,
            "bits": cell.bits,
            "seed": cell.seed,
            "config": cell.config.model_dump(mode="json"),
            "budget": dict(cell.budget),
            "precision": cell.precision,
            "reason": cell.skip or "",
        }
        for cell in cells
    ]
