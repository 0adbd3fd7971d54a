"""A dataset on the page: the list of its sections, and what each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports import data_card
from reports.codes import embedding, gallery
from reports.context import PageContext
from reports.drawing import style
from reports.drawing.canvas import swatch
from reports.matrix.rows import Group
from reports.robustness import section
from reports.scores import cost, protocols, published, selection

Make = Callable[[Group, PageContext], object]
"""Returns what the template of a section shows of a dataset, or None where it shows nothing."""

ALWAYS: tuple[tuple[str, Make], ...] = (
    ("data", data_card.section),
    ("protocols", protocols.section),
)
MEASURED: tuple[tuple[str, Make], ...] = (
    ("robustness", section.section),
    ("gallery", gallery.section),
    ("selection", selection.section),
    ("cost", cost.section),
    ("embedding", embedding.section),
    ("published", published.section),
)
"""Sections of a dataset in their order; those of ``MEASURED`` only where a cell of it has numbers.

The template of a section is ``<name>.html.j2``, and its own style, if it has one, ``<name>.css``.
"""


@dataclass(frozen=True)
class Section:
    """One section: its name, which is its template's, and the ``content`` that the template shows."""

    name: str
    content: object


@dataclass(frozen=True)
class LegendEntry:
    """A row with records: its line and marker as an SVG symbol."""

    label: str
    slug: str
    swatch: Markup


@dataclass(frozen=True)
class DatasetView:
    """A dataset on the page; ``subset``: whether it has fewer videos than published."""

    slug: str
    label: str
    subset: bool
    self_retrieval: bool
    legend: list[LegendEntry]
    sections: list[Section]


def view(group: Group, context: PageContext) -> DatasetView:
    """Return what the page shows of a group; its figures and tables are added to the context's files."""
    makers = (*ALWAYS, *MEASURED) if group.presets else ALWAYS
    contents = [(name, make(group, context)) for name, make in makers]
    return DatasetView(
        slug=group.slug,
        label=group.label,
        subset=bool(group.data and group.data.subset),
        self_retrieval=bool(group.data and group.data.self_retrieval),
        legend=_legend(group, context.methods),
        sections=[Section(name, content) for name, content in contents if content is not None],
    )


def _legend(group: Group, methods: Sequence[str]) -> list[LegendEntry]:
    entries = []
    for row in group.rows:
        if row.records:
            symbol = swatch(style.look(row.method, methods, row.sibling), f"w-{group.slug}-{row.slug}")
            entries.append(LegendEntry(row.label, row.slug, Markup(symbol)))
    return entries
