"""The section of a dataset on its data: splits, classes, fingerprint, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.records.record import Data
from reports.context import PageContext
from reports.drawing import style
from reports.matrix.rows import Group


@dataclass(frozen=True)
class SplitLine:
    """One split: its videos, the published number of them, and how the two compare."""

    name: str
    n: str
    official: str
    size: str
    fingerprint: str
    state: str


@dataclass(frozen=True)
class DataCard:
    """A dataset as its records saw it; ``source`` and ``names`` of the classes as far as the results folder has them.

    ``empty_queries``: how many queries have no relevant item.
    """

    splits: list[SplitLine]
    classes: str
    multi_label: bool
    self_retrieval: bool
    fingerprint: str
    empty_queries: str
    source: str
    names: list[str]


@dataclass(frozen=True)
class DataSection:
    """The card of a dataset; None where no record says what its data are."""

    card: DataCard | None


def section(group: Group, context: PageContext) -> DataSection:
    """Return the section of a dataset."""
    return DataSection(None if group.data is None else _card(group, group.data, context))


def _card(group: Group, data: Data, context: PageContext) -> DataCard:
    facts = context.stored.facts(group)
    ordered = sorted(data.splits.items(), key=lambda item: _split_place(item[0]))
    splits = [
        SplitLine(
            name=name, n=style.count(split.n), official=style.count(split.official),
            size=f"{split.frames} × {split.dim}", fingerprint=style.one_line(split.fingerprint)[:16],
            state=_split_state(split.n, split.official),
        )
        for name, split in ordered
    ]  # fmt: skip
    return DataCard(
        splits=splits, classes=style.count(data.classes), multi_label=data.multi_label,
        self_retrieval=data.self_retrieval, fingerprint=style.one_line(data.fingerprint),
        empty_queries=_metric(group, "queries_without_relevant"),
        source=style.one_line(facts.source, 600) if facts else "",
        names=[style.one_line(name, 40) for name in facts.classes] if facts else [],
    )  # fmt: skip


def _split_state(n: int, official: int | None) -> str:
    if official is None:
        return "no published count"
    return "official" if n == official else "subset" if n < official else "more than published"


def _split_place(name: str) -> tuple[int, str]:
    return {"train": 0, "database": 1, "query": 2}.get(name, 3), name


def _metric(group: Group, key: str) -> str:
    """Return a count of the first record that has it; all records of one dataset have the same."""
    for row in group.rows:
        for record in row.records:
            for measured in record.metrics.values():
                if style.number(measured.metrics.get(key)) is not None:
                    return style.count(measured.metrics[key])
    return ""
