"""What groups and rows are called: labels and slugs, from titles, variants, options and settings that differ."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records.options import RunOptions
from reports.drawing import style
from reports.matrix.rows import Group, Row, as_text


def label_rows(rows: Sequence[Row]) -> None:
    """Name each row: title, variant, options, and the settings in which it differs from rows of the same variant."""
    for row in rows:
        same = [r for r in rows if (r.method, r.variant) == (row.method, row.variant) and r.all]
        differing = _differing([_settings(r) for r in same], _settings(row)) if row.all else {}
        with_budget = row.budgeted or any(as_text(r.budget) != as_text(row.budget) for r in same)
        details = row.options.details(with_budget)
        details |= {f"config {key}" if key in {*row.budget, *details} else key: v for key, v in differing.items()}
        variant = f" ({row.named_variant})" if row.named_variant else ""
        row.label = style.one_line(row.title + variant) + (f" [{style.settings_text(details)}]" if details else "")
    for row in rows:
        if sum(r.title == row.title for r in rows if r.method != row.method):
            row.label += f" · {style.one_line(row.method)}"
        row.sibling = sum(r.method == row.method for r in rows[: rows.index(row)])
    taken = Counter(row.label for row in rows)
    for row in rows:
        if taken[row.label] > 1 and row.all:
            row.label += f" · {row.all[0].key[:6]}"


def name_rows(rows: Sequence[Row]) -> None:
    """Give each row a slug that rows of the same variant have on every dataset; further ones of it are numbered."""
    taken: Counter[str] = Counter()
    for row in rows:
        name = style.slug(row.method, *([row.named_variant] if row.named_variant else []))
        taken[name] += 1
        row.slug = name if taken[name] == 1 else f"{name}-{taken[name]}"


def name_groups(groups: Sequence[Group]) -> None:
    """Give each group a label and a slug that no other has: datasets of equal title, content or name stay apart."""
    names = Counter(group.name for group in groups)
    drawn = Counter((group.name, group.drawn) for group in groups)
    names_by_title: dict[str, set[str]] = {}
    for group in groups:
        names_by_title.setdefault(style.one_line(group.title), set()).add(group.name)
    taken: set[str] = set()
    for group in groups:
        mark = group.fingerprint[:8] or "unknown"
        title = style.one_line(group.title)
        name = f" · {style.one_line(group.name)}" if len(names_by_title[title]) > 1 else ""
        part = "" if group.drawn is None else f" (subset of {group.drawn})"
        same = f" [data {mark}]" if drawn[group.name, group.drawn] > 1 else ""
        group.label = title + name + part + same
        slug = style.slug(group.name, mark) if names[group.name] > 1 else style.slug(group.name)
        numbered = (f"{slug}-{number}" for number in itertools.count(2))
        group.slug = slug if slug not in taken else next(other for other in numbered if other not in taken)
        taken.add(group.slug)


def budget_words(budget: Mapping[str, Any]) -> dict[str, Any]:
    """Return a budget as the page says it."""
    names = {option.budget: name for name, option in RunOptions.declared().items() if option.budget}
    return RunOptions.model_construct(**{names[key]: v for key, v in budget.items() if key in names}).details()


def _settings(row: Row) -> dict[str, Any]:
    options = {f"{name}.{key}": v for name, protocol in row.protocols.items() for key, v in protocol.items()}
    return {**row.config, **options}


def _differing(others: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, Any]:
    return {key: v for key, v in own.items() if any(as_text(other.get(key)) != as_text(v) for other in others)}
