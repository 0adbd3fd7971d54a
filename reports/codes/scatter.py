"""Points of classes as pictures: small ones set inline into the page, and all of them in one figure for papers."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.drawing import canvas, style, svg
from reports.drawing.plotting import Figure, Line2D

SIDE = 500
"""Side of an inline picture in its own units, to which points are rounded."""
FEW = 800
"""Points up to which dots are large (our choice)."""
LARGE, SMALL = (11, 5), (8, 3)
"""Diameter of an inline dot, and of the hole in a hollow one."""
COLUMNS, WIDTH = 4, 7.16  # panels side by side, and inches of a two-column page (our choice)
MARGIN, LINE = 0.06, 0.15  # inches: around a panel, and per line of text (our choice)
LETTERS = 30
"""Letters of a method's label in a line (our choice)."""


@dataclass(frozen=True)
class Cloud:
    """Points of one method: ``points`` (n, 2), with what is written above and below them."""

    label: str
    note: str
    points: np.ndarray


def hollow(place: int) -> bool:
    """Return whether the class at a place is drawn hollow."""
    return bool(place % 2)


def inline(points: np.ndarray, classes: np.ndarray, name: str, described_by: str) -> str:
    """Return points as an SVG element of the page, a path of dots for each class.

    ``points``: (n, 2) float. ``classes``: (n,) places of colours. ``name`` is unique on the page; ``described_by`` is
    the id of the text that says what is shown.
    """
    size = LARGE if len(points) <= FEW else SMALL
    placed = fitted(points, SIDE, size[0])
    paths = "".join(
        _dots(placed[classes == place], int(place), size, f"{name}-{place}") for place in np.unique(classes).tolist()
    )
    return f'<svg role="img" aria-labelledby="{described_by}" viewBox="0 0 {SIDE} {SIDE}">{paths}</svg>'


def fitted(points: np.ndarray, side: int, margin: int) -> np.ndarray:
    """Return points moved and scaled alike in both directions into a square, (n, 2) int, y downwards."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    scale = (side - 2 * margin) / extent if extent > 0 else 0.0
    placed = (points - (low + high) / 2) * (scale, -scale) + side / 2
    return np.rint(placed).astype(int)


def _dots(points: np.ndarray, place: int, size: tuple[int, int], name: str) -> str:
    """Return dots as one path of strokes without length, from left to right, so that steps and text are short."""
    points = np.unique(points, axis=0)
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), int))
    path = "".join(f"m{x}{'' if y < 0 else ' '}{y}h0" for x, y in steps.tolist())
    own = f' id="{name}"' if hollow(place) else ""
    solid = f'<path{own} d="{path}" style="stroke-linecap: round"/>'
    dots = f'<g style="stroke: var(--c{place}); stroke-width: {size[0]}">{solid}</g>'
    hole = f'<use href="#{name}" style="stroke: var(--ground); stroke-width: {size[1]}"/>'
    return dots + hole if own else dots


def draw(name: str, clouds: Sequence[Cloud], classes: np.ndarray, names: Sequence[str], alt: str) -> canvas.Drawing:
    """Draw all clouds side by side, with a legend of the class ``names`` below."""
    with canvas.figure_settings(name, {"axes.grid": False}):
        figure, pdf = canvas.saved(_figure(clouds, classes, names))
    return canvas.Drawing(name, _small(figure), pdf, alt)


def _small(file: bytes) -> bytes:
    """Return a figure's SVG with the style of the points of a class written once, and two decimals of their places."""
    text = svg.USES.sub(_style_once, re.sub(r"\s*\n\s*", "\n", file.decode("utf-8")))
    return re.sub(r"(?<=<use )[^>]*", lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), text).encode("utf-8")


def _style_once(points: re.Match[str]) -> str:
    """Move the style of points, which are one class and thus alike, to their group."""
    alike = svg.STYLE.search(points[2])
    return f"<g{points[1] or ''}{alike[0] if alike else ''}>\n{svg.STYLE.sub('', points[2])}</g>"


def _figure(clouds: Sequence[Cloud], classes: np.ndarray, names: Sequence[str]) -> Figure:
    columns = min(COLUMNS, len(clouds))
    rows = -(-len(clouds) // columns)
    side = WIDTH / COLUMNS
    head = LINE * max(len(_lines(cloud.label)) for cloud in clouds)
    tall = side + head + LINE
    used = np.unique(classes).tolist()
    across = max(1, min(len(used), int(columns * side / (0.35 + 0.06 * max(len(names[place]) for place in used)))))
    legend_height = LINE * -(-len(used) // across) + 0.1
    width, height = columns * side, rows * tall + legend_height
    figure = Figure(figsize=(width, height))
    for i, cloud in enumerate(clouds):
        left, top = i % columns * side, height - i // columns * tall - head
        box = (left + MARGIN, top - side + MARGIN, side - 2 * MARGIN, side - 2 * MARGIN)
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        _panel(axes, cloud, classes)
    figure.legend(
        handles=[Line2D([], [], label=names[place], **_mark(place, 3.5)) for place in used], loc="lower center",
        ncols=across, frameon=False, borderaxespad=0.1, handlelength=1, columnspacing=1.2, labelspacing=0.25,
        borderpad=0.1,
    )  # fmt: skip
    return figure


def _panel(axes: Any, cloud: Cloud, classes: np.ndarray) -> None:
    size = 2.6 * min(1.0, (FEW / len(classes)) ** 0.5)
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    reach = float((high - low).max()) * 0.53 or 1.0
    for place in np.unique(classes).tolist():
        x, y = cloud.points[classes == place].T
        axes.add_line(Line2D(x, y, **_mark(place, size)))
    for limit, middle in zip((axes.set_xlim, axes.set_ylim), (low + high) / 2, strict=True):
        limit(middle - reach, middle + reach)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.GRID)
    axes.set_title("\n".join(_lines(cloud.label)), fontsize=7.5, pad=2)
    axes.set_xlabel(cloud.note, fontsize=7, labelpad=2)


def _lines(label: str) -> list[str]:
    return textwrap.wrap(label, LETTERS, max_lines=2, placeholder="…")


def _mark(place: int, size: float) -> dict[str, Any]:
    """Return the properties of the points of a class: colour, shape and fill belong to its place."""
    colour = style.CLASS_COLOURS[place]
    return {
        "color": colour, "linestyle": "none", "marker": style.MARKERS[place], "markersize": size,
        "markeredgewidth": 0.35, "markeredgecolor": colour, "markerfacecolor": "none" if hollow(place) else colour,
    }  # fmt: skip
