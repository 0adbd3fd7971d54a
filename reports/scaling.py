"""Growth as a figure: time and memory of each phase against the number of videos, with laws and extrapolation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.files.atomic import write_bytes
from reports.drawing import style
from reports.drawing.canvas import Drawing, figure_settings, saved
from reports.drawing.plotting import Figure, FixedLocator, FuncFormatter, Line2D, LogLocator, NullFormatter, NullLocator

NAME = "scaling"
PHASES = {"prepare": "Prepare", "training": "Training", "encode": "Encoding", "evaluate": "Evaluation"}
SIDES = {"prepare": "train", "training": "train", "encode": "database", "evaluate": "database"}
WIDTH, HEIGHT, LEGEND = 7.16, 3.3, 0.2  # inches: two columns of a paper (our choice)
SECONDS = {
    1e-3: "1 ms", 1e-2: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h",
    36_000: "10 h", 4 * 86_400: "4 d", 40 * 86_400: "40 d", 400 * 86_400: "400 d",
}  # fmt: skip
BYTES = {2**power: f"{2 ** (power % 10)} {'MGTP'[power // 10 - 2]}iB" for power in range(24, 60, 2)}
POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def write(folder: Path, file: Path, methods: Sequence[str]) -> list[Path]:
    """Draw the last request of a file of measurements as SVG and PDF in ``folder``; return their paths.

    ``methods`` are all method names, sorted, so that a method has the look that it has on the page. Where only one size
    was measured there is nothing to draw, and no path.
    """
    drawing = draw(json.loads(file.read_text(encoding="utf-8")), methods)
    if drawing is None:
        return []
    paths = {folder / f"{NAME}.svg": drawing.svg, folder / f"{NAME}.pdf": drawing.pdf}
    for path, content in paths.items():
        write_bytes(path, content)
    return list(paths)


def draw(content: Mapping[str, Any], methods: Sequence[str]) -> Drawing | None:
    """Draw the measurements and laws of a file, or return None where no phase was measured at two sizes."""
    requested = [measured for measured in content["measurements"] if measured["identity"] in content["asked"]]
    rows = _rows(content["laws"], requested, methods)
    if not any(len(measurements) > 1 for _, _, measurements in rows):
        return None
    with figure_settings(NAME):
        svg, pdf = saved(_figure(rows))
    return Drawing(NAME, svg, pdf, _words(rows))


Row = tuple[style.Look, Mapping[str, Any], list[Mapping[str, Any]]]


def _rows(
    laws: Sequence[Mapping[str, Any]], requested: Sequence[Mapping[str, Any]], methods: Sequence[str]
) -> list[Row]:
    """Return the look, the laws and the measurements, by size, of every method."""
    rows: list[Row] = []
    for law in laws:
        identity = law["identity"]
        own = [measured for measured in requested if identity.items() <= measured["identity"].items()]
        siblings = sum(other["identity"]["method"] == identity["method"] for _, other, _ in rows)
        look = style.look(identity["method"], sorted({*methods, identity["method"]}), siblings)
        rows.append((look, law, sorted(own, key=lambda measured: measured["identity"]["train"])))
    return rows


def _figure(rows: Sequence[Row]) -> Figure:
    figure = Figure(figsize=(WIDTH, HEIGHT + LEGEND))
    grid = figure.subplots(2, len(PHASES), sharex=True, sharey="row")
    below = (0.42 + LEGEND) / (HEIGHT + LEGEND)
    figure.subplots_adjust(left=0.1, right=0.985, top=0.94, bottom=below, wspace=0.09, hspace=0.1)
    for column, phase in enumerate(PHASES):
        for row in rows:
            _times(grid[0, column], row, phase)
            _memory(grid[1, column], row, phase)
        grid[0, column].set_title(PHASES[phase], fontsize=8)
        side = "trained on" if SIDES[phase] == "train" else "in the database"
        grid[1, column].set_xlabel(f"Videos {side}")
    for axes in grid.flat:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.autoscale_view()
        axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        axes.xaxis.set_minor_locator(NullLocator())
    for axes, ticks, label in ((grid[0, 0], SECONDS, "Time"), (grid[1, 0], BYTES, "Peak memory")):
        axes.set_ylabel(label)
        _ticks(axes, ticks)
    figure.align_ylabels(list(grid[:, 0]))
    _legend(figure, rows)
    return figure


def _times(axes: Any, row: Row, phase: str) -> None:
    look, law, measurements = row
    points = [(entry["identity"][SIDES[phase]], entry["phases"][phase]["seconds"]) for entry in measurements]
    fitted = law["phases"][phase]["seconds"]
    if fitted is not None:
        _plot(axes, look, points, lambda n: fitted["a"] * n ** fitted["b"], law["target"])


def _memory(axes: Any, row: Row, phase: str) -> None:
    look, law, measurements = row
    kind = "device" if measurements[0]["phases"][phase]["device"] is not None else "resident"
    points = [(entry["identity"][SIDES[phase]], entry["phases"][phase][kind]) for entry in measurements]
    fitted = law["phases"][phase][kind]
    if fitted is not None:
        _plot(axes, look, points, lambda n: fitted["m0"] + fitted["m1"] * n, law["target"])


def _plot(axes: Any, look: style.Look, points: Sequence[tuple[float, float]], law: Any, target: float) -> None:
    """Draw measured points, the law through their range and dashed to the target, and the target as a hollow point."""
    points = [(n, value) for n, value in points if value > 0]
    first, last = points[0][0], max(n for n, _ in points)
    for ends, dash in (((first, last), "solid"), ((last, target), (0, (2, 2)))):
        n = [ends[0] * (ends[1] / ends[0]) ** (step / 40) for step in range(41)]
        axes.plot(n, [law(one) for one in n], color=look.colour, linewidth=1.0, linestyle=dash)
    mark = {"color": look.colour, "linestyle": "none", "marker": look.marker, "markersize": 4.2, "markeredgewidth": 0.9}
    axes.plot(*zip(*points, strict=True), **mark, markerfacecolor=look.colour)
    axes.plot([target], [law(target)], **mark, markerfacecolor="white")


def _ticks(axes: Any, ticks: Mapping[float, str]) -> None:
    low, high = axes.get_ylim()
    shown = [value for value in ticks if low <= value <= high]
    step = -(-len(shown) // 9)
    axes.yaxis.set_major_locator(FixedLocator(shown[::step] if shown else [low, high]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks.get(value, "")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _power_of_ten(value: float, _: Any) -> str:
    return "10" + f"{len(str(round(value))) - 1}".translate(POWERS) if value >= 1 else ""


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=4.2, linewidth=1.0, label=_label(law))
        for look, law, _ in rows
    ]
    hollow: Any = {
        "marker": "o",
        "markerfacecolor": "white",
        "markersize": 4.2,
        "linestyle": (0, (2, 2)),
        "linewidth": 1.0,
    }
    handles.append(Line2D([], [], color=style.INK, label="extrapolated, not measured", **hollow))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, borderaxespad=0.1)


def _label(law: Mapping[str, Any]) -> str:
    return str(law["identity"]["label"])


def _words(rows: Sequence[Row]) -> str:
    words = []
    for _, law, _ in rows:
        for phase, name in PHASES.items():
            fitted = law["phases"][phase]["seconds"]
            if fitted is not None:
                cost = style.seconds(fitted["at_target"])
                words.append(f"{_label(law)}, {name.lower()}: grows as n^{fitted['b']:.2f}, {cost} at the target")
    return "Time and peak memory of the phases against the number of videos. " + "; ".join(words) + "."
