"""Average ranks of the methods over the datasets, with the difference that Nemenyi's test calls critical."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.evaluation import statistics
from reports import style, tables
from reports.matrix.rows import Group

CUT = 20
LEVEL = 0.05


def by_preset(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    """Return the ranks under each preset that has any."""
    found = {preset: ranks(groups, preset) for preset in {preset: 0 for group in groups for preset in group.presets}}
    return {preset: ranked for preset, ranked in found.items() if ranked}


def ranks(groups: Sequence[Group], preset: str) -> dict[str, Any] | None:
    """Return ranks by mAP@20 over datasets, or None where no two datasets have the same two rows.

    A row takes part if every dataset that has numbers has it, and a code length of a dataset if all those rows have a
    number there. A dataset's ranks are first averaged over its code lengths, which are not independent of each other,
    so that the critical difference and Friedman's p-value count datasets alone.

    Rows whose epoch was chosen on the test queries take no part. Of a dataset and parts drawn from it one counts.

    The result holds ``rows`` (``label`` and ``rank``, best first), ``left_out`` (other labels), ``datasets`` (labels),
    ``cells`` (how many code lengths of datasets), ``cut``, ``level``, ``critical`` and ``friedman`` (its p-value).
    """
    scores = {group.label: _scores(group, preset) for group in _one_of_each(groups)}
    scores = {name: found for name, found in scores.items() if found}
    held = [{label for _, label in found} for found in scores.values()]
    labels = sorted(set.intersection(*held)) if held else []
    blocks = {name: _block(found, labels) for name, found in scores.items()}
    blocks = {name: block for name, block in blocks.items() if len(block)}
    if len(blocks) < 2 or len(labels) < 2:
        return None
    by_dataset = np.array([statistics.average_ranks(block) for block in blocks.values()])
    average = by_dataset.mean(axis=0).tolist()
    return {
        "rows": [{"label": label, "rank": rank} for rank, label in sorted(zip(average, labels, strict=True))],
        "left_out": sorted(set().union(*held) - set(labels)),
        "datasets": list(blocks),
        "cells": sum(len(block) for block in blocks.values()),
        "cut": CUT,
        "level": LEVEL,
        "critical": statistics.critical_difference(len(labels), len(blocks), LEVEL),
        "friedman": statistics.friedman(-by_dataset)[1],
    }


def _scores(group: Group, preset: str) -> dict[tuple[int, str], float]:
    """Return mAP by code length and row."""
    key = style.metric_key("map", CUT)
    rows = [row for row in group.rows if not row.selected_on_test]
    found = {(b, row.label): tables.mean(row.done(b), preset, key).mean for row in rows for b in group.bits}
    return {place: value for place, value in found.items() if value is not None}


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
