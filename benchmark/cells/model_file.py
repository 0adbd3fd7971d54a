"""The file of a cell's model: what ``encode --checkpoint`` needs to build the method again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.checkpoint import MODEL_FORMAT

if TYPE_CHECKING:
    from benchmark.method import Method
    from benchmark.plan import Cell


def model_file(cell: Cell, method: Method) -> dict[str, Any]:
    """Return the cell's method as plain data and tensors."""
    return {
        "format": MODEL_FORMAT,
        "method": cell.choice.name,
        "variant": cell.choice.variant,
        "bits": cell.bits,
        "frames": cell.dataset.shape.frames,
        "dim": cell.dataset.shape.dim,
        "config": cell.config.model_dump_json(),
        "seed": cell.seed,
        "precision": cell.precision,
        "state": method.state(),
    }
