"""The methods' cards: what is known of each, its settings, its losses while it trained, and all its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark.record import Record
from reports import drawing, style
from reports.drawing import Drawing
from reports.matrix.rows import Group, Row
from reports.provenance import flat
from reports.section import Workshop
from reports.tables import mean

PRESET, CUT = "field", 20
"""Protocol and K of the numbers on the cards (ours)."""
POINTS = 150
"""At most as many points of a loss curve are drawn; curves are thinned, numbers never (ours)."""
PANEL, HEIGHT, ACROSS = 1.75, 1.5, 4
"""Inches of one loss term's panel, and panels in a line."""


def articles(
    groups: Sequence[Group],
    cards: Mapping[str, Sequence[tuple[str, Sequence[str]]]],
    shop: Workshop,
) -> list[dict[str, Any]]:
    """Return one article per method of the records, by title; its figures are added to the workshop's files."""
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        for row in group.rows:
            article = found.setdefault(row.method, {
                "method": row.method, "title": row.title, "slug": style.slug(row.method), "rows": [], "losses": [],
                "known": row.method in cards,
                "card": [(label, list(lines)) for label, lines in cards.get(row.method, ())],
            })  # fmt: skip
            if row.all:
                article["rows"].append(_row(group, row))
            figure = draw(group, row)
            if figure is not None:
                article["losses"].append({**shop.keep(figure), "group": group.label, "label": row.label})
    return sorted(found.values(), key=lambda article: (article["title"].lower(), article["method"]))


def _row(group: Group, row: Row) -> dict[str, Any]:
    cells = []
    for bits in group.bits:
        done = [record for record in row.done(bits) if PRESET in record.metrics]
        quality = mean(done, PRESET, style.metric_key("map", CUT))
        spread = "" if quality.deviation is None else f" ±{style.rounded(quality.deviation)}"
        cells.append({
            "bits": bits, "text": style.rounded(quality.mean) + spread if done else "not run", "n": len(done),
            "record": done[0].key if done else "", "stale": any(r.key in group.stale for r in done),
        })  # fmt: skip
    return {"label": row.label, "group": group.label, "slug": row.slug, "dataset": group.slug, "cells": cells,
            "config": flat(row.config)}  # fmt: skip


def draw(group: Group, row: Row) -> Drawing | None:
    """Draw the epoch means of every loss term, one panel each, a line per code length, or return None."""
    terms = sorted({(stage, term) for record in row.records for stage, term, _ in _terms(record)})
    if not terms:
        return None
    name = style.slug(group.slug, row.slug, "losses")
    lines = -(-len(terms) // ACROSS)
    with rc_context({**drawing.SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(PANEL * ACROSS, HEIGHT * lines + 0.2))
        axes = np.atleast_1d(figure.subplots(lines, ACROSS, squeeze=False)).ravel()
        for place, axis in enumerate(axes):
            axis.set_visible(place < len(terms))
        for axis, (stage, term) in zip(axes, terms, strict=False):
            _panel(axis, group, row, stage, term, several=len({s for s, _ in terms}) > 1)
        figure.subplots_adjust(left=0.06, right=0.99, top=1 - 0.22 / (HEIGHT * lines), bottom=0.38 / (HEIGHT * lines),
                               wspace=0.32, hspace=0.62)  # fmt: skip
        svg_bytes, pdf = drawing.saved(figure)
    return Drawing(name, svg_bytes, pdf, _words(group, row, terms))


def _terms(record: Record) -> list[tuple[str, str, list[float]]]:
    """Return (stage, term, epoch means) of every loss term that has numbers."""
    found = []
    for stage in record.training.stages:
        losses = stage.get("losses")
        for term, values in losses.items() if isinstance(losses, Mapping) else ():
            numbers = [style.number(value) for value in values] if isinstance(values, list) else []
            if any(number is not None for number in numbers):
                finite = [float("nan") if number is None else number for number in numbers]
                found.append((style.one_line(stage.get("name", "stage"), 30), style.one_line(term, 30), finite))
    return found


def _panel(axis: Any, group: Group, row: Row, stage: str, term: str, several: bool) -> None:
    for place, bits in enumerate(group.bits):
        shade = min(place, len(style.LENGTHS) - 1)
        for record in row.done(bits):
            for name, key, values in _terms(record):
                if (name, key) == (stage, term):
                    at = _thinned(len(values))
                    look: dict[str, Any] = {"color": style.LENGTHS[shade], "linewidth": 0.7 + 0.25 * shade}
                    axis.add_line(Line2D(at + 1, np.array(values)[at], marker="." if len(at) == 1 else None, **look))
    axis.autoscale_view()
    axis.set_title(f"{stage}: {term}" if several else term, fontsize=7.5, pad=3)
    axis.tick_params(labelsize=6.5)
    axis.set_xlabel("epoch", fontsize=6.5, labelpad=1)
    axis.xaxis.get_major_locator().set_params(integer=True, nbins=4)


def _thinned(n: int) -> np.ndarray:
    """Return the epochs, from 0, at which a curve of n epochs is drawn: the first, the last, and even steps."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))


def _words(group: Group, row: Row, terms: Sequence[tuple[str, str]]) -> str:
    said = []
    last = max(row.records, key=lambda r: (r.identity.bits, -r.identity.seed))
    for stage, term, values in _terms(last):
        if (stage, term) in terms:
            ends = [value for value in values if np.isfinite(value)]
            said.append(f"{stage} {term} {style.rounded(ends[0])} to {style.rounded(ends[-1])}")
    where = f"{last.identity.bits} bits, seed {last.identity.seed}"
    return f"Losses of {row.label} on {group.label} by epoch; {where}: " + "; ".join(said) + "."
