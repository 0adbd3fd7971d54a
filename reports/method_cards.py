"""The methods' cards: paper and choices of each, its settings, its losses while it trained, and all its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.records.record import Record
from reports.context import InlineFigure, PageContext
from reports.drawing import canvas, style
from reports.drawing.canvas import Drawing
from reports.drawing.plotting import Figure, Line2D
from reports.matrix.rows import Group, Row
from reports.scores.tables import mean

Cards = Mapping[str, Sequence[tuple[str, Sequence[str]]]]
"""What the checkout says of each method: labels with lines, by name."""
POINTS = 150
"""At most as many points of a loss curve are drawn; curves are thinned, numbers never (our choice)."""
PANEL, HEIGHT, ACROSS = 1.75, 1.5, 4
"""Inches of one loss term's panel, and panels in a line."""


@dataclass(frozen=True)
class ArticleCell:
    """mAP of a row at one code length: mean over ``n`` seeds, and the id on the page of the first record behind it."""

    bits: int
    text: str
    n: int
    record: str
    stale: bool


@dataclass(frozen=True)
class ArticleRow:
    """A row of the matrix on one dataset, with its settings; ``group`` is the dataset's label, ``dataset`` its slug."""

    label: str
    group: str
    slug: str
    dataset: str
    cells: list[ArticleCell]
    config: list[tuple[str, str]]


@dataclass(frozen=True)
class LossFigure:
    """What a row logged while it trained on one dataset."""

    label: str
    group: str
    figure: InlineFigure


@dataclass(frozen=True)
class Article:
    """What the page shows of a method; ``in_checkout``: whether this checkout has it, and with it the ``card``."""

    method: str
    title: str
    slug: str
    in_checkout: bool
    card: list[tuple[str, list[str]]]
    rows: list[ArticleRow] = field(default_factory=list)
    losses: list[LossFigure] = field(default_factory=list)


def articles(groups: Sequence[Group], cards: Cards, context: PageContext) -> list[Article]:
    """Return one article per method of the records, by title; its figures are added to the context's files."""
    by_method: dict[str, Article] = {}
    for group in groups:
        for row in group.rows:
            if row.method not in by_method:
                card = [(label, list(lines)) for label, lines in cards.get(row.method, ())]
                slug = style.slug(row.method)
                by_method[row.method] = Article(row.method, row.title, slug, row.method in cards, card)
            article = by_method[row.method]
            if row.all:
                article.rows.append(_row(group, row))
            figure = draw(group, row)
            if figure is not None:
                article.losses.append(LossFigure(row.label, group.label, context.show(figure)))
    return sorted(by_method.values(), key=lambda article: (article.title.lower(), article.method))


def _row(group: Group, row: Row) -> ArticleRow:
    cells = [_cell(group, row, bits) for bits in group.bits]
    return ArticleRow(row.label, group.label, row.slug, group.slug, cells, style.flat_settings(row.config))


def _cell(group: Group, row: Row, bits: int) -> ArticleCell:
    done = [record for record in row.done(bits) if FIELD in record.metrics]
    if not done:
        return ArticleCell(bits, "not run", 0, "", stale=False)
    quality = mean(done, FIELD, style.metric_key("map", HEADLINE_K))
    text = f"{style.rounded(quality.mean)} {style.plus_minus(quality.deviation)}".strip()
    return ArticleCell(bits, text, len(done), group.anchor(done[0]), any(record.key in group.stale for record in done))


def draw(group: Group, row: Row) -> Drawing | None:
    """Draw the epoch means of every loss term, one panel each, a line per code length, or return None."""
    terms = sorted({(stage, term) for record in row.records for stage, term, _ in _terms(record)})
    if not terms:
        return None
    name = style.slug(group.slug, row.slug, "losses")
    lines = -(-len(terms) // ACROSS)
    with canvas.figure_settings(name):
        figure = Figure(figsize=(PANEL * ACROSS, HEIGHT * lines + 0.2))
        axes = np.atleast_1d(figure.subplots(lines, ACROSS, squeeze=False)).ravel()
        for place, axis in enumerate(axes):
            axis.set_visible(place < len(terms))
        for axis, (stage, term) in zip(axes, terms, strict=False):
            _panel(axis, group, row, stage, term, several=len({s for s, _ in terms}) > 1)
        figure.subplots_adjust(left=0.06, right=0.99, top=1 - 0.22 / (HEIGHT * lines), bottom=0.38 / (HEIGHT * lines),
                               wspace=0.32, hspace=0.62)  # fmt: skip
        svg_bytes, pdf = canvas.saved(figure)
    return Drawing(name, svg_bytes, pdf, _words(group, row, terms))


def _terms(record: Record) -> list[tuple[str, str, list[float]]]:
    """Return (stage, term, epoch means) of every loss term that has numbers."""
    terms = []
    for stage in record.training.stages:
        for term, values in stage.losses.items():
            numbers = [style.number(value) for value in values]
            if any(number is not None for number in numbers):
                finite = [float("nan") if number is None else number for number in numbers]
                terms.append((style.one_line(stage.name, 30), style.one_line(term, 30), finite))
    return terms


def _panel(axis: Any, group: Group, row: Row, stage: str, term: str, several: bool) -> None:
    for place, bits in enumerate(group.bits):
        shade = min(place, len(style.LENGTHS) - 1)
        for record in row.done(bits):
            for name, key, values in _terms(record):
                if (name, key) == (stage, term):
                    at = thinned(len(values))
                    look: dict[str, Any] = {"color": style.LENGTHS[shade], "linewidth": 0.7 + 0.25 * shade}
                    axis.add_line(Line2D(at + 1, np.array(values)[at], marker="." if len(at) == 1 else None, **look))
    axis.autoscale_view()
    axis.set_title(f"{stage}: {term}" if several else term, fontsize=7.5, pad=3)
    axis.tick_params(labelsize=6.5)
    axis.set_xlabel("epoch", fontsize=6.5, labelpad=1)
    axis.xaxis.get_major_locator().set_params(integer=True, nbins=4)


def thinned(n: int) -> np.ndarray:
    """Return the epochs, from 0, at which a curve of n epochs is drawn: the first, the last, and even steps."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))


def _words(group: Group, row: Row, terms: Sequence[tuple[str, str]]) -> str:
    words = []
    last = max(row.records, key=lambda r: (r.identity.bits, -r.identity.seed))
    for stage, term, values in _terms(last):
        if (stage, term) in terms:
            ends = [value for value in values if np.isfinite(value)]
            words.append(f"{stage} {term} {style.rounded(ends[0])} to {style.rounded(ends[-1])}")
    where = f"{last.identity.bits} bits, seed {last.identity.seed}"
    return f"Losses of {row.label} on {group.label} by epoch; {where}: " + "; ".join(words) + "."
