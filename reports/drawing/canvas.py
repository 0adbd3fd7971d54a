"""How every figure is drawn: sizes, fonts, lines, legends, and the bytes that are written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reports.drawing import style
from reports.drawing.plotting import Figure, Line2D, MarkerStyle, only_these

WIDTH, PLOT_HEIGHT = 3.5, 2.35  # inches: one column of a two-column paper (our choice)
LEFT, RIGHT, TOP, BOTTOM, LEGEND_LINE = 0.5, 0.08, 0.08, 0.4, 0.17
SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8, "axes.labelsize": 8,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5, "axes.linewidth": 0.7,
    "axes.edgecolor": style.INK, "axes.labelcolor": style.INK, "text.color": style.INK, "xtick.color": style.INK,
    "ytick.color": style.INK, "grid.color": style.GRID, "grid.linewidth": 0.5, "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "svg.fonttype": "none", "pdf.fonttype": 42, "path.simplify": True, "path.simplify_threshold": 0.1,
}  # fmt: skip
SERIES = "line--"
"""Start of the ids of what belongs to one row in a figure; the row's slug follows, then ``--`` and a number."""


@dataclass(frozen=True)
class Drawing:
    """A figure as bytes of both kinds, with what it shows in words.

    ``legend_height``: inches that the legend takes at the bottom; a page with a legend of its own cuts it off.
    """

    name: str
    svg: bytes
    pdf: bytes
    alt: str
    legend_height: float = 0.0


def figure_settings(name: str, changes: Mapping[str, Any] = MappingProxyType({})) -> AbstractContextManager[None]:
    """Return the context in which a figure is made and saved; ``name`` makes the ids in its SVG the same each time."""
    return only_these({**SETTINGS, "svg.hashsalt": name, **changes})


def saved(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure as SVG and PDF, without dates."""
    pdf = io.BytesIO()
    figure.savefig(pdf, format="pdf", transparent=True, metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
    return saved_svg(figure), pdf.getvalue()


def saved_svg(figure: Figure) -> bytes:
    """Return a figure as SVG alone, without dates."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return svg.getvalue()


def legend_height(labels: Sequence[str]) -> float:
    """Return the height of the legend of these labels in inches."""
    return LEGEND_LINE * -(-len(labels) // _columns(labels)) + 0.05


def frame(labels: Sequence[str]) -> tuple[Figure, Any]:
    """Return a figure of one paper column and its axes, with room below for a legend of these labels."""
    height = PLOT_HEIGHT + legend_height(labels)
    figure = Figure(figsize=(WIDTH, height))
    bottom = (BOTTOM + legend_height(labels)) / height
    axes = figure.add_axes((LEFT / WIDTH, bottom, 1 - (LEFT + RIGHT) / WIDTH, 1 - bottom - TOP / height))
    return figure, axes


def legend(
    figure: Figure,
    entries: Sequence[tuple[str, style.Look]],
    columns: int | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Set the legend of labels and looks below the axes, in as many columns as fit; ``changes``: of the lines."""
    handles = [Line2D([], [], label=label, **{**line(look), **changes}) for label, look in entries]
    figure.legend(
        handles=handles, loc="lower center", ncols=columns or _columns([label for label, _ in entries]), frameon=False,
        borderaxespad=0.1, handlelength=2.6, columnspacing=1.2, labelspacing=0.25, borderpad=0.1,
    )  # fmt: skip


def _columns(labels: Sequence[str]) -> int:
    longest = max(len(label) for label in labels)
    return max(1, min(len(labels), int((WIDTH - 0.1) / (0.36 + 0.062 * longest))))


def line(look: style.Look) -> dict[str, Any]:
    """Return the properties of a line with markers."""
    return {
        "color": look.colour, "linestyle": look.dash, "linewidth": 1.3,
        "marker": look.marker, "markersize": 4.2, "markeredgewidth": 0.8,
        "markeredgecolor": look.colour, "markerfacecolor": "none" if look.hollow else look.colour,
    }  # fmt: skip


def series(slug: str, part: int = 0) -> str:
    """Return the id of a part of a row's drawing."""
    return f"{SERIES}{slug}--{part}"


def swatch(look: style.Look, name: str) -> str:
    """Return a row's line and marker as an SVG symbol of this id, for the legends of a page."""
    marker = MarkerStyle(look.marker)
    path = marker.get_path().transformed(marker.get_transform())
    steps = []
    for points, code in path.iter_segments(simplify=False, curves=False):
        x, y = (float(v) * 7 for v in points[:2])
        steps.append({1: f"M{x:.1f} {-y:.1f}", 2: f"L{x:.1f} {-y:.1f}"}.get(int(code), "Z"))
    dash = "" if isinstance(look.dash, str) else f' stroke-dasharray="{" ".join(f"{d * 1.3:g}" for d in look.dash[1])}"'
    fill = "none" if look.hollow else f"var({look.variable})"
    return (
        f'<symbol id="{name}" viewBox="0 0 30 12"><g style="stroke: var({look.variable})"><path d="M0 6H30" '
        f'stroke-width="1.6"{dash}/><path transform="translate(15 6)" style="fill: {fill}" '
        f'd="{"".join(steps)}"/></g></symbol>'
    )
