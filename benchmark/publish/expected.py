"""The planned cells that the page has to show, run or not."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.cells.cell import Cell, identity
from benchmark.records.expected import ExpectedCell


def expected(cells: Sequence[Cell]) -> list[ExpectedCell]:
    """Return what the page has to show of these cells, run or not."""
    return [
        ExpectedCell(identity=identity(cell), fingerprint=cell.dataset.fingerprint, reason=cell.skip or "")
        for cell in cells
    ]
