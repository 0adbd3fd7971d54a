"""The section of a dataset on robustness: figures, tables, and the files of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records.robustness import CUT, QUERIES
from reports.context import InlineFigure, PageContext
from reports.drawing import style, table_formats
from reports.drawing.table_formats import TableEntry, TableLine
from reports.matrix.rows import Group
from reports.robustness import figure, losses
from reports.robustness.losses import LossLine, LossTable


@dataclass(frozen=True)
class StrengthFigure:
    """The panels of one code length, each with its title; ``name`` is that of the file of all of them."""

    bits: int
    name: str
    panels: list[tuple[str, InlineFigure]]


@dataclass(frozen=True)
class RobustnessPanel:
    """What is shown under one protocol; ``stem`` is the name of the table's files without suffix."""

    preset: str
    table: LossTable
    stem: str
    figures: list[StrengthFigure]


@dataclass(frozen=True)
class RobustnessSection:
    """What perturbed queries lose, by protocol.

    ``queries``: name of the files of the AP of every query. ``about``: title and explanation of each perturbation.
    """

    cut: int
    queries: str
    about: list[tuple[str, str]]
    self_retrieval: bool
    presets: list[RobustnessPanel]


def section(group: Group, context: PageContext) -> RobustnessSection | None:
    """Return the section of a dataset; None, and no file, where no cell of it was perturbed."""
    lines = losses.gather(group, context.stored)
    if not lines:
        return None
    facts = context.stored.facts(group)
    argument = style.one_line(facts.argument) if facts else group.name
    return RobustnessSection(
        cut=CUT,
        queries=QUERIES,
        about=[(losses.TITLES[name], text) for name, text in losses.EXPLAINED.items()],
        self_retrieval=any(measured.self_retrieval for line in lines for _, measured in line.measured),
        presets=[_panel(group, lines, preset, argument, context) for preset in group.presets],
    )


def _panel(
    group: Group, lines: Sequence[LossLine], preset: str, argument: str, context: PageContext
) -> RobustnessPanel:
    ends = losses.intervals(group, lines, preset, context.stored, context.cache)
    table = losses.table(lines, preset, context.methods, ends, argument)
    stem = f"tables/robustness-{style.slug(group.slug, preset)}"
    about = f"Share of mAP@{CUT} lost by perturbed queries on {group.label}, {preset} protocol, percent"
    texts = {
        "csv": losses.csv(group, lines, preset),
        "tex": table_formats.latex([about], _heads(table), _lines(table)),
        "md": table_formats.markdown(f"{about}.", _heads(table), _lines(table)),
    }
    context.write_table(stem, texts)
    return RobustnessPanel(preset, table, stem, _figures(group, lines, preset, context))


def _figures(group: Group, lines: Sequence[LossLine], preset: str, context: PageContext) -> list[StrengthFigure]:
    figures = []
    for bits in group.bits:
        drawings = figure.panels(group, lines, preset, bits, context.methods)
        if drawings is None:
            continue
        alone, whole = drawings
        context.write(whole)
        panels = [(title, context.inline(drawing)) for title, drawing in alone]
        figures.append(StrengthFigure(bits, whole.name, panels))
    return figures


def _heads(table: LossTable) -> list[str]:
    return [f"mAP@{CUT}", *table.heads]


def _lines(table: LossTable) -> list[TableLine]:
    """Return the rows for files; one without numbers has a note."""
    lines = []
    for row in table.rows:
        entries = [TableEntry(cell.text, cell.deviation) for cell in (row.clean, *row.cells) if cell]
        lines.append(TableLine(row.label, row.bits, entries, note="not run"))
    return lines
