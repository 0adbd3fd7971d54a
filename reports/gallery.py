"""The gallery: the same queries across all methods, each with its five nearest videos, right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.evaluation.hamming import WORD, Codes, distances2
from benchmark.facts import Facts
from benchmark.record import Record
from reports import choice, gallery_figure, style
from reports.album import Album
from reports.drawing import Drawing
from reports.gallery_figure import Shown
from reports.matrix.holes import fill_command
from reports.matrix.rows import Group, Row
from reports.stored import Stored

Lend = Callable[[str, str, str, int], "bytes | None"]

PRESET, CUT, TOP = "field", 5, 5
COUNT, SPLIT = 6, 2
"""Queries at evenly spaced ranks, and queries on which the rows disagree (ours)."""
BUDGET = 600_000
PAGE_BUDGET = 800_000
"""Bytes that the pictures of one dataset, and those of all datasets of a page, may take (ours)."""
FAILURE = 0.5
"""A query whose mean AP@5 is below counts as a failure: it leaves the page last where pictures take too much room."""
NAMES = 2
RULE = (
    f"All rows show the same queries. Those with a relevant video are ranked by AP@{CUT} ({PRESET} protocol), averaged "
    f"over the rows; {COUNT} are taken at evenly spaced ranks from the best to the worst, so that the last ones are "
    f"failures, and then {SPLIT} on which the rows disagree most (largest difference of AP@{CUT}). Ties by query row. "
    f"A mean below {FAILURE} is called a failure."
)


@dataclass(frozen=True)
class Line:
    """A row of the matrix with what the gallery needs of one of its records; ``ap``: (queries,) float64 AP@5."""

    row: Row
    record: Record
    codes: Mapping[str, Codes]
    ap: np.ndarray


@dataclass(frozen=True)
class Query:
    """A chosen query: its row, why it was chosen, and its AP@5 averaged over the lines."""

    row: int
    why: str
    mean: float
    split: bool = False


def gallery(
    group: Group, stored: Stored, methods: Sequence[str], pictures: Lend, datasets: int = 1
) -> tuple[dict[str, Any], list[Drawing]]:
    """Return what the template shows of a group, and a figure of each line that has pictures.

    ``blocks`` (one per query), ``lacking`` (rows without the needed files, with the command that writes them),
    ``rules`` (CSS by class name, each distinct picture once) and texts. Empty where no cell is done. ``datasets`` share
    the page.
    """
    bits = choice.length(group)
    if bits is None:
        return {}, []
    records = [(row, record) for row, record in choice.one_each(group, bits) if record is not None]
    known = stored.facts(group)
    lines, lacking = _lines(group, records, stored, known)
    chosen = [] if known is None else choose([line.ap for line in lines], _answerable(known))
    album = Album(lambda split, row: pictures(group.name, group.fingerprint, split, row))
    blocks = [] if known is None else [_block(query, lines, known, album, methods) for query in chosen]
    kept, rules = _within_budget(blocks, min(BUDGET, PAGE_BUDGET // datasets))
    figures = _figures(group, bits, lines, kept)
    too_large = not rules and bool(_rules(kept))
    found = {
        "bits": bits, "seeds": _seeds(records), "rule": RULE, "blocks": kept, "lacking": lacking, "rules": rules,
        "dropped": len(blocks) - len(kept), "pictured": bool(rules), "too_large": too_large,
        "unanswered": bool(lines) and not chosen,
        "figures": [{"name": drawing.name, "label": label} for label, drawing in figures],
    }  # fmt: skip
    return found, [drawing for _, drawing in figures]


def css(sections: Iterable[Mapping[str, Any]]) -> str:
    """Return the style rules of all pictures of the page, each distinct picture once."""
    rules = {name: rule for section in sections for name, rule in section["gallery"].get("rules", {}).items()}
    return "".join(f"{rules[name]}\n" for name in sorted(rules))


def choose(precisions: Sequence[np.ndarray], answerable: np.ndarray) -> list[Query]:
    """Return the queries by the rule. ``precisions``: AP@5 (queries,) of each line; ``answerable``: (queries,) bool."""
    if not precisions:
        return []
    table = np.stack(precisions)
    # equal up to the rounding of sums is a tie
    mean, spread = table.mean(axis=0).round(9), np.ptp(table, axis=0).round(9)
    rows = np.flatnonzero(answerable & np.isfinite(mean))
    ranked = rows[np.argsort(-mean[rows], kind="stable")]
    places = np.unique(np.rint(np.linspace(0, len(ranked) - 1, min(COUNT, len(ranked)))).astype(int))
    found = [
        Query(int(ranked[place]), f"rank {place + 1} of {len(ranked)}", float(mean[ranked[place]])) for place in places
    ]
    others = np.setdiff1d(rows[spread[rows] > 0], ranked[places])
    split = others[np.argsort(-spread[others], kind="stable")][:SPLIT]
    return found + [Query(int(row), "methods disagree", float(mean[row]), split=True) for row in split]


def nearest(codes: Mapping[str, Codes], query: int, self_retrieval: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the five nearest database rows of a query, int64, and their distances in bits, float64; ties by row."""
    every = codes["query"]
    part = slice(query, query + 1)
    one = Codes(every.packed[part], None if every.nonzero is None else every.nonzero[part], every.bits)
    away = distances2(one, codes["database"])[0]
    order = np.argsort(away, kind="stable")
    rows = (order[order != query] if self_retrieval else order)[:TOP]
    return rows, away[rows] / 2


def _lines(
    group: Group, records: Sequence[tuple[Row, Record]], stored: Stored, known: Facts | None
) -> tuple[list[Line], list[dict[str, str]]]:
    """Return the lines that have everything, and for the others what they lack and the command that writes it."""
    lines, lacking = [], []
    for row, record in records:
        codes, precision = stored.codes(record), _precision(stored, record)
        if known is not None and codes is not None and precision is not None and _fit(codes, precision, known):
            lines.append(Line(row, record, codes, precision))
            continue
        absent = {
            "names and labels of the dataset": known is None,
            "codes": codes is None,
            f"AP@{CUT} of every query": precision is None,
        }
        # a finished cell is not run again unless that is asked for; facts of the dataset are kept by any run
        again = "" if codes is not None and precision is not None and known is None else " --rerun all"
        said = ", ".join(name for name, yes in absent.items() if yes) or "files of the dataset's size"
        command = fill_command(group, row, [record.identity.bits], [record.identity.seed])
        lacking.append({"label": row.label, "what": said, "command": command + again})
    return lines, lacking


def _precision(stored: Stored, record: Record) -> np.ndarray | None:
    found = stored.precisions(record, PRESET)
    if found is None or CUT not in found[0]:
        return None
    return np.asarray(found[1][:, found[0].tolist().index(CUT)])


def _fit(codes: Mapping[str, Codes], precision: np.ndarray, known: Facts) -> bool:
    sizes = {name: len(table) for name, table in known.labels.items()}
    whole = all(codes[name].packed.shape == (n, -(-codes[name].bits // WORD)) for name, n in sizes.items())
    return whole and len(precision) == sizes["query"]


def _answerable(known: Facts) -> np.ndarray:
    """Return which queries have a relevant video other than themselves, (queries,) bool."""
    query = known.labels["query"].astype(bool)
    counts = known.labels["database"].sum(axis=0, dtype=np.int64)
    return np.asarray((query & (counts > int(known.self_retrieval))).any(axis=1))


def _block(query: Query, lines: Sequence[Line], known: Facts, album: Album, methods: Sequence[str]) -> dict[str, Any]:
    """Return one query with a line of five cards per row of the matrix."""
    hot = known.labels["query"][query.row]
    own = "database" if known.self_retrieval else "query"
    shown = []
    for line in lines:
        rows, away = nearest(line.codes, query.row, known.self_retrieval)
        cards = [_card(row, d, hot, known, album) for row, d in zip(rows.tolist(), away.tolist(), strict=True)]
        shown.append({
            "label": line.row.label, "slug": line.row.slug, "colour": style.look(line.row.method, methods).variable,
            "ap": style.rounded(float(line.ap[query.row])), "cards": cards,
        })  # fmt: skip
    return {
        "row": query.row, "why": query.why, "mean": style.rounded(query.mean), "names": names(known.classes, hot),
        "picture": album.get(own, query.row), "lines": shown, "split": query.split,
        "failure": query.mean < FAILURE and not query.split,
    }  # fmt: skip


def _card(row: int, distance: float, hot: np.ndarray, known: Facts, album: Album) -> dict[str, Any]:
    own = known.labels["database"][row]
    return {
        "row": row, "distance": f"{distance:g}", "relevant": bool((own & hot).any()),
        "names": names(known.classes, own, first=hot), "picture": album.get("database", row),
    }  # fmt: skip


def names(classes: Sequence[str], hot: np.ndarray, first: np.ndarray | None = None) -> str:
    """Return a video's classes, two at most and the number of the others; those that ``first`` has come first."""
    held = np.flatnonzero(hot).tolist()
    if first is not None:
        held.sort(key=lambda place: not first[place])
    told = [style.one_line(classes[place], 60) for place in held[:NAMES]]
    more = f" +{len(held) - NAMES}" if len(held) > NAMES else ""
    return ", ".join(told) + more if told else "no class"


def _within_budget(blocks: Sequence[dict[str, Any]], budget: int) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the blocks whose pictures fit the budget, in order, and their rules; failures go last.

    Where not even one block fits, all stay and there are no rules: the page then shows cards without pictures.
    """
    kept = list(blocks)
    rules = _rules(kept)
    first, last = ([b for b in reversed(blocks) if b["failure"] is failure] for failure in (False, True))
    for block in [*first, *last]:
        if sum(map(len, rules.values())) <= budget:
            return kept, rules
        kept = [other for other in kept if other is not block]
        rules = _rules(kept)
    return list(blocks), {}


def _rules(blocks: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    held = [p for block in blocks for p in (block["picture"], *(c["picture"] for c in _cards(block)))]
    return {picture.name: picture.rule for picture in held if picture is not None}


def _cards(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [card for line in block["lines"] for card in line["cards"]]


def _seeds(records: Sequence[tuple[Row, Record]]) -> str:
    """Return in words which seed is shown."""
    seeds = {record.identity.seed for _, record in records}
    if len(seeds) == 1:
        return f"seed {min(seeds)}"
    told = ", ".join(f"{row.label} {record.identity.seed}" for row, record in records)
    return f"the lowest seed of each row, as they share none ({told})"


def _figures(
    group: Group, bits: int, lines: Sequence[Line], blocks: Sequence[dict[str, Any]]
) -> list[tuple[str, Drawing]]:
    """Return a figure of every line, with four of the ranked queries, where all their pictures are there."""
    ranked = [block for block in blocks if not block["split"]]
    places = np.unique(np.linspace(0, len(ranked) - 1, min(4, len(ranked))).astype(int))
    chosen = [ranked[place] for place in places.tolist()]
    if not chosen or any(p is None for b in chosen for p in (b["picture"], *(c["picture"] for c in _cards(b)))):
        return []
    drawn: dict[str, tuple[str, Drawing]] = {}
    for place, line in enumerate(lines):
        name = style.slug(group.slug, "top5", bits, line.row.label)
        name = f"{name}-{line.record.key[:6]}" if name in drawn else name
        rows = [
            [Shown(block["picture"].pixels, f"query: {block['names']}", None),
             *(Shown(card["picture"].pixels, f"d {card['distance']} · {card['names']}", card["relevant"])
               for card in block["lines"][place]["cards"])]
            for block in chosen
        ]  # fmt: skip
        alt = f"Top {TOP} of {line.row.label}, {group.label}, {bits} bits"
        drawn[name] = line.row.label, gallery_figure.draw(name, rows, alt)
    return list(drawn.values())
