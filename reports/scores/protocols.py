"""The section of a dataset on its scores: under each protocol the mAP table, its tests, and the curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reports.context import InlineFigure, PageContext
from reports.drawing import style
from reports.matrix.rows import Group
from reports.scores import comparison, comparison_view, curves, paper, tables
from reports.scores.comparison_view import ComparisonView
from reports.scores.tables import MapTable


@dataclass(frozen=True)
class CurveFigure:
    """One figure of a kind: ``where`` says at which code length (``bits``) or at which K it was drawn."""

    where: str
    bits: int | None
    figure: InlineFigure


@dataclass(frozen=True)
class CurveKind:
    """All figures of one kind; ``file`` is the CSV of their points, where there is one."""

    title: str
    text: str
    file: str
    drawings: list[CurveFigure] = field(default_factory=list)


@dataclass(frozen=True)
class ProtocolPanel:
    """What is shown under one protocol; ``stem`` is the name of the table's files without suffix.

    ``protocols``: its options in words. ``script_data``: the JSON from which the page compares two rows.
    """

    preset: str
    about: str
    protocols: list[str]
    table: MapTable
    stem: str
    comparison: ComparisonView
    script_data: dict[str, Any]
    figures: list[CurveKind]


@dataclass(frozen=True)
class ProtocolSection:
    """The panels of a dataset; none where nothing of it was measured."""

    panels: list[ProtocolPanel]


def section(group: Group, context: PageContext) -> ProtocolSection:
    """Return the section of a dataset."""
    learning = tables.learning_csv(group)
    if learning:
        context.files[_learning_file(group)] = learning.encode()
    return ProtocolSection([_panel(group, preset, context) for preset in group.presets])


def _panel(group: Group, preset: str, context: PageContext) -> ProtocolPanel:
    compared = comparison.compare(group, preset, context.stored, context.cache)
    pairs = comparison_view.pairs_csv(group, preset, compared)
    context.files |= {name: text.encode() for name, text in pairs.items()}
    stem = f"tables/map-{style.slug(group.slug, preset)}"
    texts = {
        "csv": tables.map_csv(group, preset, compared.ends),
        "tex": paper.latex(group, preset, context.methods),
        "md": paper.markdown(group, preset, context.methods),
    }
    context.write_table(stem, texts)
    return ProtocolPanel(
        preset=preset,
        about=style.PRESET_TEXT.get(preset, ""),
        protocols=paper.protocols(group, preset),
        table=tables.table(group, preset, context.methods, compared.ends),
        stem=stem,
        comparison=comparison_view.view(compared, list(pairs)),
        script_data=comparison_view.script_data(group, compared),
        figures=_figures(group, preset, context),
    )


def _figures(group: Group, preset: str, context: PageContext) -> list[CurveKind]:
    """Return the curves by kind."""
    kinds: dict[str, CurveKind] = {}
    for kind, at, drawing in curves.figures(group, preset, context.methods):
        if kind not in kinds:
            file = _learning_file(group) if kind == "learning" else ""
            kinds[kind] = CurveKind(curves.TITLES[kind], curves.EXPLAINED[kind], file)
        where, bits = (f"K = {at}", None) if kind == "map_bits" else (f"{at} bits", at)
        kinds[kind].drawings.append(CurveFigure(where, bits, context.show(drawing)))
    return list(kinds.values())


def _learning_file(group: Group) -> str:
    return f"tables/learning-{group.slug}.csv"
