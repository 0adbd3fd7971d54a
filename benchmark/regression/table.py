"""What ``check`` prints: the numbers that moved, a line per method, and the verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmark.regression.compare import Finding

WIDTH = 140
"""Columns where the output is no terminal (our choice)."""
COLUMNS = ("method", "bits", "number", "baseline", "now", "change", "tolerance", "over seeds", "verdict")


def show(findings: Sequence[Finding]) -> None:
    """Print the table of what moved and a line per method."""
    moved = [finding for finding in findings if finding.verdict != "within"]
    if moved:
        _print("what moved beyond its tolerance", moved)
    for method in dict.fromkeys(finding.method for finding in findings):
        print(_line(method, [finding for finding in findings if finding.method == method]))


def show_changes(findings: Sequence[Finding]) -> None:
    """Print every number that differs at all, as ``--update`` writes it."""
    changed = [finding for finding in findings if finding.before != finding.now or finding.note]
    if changed:
        _print("what changes in the baselines", changed)
    else:
        print("no number differs from its baseline")


def _print(title: str, findings: Sequence[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, title=title)
    for name in COLUMNS:
        words = name in ("method", "number", "verdict")
        table.add_column(name, justify="left" if words else "right", no_wrap=name != "verdict")
    for finding in findings:
        table.add_row(*_row(finding))
    Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False).print(table)


def _row(finding: Finding) -> list[str]:
    change = None if finding.before is None or finding.now is None else finding.now - finding.before
    style = "red" if finding.failing else "green" if finding.verdict == "better" else "dim"
    verdict = f"[{style}]{finding.verdict}[/]" + (f": {_plain(finding.note)}" if finding.note else "")
    bits = "" if finding.bits is None else str(finding.bits)
    numbers = [_text(finding.before), _text(finding.now), _text(change, "+"), _text(finding.band), _text(finding.seeds)]
    return [finding.method, bits, finding.name, *numbers, verdict]


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _text(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4g}"


def _line(method: str, findings: Sequence[Finding]) -> str:
    within = sum(finding.verdict == "within" for finding in findings)
    failing = sum(finding.failing for finding in findings)
    better = sum(finding.verdict == "better" for finding in findings)
    parts = [
        f"{within} within",
        *([f"{better} better"] if better else []),
        *([f"{failing} failing"] if failing else []),
    ]
    return f"{method:<10} {', '.join(parts)}"


def verdict(findings: Sequence[Finding]) -> str:
    """Return the last line: what the exit code says, and the next step."""
    update = "'python -m benchmark check --update' takes today's numbers as the baseline"
    failing = [finding for finding in findings if finding.failing]
    if failing:
        kinds = ", ".join(f"{sum(f.verdict == kind for f in failing)} {kind}" for kind in _kinds(failing))
        mend = "a cell that failed has no number: mend that first"
        broken = all(finding.verdict == "failed" for finding in failing)
        return f"check failed: {kinds}; {mend if broken else 'where that is meant, ' + update}"
    better = sum(finding.verdict == "better" for finding in findings)
    if better:
        return f"check passed, and {better} numbers are better than their tolerance; {update}"
    return f"check passed: {sum(finding.verdict == 'within' for finding in findings)} numbers within their tolerance"


def _kinds(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.verdict for finding in findings))
