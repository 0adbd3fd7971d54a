"""The mAP table as a paper takes it: LaTeX and Markdown, code lengths below each other.

Both say what the page's table says, cell by cell, rounded and marked the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.drawing import style, table_formats
from reports.drawing.table_formats import TableEntry, TableLine
from reports.matrix.rows import Group
from reports.scores.tables import MapTable, table


def latex(group: Group, preset: str, methods: Sequence[str]) -> str:
    """Return the table as LaTeX; comments before it say what was measured."""
    shown = table(group, preset, methods)
    heads = [cut.replace("@", "mAP@") for cut in shown.cuts]
    return table_formats.latex(_about(group, preset, shown), heads, _lines(shown), _foot(shown))


def markdown(group: Group, preset: str, methods: Sequence[str]) -> str:
    """Return the table as Markdown; a line before it says what was measured."""
    shown = table(group, preset, methods)
    about = " ".join(f"{sentence}." for sentence in _about(group, preset, shown))
    heads = [f"mAP{cut}" if cut != "full" else "mAP" for cut in shown.cuts]
    return table_formats.markdown(about, heads, _lines(shown), _foot(shown))


def protocols(group: Group, preset: str) -> list[str]:
    """Return the preset's options in words; more than one where records were measured under different options."""
    self_retrieval = bool(group.data and group.data.self_retrieval)
    used = [row.protocols[preset] for row in group.rows if preset in row.protocols]
    return sorted({style.protocol_text(protocol, self_retrieval) for protocol in used})


def _about(group: Group, preset: str, shown: MapTable) -> list[str]:
    subset = "; fewer videos than published (subset)" if group.data and group.data.subset else ""
    seeds = f"mean ± standard deviation over {shown.seeds} seeds" if shown.seeds > 1 else "one seed"
    rules = " / ".join(protocols(group, preset))
    return [f"mAP@K on {group.label}{subset}", f"Protocol {preset}: {rules}", f"Numbers: {seeds}"]


def _foot(shown: MapTable) -> list[str]:
    return ["ceiling", *shown.foot[: len(shown.cuts)]]


def _lines(shown: MapTable) -> list[TableLine]:
    """Return the rows of each code length."""
    lines = []
    for bits in shown.bits:
        for row in shown.rows:
            cells = [cell for cell in row.cells if cell.bits == bits]
            if cells[0].is_hole:
                lines.append(TableLine(row.label, bits, note=cells[0].text))
            else:
                lines.append(
                    TableLine(row.label, bits, [TableEntry(cell.text, cell.under, cell.place) for cell in cells])
                )
    return lines
