"""Quality against cost: one table per dataset, and a figure of mAP against training time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.records.record import Record
from reports.context import InlineFigure, PageContext
from reports.drawing import canvas, style
from reports.drawing.canvas import Drawing
from reports.drawing.plotting import Figure, Line2D, NullFormatter
from reports.matrix.rows import Group, Row
from reports.record_words import epochs
from reports.scores.tables import mean

LEAST_SECONDS = 1e-3
"""Shortest training time on the figure's logarithmic axis: what took less is drawn there."""
CODES = ("bit_balance", "bit_correlation", "distinct_share", "zero_share")
HEADS = (
    ("bits", ""),
    (f"mAP@{HEADLINE_K}", f"{FIELD} protocol"),
    ("epochs", "of each stage"),
    ("fit", "preparation and training; shared preparation counts for the cell that made it"),
    ("encode", "videos per second"),
    ("parameters", "all values stored with the model, running statistics included"),
    ("peak memory", "of the whole process, with what earlier cells left in it"),
    ("code", "bytes per video"),
    ("bit balance", "mean |mean of a bit|: 0 even, 1 constant"),
    ("bit correlation", "mean |correlation| of two bits"),
    ("distinct", "different codes over database videos"),
    ("zeros", "share of bits that the method leaves undecided"),
)


@dataclass(frozen=True)
class CostRow:
    """The finished cells of a row at one code length; ``cells`` are texts in the order of ``HEADS``."""

    label: str
    slug: str
    colour: str
    cells: list[str]


@dataclass(frozen=True)
class CostTable:
    """Quality against cost; ``heads``: headings with what they mean, ``machines``: how many made the records."""

    heads: tuple[tuple[str, str], ...]
    rows: list[CostRow]
    machines: int
    figure: InlineFigure | None = None


def section(group: Group, context: PageContext) -> CostTable | None:
    """Return the section of a dataset: the table and the figure; None without a finished cell."""
    rows = table_rows(group, FIELD, context.methods)
    points = draw(group, FIELD, context.methods)
    figure = None if points is None else context.show(points)
    return CostTable(HEADS, rows, machines(group), figure) if rows else None


def table_rows(group: Group, preset: str, methods: Sequence[str]) -> list[CostRow]:
    """Return a row of every finished cell, means over seeds."""
    rows = []
    for row in group.rows:
        for bits in group.bits:
            done = [record for record in row.done(bits) if preset in record.metrics]
            if done:
                colour = style.look(row.method, methods).variable
                rows.append(CostRow(row.label, row.slug, colour, _cells(done, bits, preset)))
    return rows


def machines(group: Group) -> int:
    """Return how many different machines made the group's records."""
    environments = [record.environment for row in group.rows for record in row.records]
    return len({str(environment.get("processor", environment.get("device"))) for environment in environments})


def _cells(done: Sequence[Record], bits: int, preset: str) -> list[str]:
    quality = mean(done, preset, style.metric_key("map", HEADLINE_K))
    codes = [style.rounded(_average([r.diagnostics.get(name) for r in done])) for name in CODES]
    return [
        str(bits),
        style.rounded(quality.mean),
        "; ".join(dict.fromkeys(epochs(record) for record in done)),
        style.seconds(fit_seconds(done)),
        style.count(_average([r.timing.get("encode_videos_per_second") for r in done])),
        style.count(_average([r.training.parameters for r in done])),
        style.memory(max((style.number(r.peak_memory_bytes) or 0 for r in done), default=0)),
        f"{bits / 8:g}",
        *codes,
    ]


def fit_seconds(done: Sequence[Record]) -> float | None:
    """Return the mean time of preparation and training over records that hold both."""
    times = []
    for record in done:
        parts = [style.number(record.timing.get(phase)) for phase in ("prepare", "fit")]
        if parts[1] is not None:
            times.append((parts[0] or 0.0) + parts[1])
    return _average(times)


def _average(values: Sequence[Any]) -> float | None:
    finite = [number for value in values if (number := style.number(value)) is not None]
    return sum(finite) / len(finite) if finite else None


def draw(group: Group, preset: str, methods: Sequence[str]) -> Drawing | None:
    """Draw mAP against training time, a point for each code length, or return None where there is none."""
    points = [(row, *_points(row, group.bits, preset)) for row in group.rows]
    points = [(row, x, y, bits) for row, x, y, bits in points if x]
    if not points:
        return None
    name = style.slug(group.slug, preset, "cost")
    with canvas.figure_settings(name):
        figure = _figure([(row, style.look(row.method, methods, row.sibling), x, y, b) for row, x, y, b in points])
        svg, pdf = canvas.saved(figure)
    words = "; ".join(f"{row.label} {style.rounded(y[-1])} after {style.seconds(x[-1])} ({bits[-1]} bits)"
                     for row, x, y, bits in points)  # fmt: skip
    alt = f"mAP@{HEADLINE_K} against training time, {group.label}, {preset} protocol. {words}."
    return Drawing(name, svg, pdf, alt, canvas.legend_height([row.label for row, *_ in points]))


def _points(row: Row, lengths: Sequence[int], preset: str) -> tuple[list[float], list[float], list[int]]:
    x, y, measured = [], [], []
    for bits in lengths:
        done = [record for record in row.done(bits) if preset in record.metrics]
        quality, time = mean(done, preset, style.metric_key("map", HEADLINE_K)).mean, fit_seconds(done)
        if quality is not None and time is not None:
            x.append(max(time, LEAST_SECONDS))
            y.append(quality)
            measured.append(bits)
    return x, y, measured


def _figure(points: Sequence[tuple[Row, style.Look, list[float], list[float], list[int]]]) -> Figure:
    figure, axes = canvas.frame([row.label for row, *_ in points])
    for row, look, x, y, bits in points:
        line = {**canvas.line(look), "linewidth": 0.7}
        axes.add_line(Line2D(x, y, gid=canvas.series(row.slug), **line))
        axes.annotate(str(bits[-1]), (x[-1], y[-1]), xytext=(4, 3), textcoords="offset points", fontsize=6.5,
                      gid=canvas.series(row.slug, 1))  # fmt: skip
    axes.set_xscale("log")
    times = [value for _, _, x, _, _ in points for value in x]
    low, high = math.floor(math.log10(min(times) / 1.5)), math.ceil(math.log10(max(times) * 1.5))
    axes.set_xlim(10.0**low, 1.3 * 10.0**high)
    axes.set_xticks(
        [10.0**power for power in range(low, high + 1)], [f"{10.0**power:g}" for power in range(low, high + 1)]
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("Preparation and training (seconds)")
    axes.set_ylabel(f"mAP@{HEADLINE_K}")
    canvas.legend(figure, [(row.label, look) for row, look, *_ in points])
    return figure
