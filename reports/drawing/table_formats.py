"""Tables as files: LaTeX (booktabs), Markdown and CSV, each written here and nowhere else."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.drawing import style

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$",
    "—": "--", "→": r"$\to$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "−": "$-$", "σ": r"$\sigma$",
}  # fmt: skip


@dataclass(frozen=True)
class TableEntry:
    """One number: its text, a smaller text beside it, and its place in the column: best, second or empty."""

    text: str
    small: str = ""
    place: str = ""


@dataclass(frozen=True)
class TableLine:
    """A method at one code length: an entry per column, or a ``note`` across all columns where it has no numbers."""

    label: str
    bits: int
    entries: Sequence[TableEntry] = ()
    note: str = ""


def latex(about: Sequence[str], heads: Sequence[str], lines: Sequence[TableLine], foot: Sequence[str] = ()) -> str:
    """Return a ``tabular`` that needs the package booktabs, code lengths below each other.

    ``about`` becomes comments before it. ``heads`` are the headings of the numbers. ``lines`` of one code length follow
    each other. ``foot`` is a last row with its label.
    """
    width = len(heads)
    out = [f"% {sentence}" for sentence in about]
    out += [rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule", _latex_row(["method", *map(escaped, heads)])]
    for bits, same in itertools.groupby(lines, key=lambda line: line.bits):
        out += [r"\midrule", rf"\multicolumn{{{width + 1}}}{{l}}{{{bits} bits}} \\"]
        for line in same:
            note = escaped(line.note.replace(style.NOTHING, "").strip())
            across = [rf"\multicolumn{{{width}}}{{c}}{{\textit{{{note}}}}}"]
            cells = [_latex_entry(entry) for entry in line.entries] or across
            out.append(_latex_row([escaped(line.label), *cells]))
    out += [r"\midrule", _latex_row([escaped(text) for text in foot])] if foot else []
    return "\n".join([*out, r"\bottomrule", r"\end{tabular}"]) + "\n"


def markdown(about: str, heads: Sequence[str], lines: Sequence[TableLine], foot: Sequence[str] = ()) -> str:
    """Return a table of GitHub's Markdown below the text ``about``; ``heads`` and ``foot`` as in ``latex``."""
    out = [about, "", _piped(["method", "bits", *heads]), _piped(["---", *["---:"] * (len(heads) + 1)])]
    for line in lines:
        cells = [_markdown_entry(entry) for entry in line.entries] or [line.note, *[""] * (len(heads) - 1)]
        out.append(_piped([line.label, str(line.bits), *cells]))
    out += [_piped([foot[0], "", *foot[1:]])] if foot else []
    return "\n".join(out) + "\n"


def csv_text(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Return CSV text; lines end with a line feed alone."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return out.getvalue()


def exact(value: float | None) -> str:
    """Return a number with all its digits for CSV, and nothing for what is no finite number."""
    return "" if value is None or not math.isfinite(value) else repr(value)


def escaped(text: str) -> str:
    """Return text with LaTeX's special characters written out."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_entry(entry: TableEntry) -> str:
    text = escaped(entry.text)
    marked = {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(entry.place, text)
    return rf"{marked} {{\scriptsize {escaped(entry.small)}}}" if entry.small else marked


def _markdown_entry(entry: TableEntry) -> str:
    marked = {"best": f"**{entry.text}**", "second": f"<u>{entry.text}</u>"}.get(entry.place, entry.text)
    return f"{marked} {entry.small}".strip()


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
