"""A trained method as a file: what ``model.pt`` holds, and methods built from it or from the authors' checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.catalogue.choice import resolve_config
from benchmark.errors import BadInput
from benchmark.files.tensors import MODEL_FORMAT, load_tensors
from benchmark.interfaces.method import FrameShape, Imported, Method
from benchmark.interfaces.names import FP32
from benchmark.interfaces.run import Run

if TYPE_CHECKING:
    import torch

    from benchmark.catalogue.choice import Choice
    from benchmark.cells.cell import Cell


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
        "precision": cell.options.precision,
        "state": method.state(),
    }


def restore(
    choice: Choice, checkpoint: Path, shape: FrameShape, settings: Mapping[str, str], device: torch.device
) -> Method:
    """Return the method with the checkpoint's weights, for features of this shape.

    ``settings`` go before those of the checkpoint. Raises BadInput where file, method and features do not fit.
    """
    payload = load_tensors(checkpoint)
    if payload.get("format") != MODEL_FORMAT:
        return _build(choice, checkpoint, choice.cls.import_checkpoint(payload), shape, settings, device, FP32)
    if payload["method"] != choice.name:
        raise BadInput(
            "is a checkpoint of another method",
            file=checkpoint,
            expected=choice.name,
            found=payload["method"],
        )
    imported = _imported(payload)
    return _build(choice, checkpoint, imported, shape, settings, device, payload.get("precision", FP32))


def _imported(payload: dict[str, Any]) -> Imported:
    shape = FrameShape(payload["frames"], payload["dim"])
    return Imported(payload["bits"], shape, json.loads(payload["config"]), payload["state"])


def _build(
    choice: Choice,
    checkpoint: Path,
    imported: Imported,
    shape: FrameShape,
    settings: Mapping[str, str],
    device: torch.device,
    precision: str,
) -> Method:
    expected = imported.shape
    if expected is not None and (expected.dim != shape.dim or expected.frames not in (0, shape.frames)):
        frames = f"{expected.frames} frames of " if expected.frames else "frames of "
        raise BadInput(
            "was trained on features of another shape",
            file=checkpoint,
            expected=f"{frames}{expected.dim} dimensions",
            found=f"{shape.frames} frames of {shape.dim} dimensions",
            next_step="encode features of the same backbone and frame count",
        )
    config = resolve_config(choice, "", {**imported.config, **settings})
    method = choice.cls(imported.bits, shape, config, Run(seed=0, device=device, precision=precision))
    try:
        method.load({name: tensor.to(device) for name, tensor in imported.state.items()})
    except (RuntimeError, KeyError) as error:
        raise BadInput(
            f"does not fit the method's settings: {' '.join(str(error).split())[:300]}",
            file=checkpoint,
            next_step="give the settings it was trained with by --set",
        ) from error
    return method
