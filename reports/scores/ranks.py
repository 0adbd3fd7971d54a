"""Average ranks of the methods over the datasets, with the difference that Nemenyi's test calls critical."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.evaluation import statistics
from benchmark.evaluation.protocol import HEADLINE_K
from reports.drawing import style
from reports.matrix.rows import Group
from reports.scores import tables

LEVEL = 0.05


@dataclass(frozen=True)
class Rank:
    """A row's average rank; 1 is best."""

    label: str
    rank: float


@dataclass(frozen=True)
class Ranks:
    """Average ranks of rows, best first, by mAP@``cut`` over ``datasets``; ``cells`` counts their code lengths.

    ``left_out``: labels of other rows. ``critical``: Nemenyi's difference at ``level``. ``friedman``: its p-value.
    """

    rows: list[Rank]
    left_out: list[str]
    datasets: list[str]
    cells: int
    cut: int
    level: float
    critical: float
    friedman: float


def by_preset(groups: Sequence[Group]) -> dict[str, Ranks]:
    """Return the ranks under each preset that has any."""
    presets = dict.fromkeys(preset for group in groups for preset in group.presets)
    return {preset: ranked for preset in presets if (ranked := ranks(groups, preset))}


def ranks(groups: Sequence[Group], preset: str) -> Ranks | None:
    """Return ranks by mAP at the headline K over datasets, or None where no two datasets have the same two rows.

    A row takes part if every dataset that has numbers has it, and a code length of a dataset if all those rows have a
    number there. A dataset's ranks are first averaged over its code lengths, which are not independent of each other,
    so that the critical difference and Friedman's p-value count datasets alone.

    Rows whose epoch was chosen on the test queries take no part. Of a dataset and parts drawn from it one counts.
    """
    scores = {group.label: _scores(group, preset) for group in _one_of_each(groups)}
    scores = {name: numbers for name, numbers in scores.items() if numbers}
    rows = [{label for _, label in numbers} for numbers in scores.values()]
    labels = sorted(set.intersection(*rows)) if rows else []
    blocks = {name: _block(numbers, labels) for name, numbers in scores.items()}
    blocks = {name: block for name, block in blocks.items() if len(block)}
    if len(blocks) < 2 or len(labels) < 2:
        return None
    by_dataset = np.array([statistics.average_ranks(block) for block in blocks.values()])
    average = by_dataset.mean(axis=0).tolist()
    return Ranks(
        rows=[Rank(label, rank) for rank, label in sorted(zip(average, labels, strict=True))],
        left_out=sorted(set().union(*rows) - set(labels)),
        datasets=list(blocks),
        cells=sum(len(block) for block in blocks.values()),
        cut=HEADLINE_K,
        level=LEVEL,
        critical=statistics.critical_difference(len(labels), len(blocks), LEVEL),
        friedman=statistics.friedman(-by_dataset)[1],
    )


def _scores(group: Group, preset: str) -> dict[tuple[int, str], float]:
    """Return mAP by code length and row."""
    key = style.metric_key("map", HEADLINE_K)
    rows = [row for row in group.rows if not row.selected_on_test]
    means = {(b, row.label): tables.mean(row.done(b), preset, key).mean for row in rows for b in group.bits}
    return {place: value for place, value in means.items() if value is not None}


def _one_of_each(groups: Sequence[Group]) -> list[Group]:
    """Return all whole datasets, and of those that are there in drawn parts alone the largest part."""
    whole = {group.name for group in groups if group.drawn is None}
    largest: dict[str, Group] = {}
    for group in sorted(groups, key=lambda group: group.drawn or 0):
        if group.name not in whole:
            largest[group.name] = group
    return [group for group in groups if group.drawn is None or largest.get(group.name) is group]


def _block(scores: dict[tuple[int, str], float], labels: Sequence[str]) -> np.ndarray:
    """Return (code lengths, rows) of the code lengths at which all rows have a number."""
    lengths = sorted({bits for bits, _ in scores})
    full = [bits for bits in lengths if all((bits, label) in scores for label in labels)]
    return np.array([[scores[bits, label] for label in labels] for bits in full])
