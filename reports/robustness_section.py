"""The part of the page on robustness: figures, tables, and the files of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from benchmark.robustness_file import CUT
from reports import paper, robustness, robustness_figure, style, svg
from reports.matrix.rows import Group

if TYPE_CHECKING:
    from reports.section import Workshop


def part(group: Group, shop: Workshop) -> dict[str, Any] | None:
    """Return what the page shows of a group; None, and no file, where no cell of it was perturbed."""
    lines = robustness.gather(group, shop.stored)
    if not lines:
        return None
    facts = shop.stored.facts(group)
    argument = style.one_line(facts.argument) if facts else group.name
    return {
        "cut": CUT,
        "about": [(robustness.TITLES[name], text) for name, text in robustness.EXPLAINED.items()],
        "self": any(found.self_retrieval for line in lines for _, found in line.held),
        "presets": [_preset(group, lines, preset, argument, shop) for preset in group.presets],
    }


def _preset(
    group: Group, lines: Sequence[robustness.Line], preset: str, argument: str, shop: Workshop
) -> dict[str, Any]:
    ends = robustness.intervals(group, lines, preset, shop.stored, shop.cache)
    shown = robustness.table(lines, preset, shop.methods, ends, argument)
    stem = f"tables/robustness-{style.slug(group.slug, preset)}"
    about = f"Share of mAP@{CUT} lost by perturbed queries on {group.label}, {preset} protocol, percent"
    written = {
        "csv": robustness.csv(group, lines, preset),
        "tex": latex(shown, about),
        "md": markdown(shown, about),
    }
    shop.files |= {f"{stem}.{kind}": text.encode() for kind, text in written.items()}
    return {"preset": preset, "table": shown, "stem": stem, "figures": _figures(group, lines, preset, shop)}


def _figures(group: Group, lines: Sequence[robustness.Line], preset: str, shop: Workshop) -> list[dict[str, Any]]:
    figures = []
    for bits in group.bits:
        drawn = robustness_figure.panels(group, lines, preset, bits, shop.methods)
        if drawn is None:
            continue
        alone, whole = drawn
        shop.write(whole)
        panels = [
            {
                "title": title, "name": drawing.name, "alt": drawing.alt,
                "svg": Markup(svg.inline(drawing.svg, f"alt-{drawing.name}", shop.wardrobe)),
            }
            for title, drawing in alone
        ]  # fmt: skip
        figures.append({"bits": bits, "name": whole.name, "panels": panels})
    return figures


def latex(shown: dict[str, Any], about: str) -> str:
    """Return a ``tabular`` that needs the package booktabs."""
    width = len(shown["heads"]) + 1
    lines = [f"% {about}", rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule"]
    heads = ["method", f"mAP@{CUT}", *shown["heads"]]
    lines.append(" & ".join(paper.escaped(head) for head in heads) + r" \\")
    for bits in dict.fromkeys(row["bits"] for row in shown["rows"]):
        lines += [r"\midrule", rf"\multicolumn{{{width + 1}}}{{l}}{{{bits} bits}} \\"]
        for row in shown["rows"]:
            if row["bits"] == bits:
                held = [_latex(cell) for cell in [row["clean"], *row["cells"]] if cell]
                held = held or [rf"\multicolumn{{{width}}}{{c}}{{\textit{{not run}}}}"]
                lines.append(" & ".join([paper.escaped(row["label"]), *held]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex(cell: robustness.Cell) -> str:
    under = rf" {{\scriptsize {paper.escaped(cell.deviation)}}}" if cell.deviation else ""
    return paper.escaped(cell.text) + under


def markdown(shown: dict[str, Any], about: str) -> str:
    """Return a table of GitHub's Markdown with a line before it."""
    heads = ["method", "bits", f"mAP@{CUT}", *shown["heads"]]
    lines = [f"{about}.", "", paper.piped(heads), paper.piped(["---", *["---:"] * (len(heads) - 1)])]
    for row in shown["rows"]:
        held = [f"{cell.text} {cell.deviation}".strip() for cell in [row["clean"], *row["cells"]] if cell]
        held = held or ["not run", *[""] * len(shown["heads"])]
        lines.append(paper.piped([row["label"], str(row["bits"]), *held]))
    return "\n".join(lines) + "\n"
