"""Small multiples of mAP against the strength of a perturbation: one panel each, and all of them in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation.statistics import mean_deviation
from benchmark.records.robustness import CUT, GRID, Condition
from reports.drawing import style
from reports.drawing.canvas import Drawing, figure_settings, legend, line, saved, saved_svg, series
from reports.drawing.plotting import Figure, Line2D
from reports.matrix.rows import Group
from reports.robustness.losses import TITLES, LossLine

AXES = {
    "drop": "Share of frames", "shuffle": "Share of frames", "reverse": "Share of frames", "crop": "Share cut off",
    "noise": "Deviations (σ)",
}  # fmt: skip
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 7.16, 1.28, 0.43, 0.06, 0.2, 0.38, 0.11
"""Inches of the whole figure: two columns of a paper, height of a panel, and what is around panels (our choice)."""
ALONE = (2.3, 1.75)
"""Inches of a panel that stands alone (our choice)."""
LEGEND_LINE = 0.17
THIN: dict[str, Any] = {"linewidth": 1.1, "markersize": 3.4, "markeredgewidth": 0.7}


@dataclass(frozen=True)
class StrengthCurve:
    """mAP of one row under one perturbation by strength, with its deviation over seeds or None."""

    label: str
    slug: str
    look: style.Look
    x: list[float]
    y: list[float]
    spread: list[float] | None


def curves(lines: Sequence[LossLine], preset: str, perturbation: str, methods: Sequence[str]) -> list[StrengthCurve]:
    """Return the curve of each measured line, from the clean queries at strength 0 on."""
    by_row = []
    for one in lines:
        if not one.measured:
            continue
        strengths = [None, *(Condition(perturbation, strength) for strength in GRID[perturbation])]
        points = [mean_deviation(one.maps(preset, condition)) for condition in strengths]
        means = [mean for mean, _ in points if mean is not None]
        spreads = [spread for _, spread in points if spread is not None]
        row = one.row
        by_row.append(
            StrengthCurve(
                row.label, row.slug, style.look(row.method, methods, row.sibling), [0.0, *GRID[perturbation]], means,
                spreads if len(spreads) == len(points) else None,
            )
        )  # fmt: skip
    return by_row


def panels(
    group: Group, rows: Sequence[LossLine], preset: str, bits: int, methods: Sequence[str]
) -> tuple[list[tuple[str, Drawing]], Drawing] | None:
    """Return the panels of a code length, SVG alone, by title, and the figure of all; None without a line."""
    by_name = {name: curves([one for one in rows if one.bits == bits], preset, name, methods) for name in GRID}
    if not any(by_name.values()):
        return None
    top = _top([value for lines in by_name.values() for curve in lines for value in _highest(curve)])
    alone = []
    for name, lines in by_name.items():
        stem = style.slug(group.slug, preset, bits, "robustness", name)
        with figure_settings(stem):
            drawing = Drawing(stem, saved_svg(_alone(lines, name, top)), b"", _words(group, preset, bits, name, lines))
        alone.append((TITLES[name], drawing))
    stem = style.slug(group.slug, preset, bits, "robustness")
    with figure_settings(stem):
        svg, pdf = saved(_together(by_name, top))
    return alone, Drawing(stem, svg, pdf, " ".join(drawing.alt for _, drawing in alone))


def _highest(curve: StrengthCurve) -> list[float]:
    return [y + s for y, s in zip(curve.y, curve.spread or [0.0] * len(curve.y), strict=True)]


def _top(values: Sequence[float]) -> float:
    """Return the end of the shared mAP axis: the next tenth above all points."""
    return min(1.02, max(0.1, math.ceil(10 * max(values) + 0.2) / 10))


def _alone(lines: Sequence[StrengthCurve], name: str, top: float) -> Figure:
    width, height = ALONE
    figure = Figure(figsize=ALONE)
    axes = figure.add_axes(
        (LEFT / width, BOTTOM / height, 1 - (LEFT + RIGHT) / width, 1 - (BOTTOM + 0.08) / height)
    )  # fmt: skip
    _panel(axes, lines, name, top)
    axes.set_ylabel(f"mAP@{CUT}")
    return figure


def _together(by_name: dict[str, list[StrengthCurve]], top: float) -> Figure:
    entries = [(curve.label, curve.look) for curve in next(iter(by_name.values()))]
    columns = max(1, min(len(entries), int((WIDTH - 0.1) / (0.42 + 0.062 * max(len(label) for label, _ in entries)))))
    legend_height = LEGEND_LINE * -(-len(entries) // columns) + 0.05
    height = TOP + HEIGHT + BOTTOM + legend_height
    figure = Figure(figsize=(WIDTH, height))
    side = (WIDTH - LEFT - RIGHT - GAP * (len(by_name) - 1)) / len(by_name)
    for place, (name, lines) in enumerate(by_name.items()):
        left = LEFT + place * (side + GAP)
        axes = figure.add_axes((left / WIDTH, (BOTTOM + legend_height) / height, side / WIDTH, HEIGHT / height))
        _panel(axes, lines, name, top)
        axes.set_title(TITLES[name], fontsize=8, pad=4)
        if place:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel(f"mAP@{CUT}")
    legend(figure, entries, columns, THIN)
    return figure


def _panel(axes: Any, lines: Sequence[StrengthCurve], name: str, top: float) -> None:
    end = GRID[name][-1]
    for curve in lines:
        owner = series(curve.slug), series(curve.slug, 1)
        if curve.spread is not None:
            low = [y - s for y, s in zip(curve.y, curve.spread, strict=True)]
            axes.fill_between(curve.x, low, _highest(curve), color=curve.look.colour, alpha=0.15, lw=0, gid=owner[1])
        axes.add_line(Line2D(curve.x, curve.y, gid=owner[0], **{**line(curve.look), **THIN}))
    ticks = [tick for tick in (0, 0.25, 0.5, 0.75, 1) if end <= 1] or [0, 0.5, 1, 1.5, 2]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(-0.04 * max(1, end), 1.04 * max(1, end))
    step = 0.1 if top <= 0.4 else 0.2
    axes.set_yticks([step * i for i in range(int(top / step + 1e-9) + 1)])
    axes.set_yticklabels([f"{step * i:.1f}" for i in range(int(top / step + 1e-9) + 1)])
    axes.set_ylim(0, top)
    axes.set_xlabel(AXES[name], labelpad=2)


def _words(group: Group, preset: str, bits: int, name: str, lines: Sequence[StrengthCurve]) -> str:
    unit = "σ" if name == "noise" else "of the frames"
    words = [
        f"{curve.label} {style.rounded(curve.y[0])} clean, {style.rounded(curve.y[-1])} at {curve.x[-1]:g} {unit}"
        for curve in lines
    ]
    return f"{TITLES[name]}, {group.label}, {bits} bits, {preset} protocol: mAP@{CUT}. " + "; ".join(words) + "."
