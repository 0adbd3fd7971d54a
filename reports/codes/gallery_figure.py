"""The gallery as a figure for papers: queries at the left, their five nearest videos beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.drawing import canvas
from reports.drawing.canvas import Drawing
from reports.drawing.plotting import Figure, Rectangle

WIDTH = 7.1  # inches: both columns of a two-column paper (our choice)
GAP, APART, CAPTION, TALLEST = 0.1, 0.16, 0.2, 0.8
"""Inches between results, more between query and results, for a line of text, and of the tallest picture."""
GOOD, WRONG, PLAIN = "#1a7f37", "#b3261e", "#5a5a5a"
TEXT, LETTERS = 6.2, 19
"""Points of a caption, and letters of it that fit into an inch."""


@dataclass(frozen=True)
class Shown:
    """A picture, uint8 ``(height, width, 3)``, its caption, and whether it is relevant; None for a query."""

    pixels: np.ndarray
    caption: str
    relevant: bool | None


def draw(name: str, rows: Sequence[Sequence[Shown]], alt: str) -> Drawing:
    """Draw one line per query; the first of a line is the query."""
    columns = max(len(row) for row in rows)
    width = (WIDTH - 0.04 - APART - GAP * (columns - 2)) / columns
    heights = [_height(row, width) for row in rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + (CAPTION + GAP) * len(rows)))
    with canvas.figure_settings(name, {"svg.image_inline": True}):
        top = 0.02
        for row, height in zip(rows, heights, strict=True):
            for place, shown in enumerate(row):
                left = 0.02 + place * (width + GAP) + (APART - GAP if place else 0)
                _cell(figure, shown, left, top, width, height)
            top += height + CAPTION + GAP
        svg, pdf = canvas.saved(figure)
    return Drawing(name, svg, pdf, alt)


def _height(row: Sequence[Shown], width: float) -> float:
    ratios = [shown.pixels.shape[0] / shown.pixels.shape[1] for shown in row]
    return min(TALLEST, width * max(ratios))


def _cell(figure: Figure, shown: Shown, left: float, top: float, width: float, height: float) -> None:
    """Set a picture with its frame and caption; lengths in inches from the upper left corner."""
    whole = figure.get_figheight()
    tall, wide = shown.pixels.shape[:2]
    scale = min(width / wide, height / tall)
    size = wide * scale / WIDTH, tall * scale / whole
    axes = figure.add_axes((left / WIDTH, 1 - top / whole - size[1], *size))
    axes.set_axis_off()
    axes.imshow(_sharp(shown.pixels), interpolation="none", aspect="auto")
    colour = PLAIN if shown.relevant is None else GOOD if shown.relevant else WRONG
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=colour, linewidth=1.6, clip_on=False)
    )
    mark = "" if shown.relevant is None else "✓ " if shown.relevant else "✗ "
    figure.text(
        left / WIDTH, 1 - (top + tall * scale + 0.045) / whole, mark + _cut(shown.caption, width), fontsize=TEXT,
        va="top", ha="left", color=colour if mark else None,
    )  # fmt: skip


def _sharp(pixels: np.ndarray) -> np.ndarray:
    """Return a picture enlarged by a whole factor, so that a viewer that smooths pictures leaves its pixels apart."""
    factor = max(1, 128 // pixels.shape[0])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _cut(text: str, width: float) -> str:
    letters = int(width * LETTERS)
    return text if len(text) <= letters else text[: letters - 1] + "…"
