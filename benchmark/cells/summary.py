"""What ``run`` prints: a line per cell, and a table of means over seeds at the end."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.cells.cell import Cell
from benchmark.errors import LONGEST, one_line, shortened
from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.evaluation.statistics import mean_deviation
from benchmark.records import record, store
from benchmark.records.options import TEST

COLUMNS = ("map@5", "map@20", "map@40", "map@60", "map@80", "map@100")
PRESET = FIELD


def cell_line(number: int, total: int, cell: Cell, done: record.Record, earlier: bool) -> str:
    """Return one line for a finished cell; ``earlier`` means that an earlier run made its record."""
    head = f"[{number:>{len(str(total))}}/{total}] {cell.label()}"
    if done.failure is not None:
        return f"{head}: FAILED in {done.failure.phase}: {shortened(one_line(done.failure.message), LONGEST)}"
    metrics = done.metrics[PRESET].metrics
    scores = "  ".join(f"mAP@{k} {metrics[f'map@{k}']:.4f}" for k in (5, 20, 100))
    remarks = "".join(f"  {remark}" for remark in record.remarks(done) if not remark.startswith("subset"))
    if earlier:
        return f"{head}: {scores}{remarks}  (kept, made {done.finished})"
    timing = done.timing
    subset = "  subset" if done.data and done.data.subset else ""
    return (
        f"{head}: {scores}  {epochs_text(done)}fit {timing['fit']:.1f} s"
        f"  encode {timing['encode_videos_per_second']:,.0f} videos/s{subset}{remarks}"
    )


def skip_line(number: int, total: int, cell: Cell) -> str:
    """Return one line for a cell that cannot run."""
    return f"[{number:>{len(str(total))}}/{total}] {cell.label()}: not run, {cell.skip}"


def unwritable_line(number: int, total: int, cell: Cell, error: Exception) -> str:
    """Return one line for a cell that has no record of its failure, as its folder cannot be written."""
    return f"[{number:>{len(str(total))}}/{total}] {cell.label()}: FAILED: {error}"


def epochs_text(done: record.Record) -> str:
    """Return the epochs that were trained, stage by stage, or nothing for a method without epochs."""
    epochs = record.epochs_text(done.training.stages)
    return f"{epochs} epochs  " if epochs else ""


def show(cells: Sequence[Cell], results: Path) -> None:
    """Print, per dataset, mAP under the field's protocol: mean and deviation over the seeds of this run."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    by_data: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        by_data[cell.dataset.name, cell.dataset.fingerprint].append(cell)
    called = Counter(name for name, _ in by_data)
    for (name, fingerprint), own in by_data.items():
        dataset = name if called[name] == 1 else f"{name} (data {fingerprint[:8]})"
        subset = own[0].dataset.drawn
        part = "" if subset is None else f", subset of {subset} training videos"
        table = Table(
            box=box.SIMPLE, title=f"{dataset}{part}: mAP, field protocol (AP divided by K, ties by database row)"
        )
        table.add_column("method")
        table.add_column("bits", justify="right")
        table.add_column("epochs", justify="right")
        for column in COLUMNS:
            table.add_column(column.replace("map", "mAP"), justify="right", no_wrap=True)
        table.add_column("seeds", justify="right")
        for row in _rows(own, results):
            table.add_row(*map(escape, row))
        console.print(table)
        for line in gains(own, results):
            console.print(escape(line), soft_wrap=True)


def gains(cells: Sequence[Cell], results: Path) -> list[str]:
    """Return, per row whose epochs were chosen, what the choice gained over the last epoch; a warning where on test."""
    rows: dict[tuple[str, int], list[record.Record]] = defaultdict(list)
    for cell in cells:
        stored = store.load(cell.folder(results)) if cell.options.selects else None
        if stored is not None and stored.selection and stored.selection.last:
            rows[_name(cell), cell.bits].append(stored)
    lines = []
    for (name, bits), records in sorted(rows.items(), key=lambda item: (item[0][1], item[0][0])):
        key = f"map@{HEADLINE_K}"
        chosen = np.mean([r.metrics[PRESET].metrics[key] for r in records])
        last = np.mean([r.selection.last.metrics[PRESET][key] for r in records if r.selection and r.selection.last])
        on_test = records[0].identity.selection == TEST
        mark = "CHOSEN ON THE TEST QUERIES, " if on_test else "chosen on held-out training videos, "
        epochs = ", ".join(str(r.selection.epoch) for r in records if r.selection)
        lines.append(
            f"{name}, {bits} bits: epoch {epochs} {mark}mAP@{HEADLINE_K} {chosen:.4f}, at the last epoch {last:.4f} "
            f"({chosen - last:+.4f})"
        )
    return lines


def _name(cell: Cell) -> str:
    """Return what a row of the table is called: rows that differ in more than the seed differ here."""
    words = cell.options.label_words(keyed_only=True)
    return cell.choice.cls.title + cell.choice.suffix(" ({})") + (f" [{', '.join(words)}]" if words else "")


def _rows(cells: Sequence[Cell], results: Path) -> list[list[str]]:
    groups: dict[tuple[str, int], list[record.Record]] = defaultdict(list)
    for cell in cells:
        group = groups[_name(cell), cell.bits]
        stored = store.load(cell.folder(results))
        if stored is not None and stored.status == "done":
            group.append(stored)
    rows = []
    for (method, bits), records in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0].lower())):
        if not records:
            rows.append([method, str(bits), "", *("not run" for _ in COLUMNS), "0"])
            continue
        values = np.array([[item.metrics[PRESET].metrics[column] for column in COLUMNS] for item in records])
        epochs = ", ".join(dict.fromkeys(epochs_text(item).removesuffix(" epochs  ") for item in records))
        rows.append([method, str(bits), epochs, *(_mean(column) for column in values.T), str(len(records))])
    return rows


def _mean(values: np.ndarray) -> str:
    mean, deviation = mean_deviation(values.tolist())
    return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
