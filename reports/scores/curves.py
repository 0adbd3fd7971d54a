"""Curves as figures: drawn once, written as SVG and PDF for papers and set inline into the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.evaluation.protocol import HEADLINE_K
from benchmark.evaluation.statistics import mean_deviation
from benchmark.records.record import Record
from reports.drawing import style
from reports.drawing.canvas import Drawing, figure_settings, frame, legend, legend_height, line, saved, series
from reports.drawing.plotting import Figure, Line2D, MaxNLocator, NullFormatter
from reports.matrix.rows import Group, Row
from reports.scores.tables import Mean, mean

KINDS = ("pr_rank", "pr_radius", "precision_n", "map_k", "map_bits", "learning")
TITLES = {
    "pr_rank": "Precision and recall by rank",
    "pr_radius": "Precision and recall by Hamming radius",
    "precision_n": "Precision at N",
    "map_k": "mAP at K",
    "map_bits": "mAP against code length",
    "learning": "mAP by epoch",
}
EXPLAINED = {
    "pr_rank": "Each point is a depth of the ranking; precision and recall are means over queries and seeds.",
    "pr_radius": "Each point is a Hamming radius; micro averages: over all pairs that lie within the radius, "
    "then over seeds.",
    "precision_n": "Share of relevant videos among the first N; mean over queries and seeds.",
    "map_k": "Mean over seeds; the band is one standard deviation.",
    "map_bits": "Mean over seeds; the band is one standard deviation. A line needs two code lengths.",
    "learning": "Measured on the test queries after epochs of the main stage; nothing was chosen by it. Mean over "
    "seeds; the band is one standard deviation.",
}
AXES = {
    "pr_rank": ("Recall (share of relevant videos)", "Precision"),
    "pr_radius": ("Recall (share of relevant pairs)", "Precision"),
    "precision_n": ("N (ranked videos)", "Precision@N"),
    "map_k": ("K (ranked videos)", "mAP@K"),
    "map_bits": ("Code length (bits)", "mAP@{}"),
    "learning": ("Epoch of the main stage", f"mAP@{HEADLINE_K}"),
}
UNITS = {"map_k": "K = {:.0f}", "map_bits": "{:.0f} bits", "precision_n": "N = {:.0f}", "learning": "epoch {:.0f}"}
"""How a figure's words say where a point lies."""
DEPTH = 1000
"""Deepest rank of precision at N (as papers of the field draw it)."""
BITS_CUTS = (5, 20, 100)
"""The K of the figures of mAP against code length (our choice)."""


@dataclass(frozen=True)
class RowCurve:
    """Points of one row; ``spread`` is the deviation over seeds, or None."""

    label: str
    slug: str
    look: style.Look
    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None


def figures(group: Group, preset: str, methods: Sequence[str]) -> Iterator[tuple[str, int, Drawing]]:
    """Yield (kind, code length or K, figure) for every figure that has a line."""
    for kind in KINDS:
        for at in BITS_CUTS if kind == "map_bits" else group.bits:
            drawing = draw(group, preset, at, kind, methods)
            if drawing is not None:
                yield kind, at, drawing


def curves(group: Group, preset: str, at: int, kind: str, methods: Sequence[str]) -> list[RowCurve]:
    """Return the curves of all rows that have finite points; ``at`` is a code length, or K of ``map_bits``."""
    lines = []
    for row in group.rows:
        points = _points(group, row, preset, at, kind)
        if points is not None and len(points[0]):
            lines.append(RowCurve(row.label, row.slug, style.look(row.method, methods, row.sibling), *points))
    return lines


def _points(group: Group, row: Row, preset: str, at: int, kind: str) -> tuple[Any, ...] | None:
    if kind == "map_bits":
        key = style.metric_key("map", at)
        return _with_spread([(bits, mean(_of(row, bits, preset), preset, key)) for bits in group.bits])
    records = _of(row, at, preset)
    if kind == "map_k":
        cuts = [cut for cut in style.CUTS if cut is not None]
        return _with_spread([(cut, mean(records, preset, style.metric_key("map", cut))) for cut in cuts])
    if kind == "learning":
        return _with_spread(_by_epoch(records, preset))
    if kind == "precision_n":
        return _averaged(records, preset, "pr_rank", ("rank", "rank", "precision"), DEPTH)
    step, suffix = ("rank", "") if kind == "pr_rank" else ("radius", "_micro")
    return _averaged(records, preset, kind, (step, f"recall{suffix}", f"precision{suffix}"))


def _of(row: Row, bits: int, preset: str) -> list[Record]:
    return [record for record in row.done(bits) if preset in record.metrics]


def _by_epoch(records: Sequence[Record], preset: str) -> list[tuple[int, Mean]]:
    """Return mAP after each epoch at which every record that has a curve has a point."""
    key = style.metric_key("map", HEADLINE_K)
    by_record = [
        {
            point.epoch: value
            for point in record.training.curve
            if (value := style.number(point.metrics.get(preset, {}).get(key))) is not None
        }
        for record in records
        if record.training.curve
    ]
    shared = set.intersection(*map(set, by_record)) if by_record else set()
    means = []
    for epoch in sorted(shared):
        values = [points[epoch] for points in by_record]
        means.append((epoch, Mean(*mean_deviation(values), len(values), len(values))))
    return means


def _with_spread(means: Sequence[tuple[int, Mean]]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    finite = [(at, m.mean, m.deviation) for at, m in means if m.mean is not None]
    if not finite:
        return None
    x, y, spread = zip(*finite, strict=True)
    return np.array(x, float), np.array(y), None if None in spread else np.array(spread, float)


def _averaged(
    records: Sequence[Record], preset: str, name: str, columns: Sequence[str], depth: float = np.inf
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two columns at the same steps, averaged over seeds; records with other steps than the first are left."""
    tables = []
    for record in records:
        curve = record.metrics[preset].metrics.get(name)
        if not isinstance(curve, dict):
            continue
        lists = [curve.get(column) for column in columns]
        points = [[_float(value) for value in column] for column in lists if isinstance(column, list)]
        if len(points) == 3 and len({len(column) for column in points}) == 1:
            tables.append(np.array(points))
    tables = [table for table in tables if np.array_equal(table[0], tables[0][0])]
    if not tables:
        return None
    step, x, y = np.mean(tables, axis=0)
    finite = np.isfinite(x) & np.isfinite(y) & (step <= depth)
    return x[finite], y[finite]


def _float(value: Any) -> float:
    finite = style.number(value)
    return float("nan") if finite is None else finite


def draw(group: Group, preset: str, at: int, kind: str, methods: Sequence[str]) -> Drawing | None:
    """Draw one figure, or return None where no row has a line."""
    lines = curves(group, preset, at, kind, methods)
    if not lines or (kind in ("map_bits", "learning") and max(len(curve.x) for curve in lines) < 2):
        return None
    name = style.slug(group.slug, preset, at, kind)
    with figure_settings(name):
        svg, pdf = saved(_figure(lines, kind, at))
    return Drawing(
        name, svg, pdf, _words(group, preset, at, kind, lines), legend_height([curve.label for curve in lines])
    )


def _figure(lines: Sequence[RowCurve], kind: str, at: int) -> Figure:
    figure, axes = frame([curve.label for curve in lines])
    for curve in lines:
        _plot(axes, curve, kind)
    axes.set_xlabel(AXES[kind][0])
    axes.set_ylabel(AXES[kind][1].format(at))
    deepest = max(float(curve.x.max()) for curve in lines)
    if kind == "map_k":
        cuts = [cut for cut in style.CUTS if cut is not None]
        axes.set_xticks(cuts, [str(cut) if cut > 5 else "" for cut in cuts])
        axes.set_xlim(0, max(cuts) + 3)
    elif kind == "map_bits":
        lengths = sorted({float(x) for curve in lines for x in curve.x})
        axes.set_xscale("log", base=2)
        axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(lengths[0] / 1.1, lengths[-1] * 1.1)
    elif kind == "learning":
        axes.set_xlim(0, 1.03 * deepest)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    else:
        axes.set_xlim(0, 1.02 * (deepest if kind == "precision_n" else 1))
    highest = max(float(np.max(curve.y + (0 if curve.spread is None else curve.spread))) for curve in lines)
    axes.set_ylim(0, min(1.02, 1.15 * highest) if kind == "learning" and highest > 0 else 1.02)
    legend(figure, [(curve.label, curve.look) for curve in lines])
    return figure


def _plot(axes: Any, curve: RowCurve, kind: str) -> None:
    whole = kind in ("map_k", "map_bits", "learning")
    marks = None if whole else _spaced(curve.x / (curve.x.max() if kind == "precision_n" else 1), curve.y)
    axes.add_line(Line2D(curve.x, curve.y, markevery=marks, gid=series(curve.slug), **line(curve.look)))
    if whole and curve.spread is not None:
        low, high = curve.y - curve.spread, curve.y + curve.spread
        owner = series(curve.slug, 1)
        axes.fill_between(curve.x, low, high, color=curve.look.colour, alpha=0.15, lw=0, gid=owner)


def _spaced(x: np.ndarray, y: np.ndarray, gap: float = 0.15) -> list[int]:
    """Return the points that carry a marker: the first, and then each that lies ``gap`` of the plot further along."""
    chosen, way = [0], 0.0
    for i in range(1, len(x)):
        way += float(np.hypot(x[i] - x[i - 1], y[i] - y[i - 1]))
        if way >= gap:
            chosen.append(i)
            way = 0.0
    return chosen


def _words(group: Group, preset: str, at: int, kind: str, lines: Sequence[RowCurve]) -> str:
    """Return the figure in words: for each row the precision nearest to a recall, or the ends of its line."""
    words = []
    for curve in lines:
        if kind in ("pr_rank", "pr_radius"):
            near = int(np.abs(curve.x - 0.2).argmin())
            recall, precision = (style.rounded(float(points[near])) for points in (curve.x, curve.y))
            words.append(f"{curve.label} precision {precision} at recall {recall}")
        else:
            unit = UNITS[kind]
            ends = [f"{style.rounded(float(curve.y[i]))} at {unit.format(curve.x[i])}" for i in (0, -1)]
            words.append(f"{curve.label} {', '.join(ends)}")
    where = f"K = {at}" if kind == "map_bits" else f"{at} bits"
    return f"{TITLES[kind]}, {group.label}, {where}, {preset} protocol. " + "; ".join(words) + "."
