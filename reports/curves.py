"""Curves as figures: drawn once, written as SVG and PDF for papers and set inline into the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.record import Record
from reports import style
from reports.matrix import Group
from reports.tables import mean

KINDS = ("pr_rank", "pr_radius", "map_k")
TITLES = {
    "pr_rank": "Precision and recall by rank",
    "pr_radius": "Precision and recall by Hamming radius",
    "map_k": "mAP at K",
}
EXPLAINED = {
    "pr_rank": "Each point is a depth of the ranking; precision and recall are means over queries and seeds.",
    "pr_radius": "Each point is a Hamming radius; micro averages: over all pairs that lie within the radius, "
    "then over seeds.",
    "map_k": "Mean over seeds; the band is one standard deviation.",
}
AXES = {
    "pr_rank": ("Recall (share of relevant videos)", "Precision"),
    "pr_radius": ("Recall (share of relevant pairs)", "Precision"),
    "map_k": ("K (ranked videos)", "mAP@K"),
}

WIDTH, PLOT_HEIGHT = 3.5, 2.35  # inches: one column of a two-column paper; ours
LEFT, RIGHT, TOP, BOTTOM, LEGEND_LINE = 0.5, 0.08, 0.08, 0.4, 0.17
SETTINGS: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8, "axes.labelsize": 8,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5, "axes.linewidth": 0.7,
    "axes.edgecolor": style.INK, "axes.labelcolor": style.INK, "text.color": style.INK, "xtick.color": style.INK,
    "ytick.color": style.INK, "grid.color": style.GRID, "grid.linewidth": 0.5, "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False,
    "svg.fonttype": "none", "pdf.fonttype": 42, "path.simplify": True, "path.simplify_threshold": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """Points of one row; ``spread`` is the deviation over seeds, or None."""

    label: str
    look: style.Look
    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None


@dataclass(frozen=True)
class Drawing:
    """A figure as bytes of both kinds, with what it shows in words."""

    name: str
    svg: bytes
    pdf: bytes
    alt: str


def curves(group: Group, preset: str, bits: int, kind: str, methods: Sequence[str]) -> list[Curve]:
    """Return the curves of all rows that have records with finite points."""
    found = []
    for row in group.rows:
        look = style.look(row.method, methods, row.sibling)
        records = [record for record in row.done(bits) if preset in record.metrics]
        points = _map_points(records, preset) if kind == "map_k" else _pr_points(records, preset, kind)
        if points is not None and len(points[0]):
            found.append(Curve(row.label, look, *points))
    return found


def _map_points(records: Sequence[Record], preset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    cuts = [cut for cut in style.CUTS if cut is not None]
    means = [mean(records, preset, style.metric_key("map", cut)) for cut in cuts]
    held = [(cut, m.mean, m.deviation) for cut, m in zip(cuts, means, strict=True) if m.mean is not None]
    if not held:
        return None
    x, y, spread = zip(*held, strict=True)
    return np.array(x, float), np.array(y), None if None in spread else np.array(spread, float)


def _pr_points(records: Sequence[Record], preset: str, kind: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return recall and precision at the same ranks or radii, averaged over seeds; others than the first's are left."""
    step, suffix = ("rank", "") if kind == "pr_rank" else ("radius", "_micro")
    tables = []
    for record in records:
        held = record.metrics[preset].metrics.get(kind)
        if not isinstance(held, dict):
            continue
        columns = [held.get(name) for name in (step, f"recall{suffix}", f"precision{suffix}")]
        points = [[_float(value) for value in column] for column in columns if isinstance(column, list)]
        if len(points) == 3 and len({len(column) for column in points}) == 1:
            tables.append(np.array(points))
    tables = [table for table in tables if np.array_equal(table[0], tables[0][0])]
    if not tables:
        return None
    _, recall, precision = np.mean(tables, axis=0)
    finite = np.isfinite(recall) & np.isfinite(precision)
    return recall[finite], precision[finite]


def _float(value: Any) -> float:
    found = style.number(value)
    return float("nan") if found is None else found


def draw(group: Group, preset: str, bits: int, kind: str, methods: Sequence[str]) -> Drawing | None:
    """Draw one figure, or return None where no row has a point."""
    found = curves(group, preset, bits, kind, methods)
    if not found:
        return None
    name = style.slug(group.slug, preset, bits, kind)
    with rc_context({**SETTINGS, "svg.hashsalt": name}):
        svg, pdf = saved(_figure(found, kind))
    return Drawing(name, svg, pdf, _words(group, preset, bits, kind, found))


def saved(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure as SVG and PDF, without dates."""
    svg, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    figure.savefig(pdf, format="pdf", transparent=True, metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
    return svg.getvalue(), pdf.getvalue()


def frame(labels: Sequence[str]) -> tuple[Figure, Any]:
    """Return a figure of one paper column and its axes, with room below for a legend of these labels."""
    room = LEGEND_LINE * -(-len(labels) // _columns(labels)) + 0.05
    height = PLOT_HEIGHT + room
    figure = Figure(figsize=(WIDTH, height))
    bottom = (BOTTOM + room) / height
    axes = figure.add_axes((LEFT / WIDTH, bottom, 1 - (LEFT + RIGHT) / WIDTH, 1 - bottom - TOP / height))
    return figure, axes


def legend(figure: Figure, entries: Sequence[tuple[str, style.Look]]) -> None:
    """Set the legend of labels and looks below the axes."""
    figure.legend(
        handles=[Line2D([], [], label=label, **line(look)) for label, look in entries], loc="lower center",
        ncols=_columns([label for label, _ in entries]), frameon=False, borderaxespad=0.1, handlelength=2.6,
        columnspacing=1.2, labelspacing=0.25, borderpad=0.1,
    )  # fmt: skip


def _columns(labels: Sequence[str]) -> int:
    longest = max(len(label) for label in labels)
    return max(1, min(len(labels), int((WIDTH - 0.1) / (0.36 + 0.062 * longest))))


def _figure(found: Sequence[Curve], kind: str) -> Figure:
    figure, axes = frame([curve.label for curve in found])
    for curve in found:
        _plot(axes, curve, kind)
    axes.set_xlabel(AXES[kind][0])
    axes.set_ylabel(AXES[kind][1])
    if kind == "map_k":
        cuts = [cut for cut in style.CUTS if cut is not None]
        axes.set_xticks(cuts, [str(cut) for cut in cuts])
        axes.set_xlim(0, max(cuts) + 3)
    else:
        axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    legend(figure, [(curve.label, curve.look) for curve in found])
    return figure


def _plot(axes: Any, curve: Curve, kind: str) -> None:
    marks = None if kind == "map_k" else _spaced(curve.x, curve.y)
    axes.add_line(Line2D(curve.x, curve.y, markevery=marks, **line(curve.look)))
    if kind == "map_k" and curve.spread is not None:
        axes.fill_between(
            curve.x, curve.y - curve.spread, curve.y + curve.spread, color=curve.look.colour, alpha=0.15, lw=0
        )


def line(look: style.Look) -> dict[str, Any]:
    """Return the properties of a line with markers."""
    return {
        "color": look.colour, "linestyle": look.dash, "linewidth": 1.3,
        "marker": look.marker, "markersize": 4.2, "markeredgewidth": 0.8,
        "markeredgecolor": look.colour, "markerfacecolor": "none" if look.hollow else look.colour,
    }  # fmt: skip


def _spaced(x: np.ndarray, y: np.ndarray, gap: float = 0.11) -> list[int]:
    """Return the points that carry a marker: the first, and then each that lies ``gap`` of the plot further along."""
    chosen, way = [0], 0.0
    for i in range(1, len(x)):
        way += float(np.hypot(x[i] - x[i - 1], y[i] - y[i - 1]))
        if way >= gap:
            chosen.append(i)
            way = 0.0
    return chosen


def _words(group: Group, preset: str, bits: int, kind: str, found: Sequence[Curve]) -> str:
    """Return the figure in words: for each row the precision nearest to a recall, or the ends of mAP at K."""
    said = []
    for curve in found:
        if kind == "map_k":
            ends = f"{style.rounded(float(curve.y[0]))} at K = {curve.x[0]:.0f}, "
            said.append(f"{curve.label} {ends}{style.rounded(float(curve.y[-1]))} at K = {curve.x[-1]:.0f}")
        else:
            near = int(np.abs(curve.x - 0.2).argmin())
            recall, precision = (style.rounded(float(points[near])) for points in (curve.x, curve.y))
            said.append(f"{curve.label} precision {precision} at recall {recall}")
    return f"{TITLES[kind]}, {group.label}, {bits} bits, {preset} protocol. " + "; ".join(said) + "."
