"""The gallery: the same queries across all methods, each with its five nearest videos, right or wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.evaluation.hamming import WORD, Codes
from benchmark.evaluation.protocol import FIELD
from benchmark.records.facts import Facts
from benchmark.records.record import Record
from reports.codes import gallery_figure
from reports.codes.album import Album, Picture
from reports.codes.gallery_figure import Shown
from reports.codes.gallery_queries import CUT, FAILURE, RULE, TOP, Query, choose, names, nearest
from reports.context import PageContext
from reports.drawing import style
from reports.drawing.canvas import Drawing
from reports.matrix import choice
from reports.matrix.holes import fill_command
from reports.matrix.rows import Group, Row
from reports.matrix.stored import Stored

BUDGET = 600_000
PAGE_BUDGET = 800_000
"""Bytes that the pictures of one dataset, and those of all datasets of a page, may take (our choice)."""


@dataclass(frozen=True)
class GalleryRow:
    """A row of the matrix with what the gallery needs of one of its records; ``ap``: (queries,) float64 AP@5."""

    row: Row
    record: Record
    codes: Mapping[str, Codes]
    ap: np.ndarray


@dataclass(frozen=True)
class Card:
    """One of the nearest videos: its row in the database, distance in bits, classes and picture."""

    row: int
    distance: str
    relevant: bool
    names: str
    picture: Picture | None


@dataclass(frozen=True)
class ResultLine:
    """The nearest videos of a query by one method."""

    label: str
    slug: str
    colour: str
    ap: str
    cards: list[Card]


@dataclass(frozen=True)
class QueryBlock:
    """One query with a line per row of the matrix; ``split``: whether the rows disagree on it."""

    row: int
    why: str
    mean: str
    names: str
    picture: Picture | None
    lines: list[ResultLine]
    split: bool
    failure: bool

    @property
    def pictures(self) -> list[Picture | None]:
        """Return the pictures of the query and of all its results."""
        return [self.picture, *(card.picture for line in self.lines for card in line.cards)]


@dataclass(frozen=True)
class Lacking:
    """A row that cannot be shown: what it lacks, and the command that writes it."""

    label: str
    what: str
    command: str


@dataclass(frozen=True)
class GalleryFigure:
    """The file name of a figure for papers and the row that it shows."""

    name: str
    label: str


@dataclass(frozen=True)
class Gallery:
    """What the page shows of a dataset. ``rules``: CSS by class name, each distinct picture once.

    ``dropped``: how many queries were left out to keep the page small. ``pictured``: whether there are pictures.
    ``too_large``: whether there would be, were they smaller. ``unanswered``: whether no query has a relevant video.
    """

    bits: int
    seeds: str
    rule: str
    blocks: list[QueryBlock]
    lacking: list[Lacking]
    rules: dict[str, str]
    dropped: int
    pictured: bool
    too_large: bool
    unanswered: bool
    figures: list[GalleryFigure]


def section(group: Group, context: PageContext) -> Gallery | None:
    """Return the section of a dataset, with a figure of each row that has pictures; None where no cell is done."""
    bits = choice.length(group)
    if bits is None:
        return None
    records = [(row, record) for row, record in choice.one_each(group, bits) if record is not None]
    facts = context.stored.facts(group)
    rows, lacking = _rows(group, records, context.stored, facts)
    queries = [] if facts is None else choose([row.ap for row in rows], _answerable(facts))
    album = Album(lambda split, row: context.pictures(group.name, group.fingerprint, split, row))
    blocks = [] if facts is None else [_block(query, rows, facts, album, context.methods) for query in queries]
    shown, rules = _within_budget(blocks, min(BUDGET, PAGE_BUDGET // context.datasets))
    figures = _figures(group, bits, rows, shown)
    for _, drawing in figures:
        context.write(drawing)
    context.picture_rules |= rules
    return Gallery(
        bits=bits, seeds=_seeds(records), rule=RULE, blocks=shown, lacking=lacking, rules=rules,
        dropped=len(blocks) - len(shown), pictured=bool(rules), too_large=not rules and bool(_rules(shown)),
        unanswered=bool(rows) and not queries,
        figures=[GalleryFigure(drawing.name, label) for label, drawing in figures],
    )  # fmt: skip


def _rows(
    group: Group, records: Sequence[tuple[Row, Record]], stored: Stored, facts: Facts | None
) -> tuple[list[GalleryRow], list[Lacking]]:
    """Return the rows that have everything, and for the others what they lack and the command that writes it."""
    rows, lacking = [], []
    for row, record in records:
        codes, precision = stored.codes(record), _precision(stored, record)
        if facts is not None and codes is not None and precision is not None and _fit(codes, precision, facts):
            rows.append(GalleryRow(row, record, codes, precision))
            continue
        absent = {
            "names and labels of the dataset": facts is None,
            "codes": codes is None,
            f"AP@{CUT} of every query": precision is None,
        }
        # a finished cell is not run again unless that is requested; any run writes the facts of the dataset
        again = "" if codes is not None and precision is not None and facts is None else " --rerun all"
        what = ", ".join(name for name, is_absent in absent.items() if is_absent) or "files of the dataset's size"
        command = fill_command(group, row, [record.identity.bits], [record.identity.seed])
        lacking.append(Lacking(row.label, what, command + again))
    return rows, lacking


def _precision(stored: Stored, record: Record) -> np.ndarray | None:
    precisions = stored.precisions(record, FIELD)
    if precisions is None or CUT not in precisions[0]:
        return None
    cuts, table = precisions
    return np.asarray(table[:, cuts.tolist().index(CUT)])


def _fit(codes: Mapping[str, Codes], precision: np.ndarray, facts: Facts) -> bool:
    sizes = {name: len(table) for name, table in facts.labels.items()}
    whole = all(codes[name].packed.shape == (n, -(-codes[name].bits // WORD)) for name, n in sizes.items())
    return whole and len(precision) == sizes["query"]


def _answerable(facts: Facts) -> np.ndarray:
    """Return which queries have a relevant video other than themselves, (queries,) bool."""
    query = facts.labels["query"].astype(bool)
    counts = facts.labels["database"].sum(axis=0, dtype=np.int64)
    return np.asarray((query & (counts > int(facts.self_retrieval))).any(axis=1))


def _block(query: Query, rows: Sequence[GalleryRow], facts: Facts, album: Album, methods: Sequence[str]) -> QueryBlock:
    """Return one query with a line of five cards per row of the matrix."""
    hot = facts.labels["query"][query.row]
    split = "database" if facts.self_retrieval else "query"
    lines = []
    for row in rows:
        places, away = nearest(row.codes, query.row, facts.self_retrieval)
        cards = [_card(place, d, hot, facts, album) for place, d in zip(places.tolist(), away.tolist(), strict=True)]
        colour = style.look(row.row.method, methods).variable
        lines.append(ResultLine(row.row.label, row.row.slug, colour, style.rounded(float(row.ap[query.row])), cards))
    return QueryBlock(
        row=query.row, why=query.why, mean=style.rounded(query.mean), names=names(facts.classes, hot),
        picture=album.get(split, query.row), lines=lines, split=query.split,
        failure=query.mean < FAILURE and not query.split,
    )  # fmt: skip


def _card(row: int, distance: float, hot: np.ndarray, facts: Facts, album: Album) -> Card:
    own = facts.labels["database"][row]
    relevant, picture = bool((own & hot).any()), album.get("database", row)
    return Card(row, f"{distance:g}", relevant, names(facts.classes, own, first=hot), picture)


def _within_budget(blocks: Sequence[QueryBlock], budget: int) -> tuple[list[QueryBlock], dict[str, str]]:
    """Return the blocks whose pictures fit the budget, in order, and their rules; failures go last.

    Where not even one block fits, all stay and there are no rules: the page then shows cards without pictures.
    """
    left = list(blocks)
    rules = _rules(left)
    first, last = ([b for b in reversed(blocks) if b.failure is failure] for failure in (False, True))
    for block in [*first, *last]:
        if sum(map(len, rules.values())) <= budget:
            return left, rules
        left = [other for other in left if other is not block]
        rules = _rules(left)
    return list(blocks), {}


def _rules(blocks: Iterable[QueryBlock]) -> dict[str, str]:
    pictures = [picture for block in blocks for picture in block.pictures if picture is not None]
    return {picture.name: picture.rule for picture in pictures}


def _seeds(records: Sequence[tuple[Row, Record]]) -> str:
    """Return in words which seed is shown."""
    seeds = {record.identity.seed for _, record in records}
    if len(seeds) == 1:
        return f"seed {min(seeds)}"
    each = ", ".join(f"{row.label} {record.identity.seed}" for row, record in records)
    return f"the lowest seed of each row, as they share none ({each})"


def _figures(
    group: Group, bits: int, rows: Sequence[GalleryRow], blocks: Sequence[QueryBlock]
) -> list[tuple[str, Drawing]]:
    """Return a figure of every row, with four of the ranked queries, where all their pictures are there."""
    ranked = [block for block in blocks if not block.split]
    places = np.unique(np.linspace(0, len(ranked) - 1, min(4, len(ranked))).astype(int))
    shown = [ranked[place] for place in places.tolist()]
    if not shown or any(picture is None for block in shown for picture in block.pictures):
        return []
    figures: dict[str, tuple[str, Drawing]] = {}
    for place, row in enumerate(rows):
        name = style.slug(group.slug, "top5", bits, row.row.label)
        name = f"{name}-{row.record.key[:6]}" if name in figures else name
        alt = f"Top {TOP} of {row.row.label}, {group.label}, {bits} bits"
        lines = [_figure_line(block, block.lines[place]) for block in shown]
        figures[name] = row.row.label, gallery_figure.draw(name, lines, alt)
    return list(figures.values())


def _figure_line(block: QueryBlock, line: ResultLine) -> list[Shown]:
    """Return a query and its nearest videos, all of which have pictures."""
    captions = [(f"d {card.distance} · {card.names}", card.relevant, card.picture) for card in line.cards]
    cells = [(f"query: {block.names}", None, block.picture), *captions]
    return [Shown(picture.pixels, caption, relevant) for caption, relevant, picture in cells if picture is not None]
