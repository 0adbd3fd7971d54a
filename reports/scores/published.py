"""Published numbers beside measured ones, and why they may differ.

``data/published.csv`` holds what papers' repositories state, each line with its source. A difference is shown only
where data, budget and protocol are those of the published number; other numbers are shown and never subtracted.
"""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.evaluation.protocol import FIELD
from benchmark.records.options import LAST, TEST
from reports.context import PageContext
from reports.drawing import style
from reports.matrix.labels import budget_words
from reports.matrix.rows import Group, Row
from reports.scores.tables import mean

FILE = Path(__file__).resolve().parent.parent / "data" / "published.csv"
RULES = {"denominator": "k", "self_match": "include"}
"""The options without which a number is another metric than the published one."""
SETTINGS = re.compile(r"--set((?: (?!--)\S+)+)")
TIES = "the published order inside one Hamming distance depends on an unstable sort"


@dataclass(frozen=True)
class Published:
    """Numbers of one source: method, dataset, code length, and values at K."""

    method: str
    dataset: str
    bits: int
    metric: str
    source: str
    values: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class PublishedComparison:
    """A row's cells of one code length beside one source.

    ``points`` are K, published value, measured mean, deviation (None for one seed) and difference, rounded as text;
    the difference is empty where ``hindrances`` are. ``remarks`` are reasons for a difference that hinder nothing.
    """

    label: str
    bits: int
    source: str
    points: tuple[tuple[str, ...], ...]
    hindrances: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class PublishedSection:
    """Published and measured numbers of a dataset; there may be none."""

    comparisons: list[PublishedComparison]


def section(group: Group, context: PageContext) -> PublishedSection:
    """Return the section of a dataset."""
    return PublishedSection(comparisons(group))


@functools.cache
def load() -> tuple[Published, ...]:
    """Return the published numbers, in the order of the file."""
    with open(FILE, newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    names = ("method", "dataset", "bits", "metric", "source")
    entries = []
    for key, same in itertools.groupby(lines, key=lambda line: tuple(line[name] for name in names)):
        method, dataset, bits, metric, source = key
        values = tuple((int(line["k"]), float(line["value"])) for line in same)
        entries.append(Published(method, dataset, int(bits), metric, source, values))
    return tuple(entries)


def comparisons(group: Group, published: Iterable[Published] | None = None) -> list[PublishedComparison]:
    """Return a comparison for every row, code length and source that have both numbers."""
    entries = load() if published is None else list(published)
    return [
        comparison
        for row in group.rows
        for bits in group.bits
        for entry in entries
        if entry.bits == bits
        and entry.dataset.casefold() == group.name.casefold()
        and entry.method.casefold() in (row.method.casefold(), row.title.casefold())
        and (comparison := _compare(group, row, entry)) is not None
    ]


def _compare(group: Group, row: Row, entry: Published) -> PublishedComparison | None:
    records = [record for record in row.done(entry.bits) if FIELD in record.metrics]
    hindrances = _hindrances(group, row, entry)
    points = []
    for k, value in entry.values:
        measured = mean(records, FIELD, style.metric_key("map", k))
        if measured.mean is not None:
            spread = style.plus_minus(measured.deviation)
            difference = "" if hindrances else style.difference(measured.mean - value)
            points.append((style.cut_label(k), style.rounded(value), style.rounded(measured.mean), spread, difference))
    if not points:
        return None
    remarks = _remarks(row, entry, len(records))
    return PublishedComparison(row.label, entry.bits, entry.source, tuple(points), tuple(hindrances), tuple(remarks))


def _hindrances(group: Group, row: Row, entry: Published) -> list[str]:
    """Return why the two numbers do not measure the same thing."""
    reasons = []
    if group.data is None or group.data.subset:
        reasons.append("measured on a subset of the published videos")
    elif any(split.official is not None and split.n != split.official for split in group.data.splits.values()):
        reasons.append("measured on other videos than the published ones")
    if row.budgeted:
        reasons.append(f"trained under a budget ({style.settings_text(budget_words(row.budget))})")
    if row.selected_on_test and "best test" not in entry.metric:
        reasons.append("our epoch was chosen on the test queries, the published one was not")
    if row.selection not in (LAST, TEST):
        reasons.append("trained without the videos that were held out to choose the epoch")
    options: dict[str, Any] = row.protocols.get(FIELD, {})
    other = [f"{key} is {options.get(key)}" for key, usual in RULES.items() if options.get(key) != usual]
    if other:
        reasons.append(f"another protocol ({', '.join(other)})")
    if re.search(r"first \d+ test videos", entry.source):
        reasons.append("the published number is over the first test videos only")
    if "not stated" in entry.source:
        reasons.append("the published code length is not stated")
    return reasons


def _remarks(row: Row, entry: Published, seeds: int) -> list[str]:
    """Return what may explain a difference."""
    remarks = []
    if "best test" in entry.metric and row.selected_on_test:
        remarks.append("both chose the epoch on the test queries")
    elif "best test" in entry.metric:
        ending = "is the last" if row.selection == LAST else "was not"
        remarks.append(f"the published epoch was chosen on the test queries, ours {ending}")
    elif "last in-training" in entry.metric:
        remarks.append("the published number is the last evaluation during training")
    if row.options.is_set("precision"):
        remarks.append(f"trained and encoded in {row.precision}")
    if row.compiled:
        remarks.append("trained by a compiled step")
    changed = {words for r in row.done(entry.bits) if (words := " ".join(SETTINGS.findall(r.rerun or "")).strip())}
    if changed:
        remarks.append(f"settings differ from the preset ({style.one_line('; '.join(sorted(changed)), 120)})")
    if row.named_variant:
        remarks.append(f"variant: {style.one_line(row.variant)}")
    remarks.append(f"{seeds} seed{'s' if seeds != 1 else ''} here, one number there")
    return [*remarks, TIES]
