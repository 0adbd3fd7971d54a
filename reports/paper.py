"""The mAP table as a paper takes it: LaTeX (booktabs) and Markdown, code lengths below each other.

Both say what the page's table says, cell by cell, rounded and marked the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports import style
from reports.matrix.rows import Group
from reports.tables import Cell, table

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$",
    "—": "--", "→": r"$\to$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "−": "$-$", "σ": r"$\sigma$",
}  # fmt: skip


def latex(group: Group, preset: str, methods: Sequence[str]) -> str:
    """Return a ``tabular`` that needs the package booktabs; a comment before it says what was measured."""
    shown = table(group, preset, methods)
    width = len(shown["cuts"])
    lines = [f"% {line}" for line in _about(group, preset, shown)]
    lines += [rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule"]
    lines.append(" & ".join(["method", *(cut.replace("@", r"mAP@") for cut in shown["cuts"])]) + r" \\")
    for bits, rows in _by_bits(shown):
        lines += [r"\midrule", rf"\multicolumn{{{width + 1}}}{{l}}{{{bits} bits}} \\"]
        for label, cells in rows:
            if cells[0].state in ("missing", "failed"):
                said = escaped(cells[0].text.replace(style.NOTHING, "").strip())
                held = [rf"\multicolumn{{{width}}}{{c}}{{\textit{{{said}}}}}"]
            else:
                held = [_latex_cell(cell) for cell in cells]
            lines.append(" & ".join([escaped(label), *held]) + r" \\")
    lines += [r"\midrule", " & ".join(["ceiling", *shown["foot"][:width]]) + r" \\", r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def markdown(group: Group, preset: str, methods: Sequence[str]) -> str:
    """Return a table of GitHub's Markdown with a line before it that says what was measured."""
    shown = table(group, preset, methods)
    lines = [" ".join(f"{line}." for line in _about(group, preset, shown)), ""]
    lines += [piped(["method", "bits", *(f"mAP{cut}" if cut != "full" else "mAP" for cut in shown["cuts"])])]
    lines.append(piped(["---", *["---:"] * (len(shown["cuts"]) + 1)]))
    for bits, rows in _by_bits(shown):
        for label, cells in rows:
            if cells[0].state in ("missing", "failed"):
                held = [cells[0].text, *[""] * (len(shown["cuts"]) - 1)]
            else:
                held = [_markdown_cell(cell) for cell in cells]
            lines.append(piped([label, str(bits), *held]))
    lines.append(piped(["ceiling", "", *shown["foot"][: len(shown["cuts"])]]))
    return "\n".join(lines) + "\n"


def _about(group: Group, preset: str, shown: dict[str, Any]) -> list[str]:
    self_retrieval = bool(group.data and group.data.self_retrieval)
    rules = sorted({style.protocol_text(row.protocols[preset], self_retrieval) for row in group.rows
                    if preset in row.protocols})  # fmt: skip
    subset = "; fewer videos than published (subset)" if group.data and group.data.subset else ""
    seeds = f"mean ± standard deviation over {shown['seeds']} seeds" if shown["seeds"] > 1 else "one seed"
    return [f"mAP@K on {group.label}{subset}", f"Protocol {preset}: {' / '.join(rules)}", f"Numbers: {seeds}"]


def _by_bits(shown: dict[str, Any]) -> list[tuple[int, list[tuple[str, list[Cell]]]]]:
    """Return, for each code length, its rows: labels with one cell per cut-off, or with the one cell of a hole."""
    width = len(shown["cuts"])
    left = [(row["label"], list(row["cells"])) for row in shown["rows"]]
    found = []
    for bits in shown["bits"]:
        rows = []
        for label, cells in left:
            taken = 1 if cells[0].state in ("missing", "failed") else width
            rows.append((label, cells[:taken]))
            del cells[:taken]
        found.append((bits, rows))
    return found


def _latex_cell(cell: Cell) -> str:
    text = escaped(cell.text)
    text = rf"\textbf{{{text}}}" if cell.place == "best" else rf"\underline{{{text}}}" if cell.place else text
    return rf"{text} {{\scriptsize {escaped(cell.under)}}}" if cell.under else text


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.place == "best" else f"<u>{cell.text}</u>" if cell.place else cell.text
    return f"{text} {cell.under}".strip()


def escaped(text: str) -> str:
    """Return text with what LaTeX would read otherwise written out."""
    return "".join(SPECIAL.get(c, c) for c in text)


def piped(cells: Sequence[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
