"""What the page says over all datasets: counts, choices, notices, failed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports import record_words
from reports.drawing import style
from reports.matrix.holes import cell_command
from reports.matrix.labels import budget_words
from reports.matrix.rows import Group, Hole, Row
from reports.scores import selection


@dataclass(frozen=True)
class Summary:
    """Numbers of cells by state, and labels of all that the records cover."""

    done: int
    failed: int
    damaged: int
    stale: int
    missing: int
    datasets: list[str]
    methods: list[str]
    bits: list[int]
    seeds: list[int]


@dataclass(frozen=True)
class Choices:
    """What a reader may choose from, as (value in the address, text)."""

    datasets: list[tuple[str, str]]
    bits: list[tuple[str, str]]
    k: list[tuple[str, str]]
    methods: list[tuple[str, str]]


@dataclass(frozen=True)
class FailedCell:
    """A cell that failed, why, and the command that tries it again."""

    group: str
    label: str
    bits: int
    seed: int
    reason: str
    command: str


def summary(groups: Sequence[Group], holes: Sequence[Hole], damaged: int) -> Summary:
    """Return the numbers of cells and what they cover."""
    rows = [row for group in groups for row in group.rows]
    records = [record for row in rows for record in row.all]
    return Summary(
        done=sum(record.status == "done" for record in records),
        failed=sum(record.status == "failed" for record in records),
        damaged=damaged,
        stale=sum(len(group.stale) for group in groups),
        missing=sum(len(hole.bits) * len(hole.seeds) for hole in holes),
        datasets=[group.label for group in groups],
        methods=sorted({style.one_line(row.title) for row in rows}, key=str.lower),
        bits=sorted({bits for group in groups for bits in group.bits}),
        seeds=sorted({seed for group in groups for seed in group.seeds}),
    )


def choices(groups: Sequence[Group]) -> Choices:
    """Return the datasets, code lengths, K and methods of the page."""
    by_slug: dict[str, list[Row]] = {}
    for group in groups:
        for row in group.rows:
            by_slug.setdefault(row.slug, []).append(row)
    cuts = [style.cut_label(cut).strip("@") for cut in style.CUTS]
    named = [(slug, _common_label(rows)) for slug, rows in by_slug.items()]
    return Choices(
        datasets=[(group.slug, group.label) for group in groups],
        bits=[(str(bits), str(bits)) for bits in sorted({bits for group in groups for bits in group.bits})],
        k=[(cut, cut) for cut in cuts],
        methods=sorted(named, key=lambda item: (item[1].lower(), item[0])),
    )


def _common_label(rows: Sequence[Row]) -> str:
    """Return what rows of one slug are called on all datasets: their label, or the title where budgets differ."""
    if len({row.label for row in rows}) == 1:
        return rows[0].label
    variant, number = rows[0].named_variant, rows[0].sibling
    name = rows[0].title + (f" ({variant})" if variant else "")
    return style.one_line(name + (f", settings {number + 1}" if number else ""))


def failures(groups: Sequence[Group]) -> list[FailedCell]:
    """Return the cells that failed."""
    return [
        FailedCell(
            group=group.label,
            label=row.label,
            bits=record.identity.bits,
            seed=record.identity.seed,
            reason=record_words.failure(record),
            command=style.one_line(cell_command(group, record), 2000),
        )
        for group in groups
        for row in group.rows
        for record in row.all
        if record.status == "failed"
    ]


def notices(groups: Sequence[Group]) -> list[str]:
    """Return what a reader must know before comparing numbers."""
    sentences = [sentence for group in groups for sentence in _notices(group)]
    if any(len(row.done(bits)) == 1 for group in groups for row in group.rows for bits in group.bits):
        sentences.append("Numbers without ± come from a single seed.")
    return sentences


def _notices(group: Group) -> list[str]:
    sentences = []
    if group.drawn is not None:
        sentences.append(
            f"{group.label}: that many training videos were drawn from the dataset (--subset), a rehearsal; "
            "comparable with no other number."
        )
    elif group.data and group.data.subset:
        sentences.append(f"{group.label}: fewer videos than published (subset); not comparable with published numbers.")
    labels: dict[str, list[str]] = {}
    for row in group.rows:
        if row.budgeted:
            labels.setdefault(style.settings_text(budget_words(row.budget)), []).append(row.label)
        sentences += selection.warnings(group, row)
        digests = {str(record.code.get("digest")) for record in row.records}
        if len(digests) > 1:
            sentences.append(
                f"{row.label} on {group.label}: records of {len(digests)} versions of the code are averaged."
            )
    return sentences + [
        f"{group.label}: trained under a budget ({budget}) instead of their own schedules: {', '.join(budgeted)}."
        for budget, budgeted in labels.items()
    ]
