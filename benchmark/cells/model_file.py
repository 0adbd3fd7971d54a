"""A trained method as a file: what ``model.pt`` holds, and methods built from it or from the authors' checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.catalogue.choice import resolve_config
from benchmark.cells.plan import MAX_BITS
from benchmark.errors import BadInput
from benchmark.files.tensors import FORMAT_FAMILY, MODEL_FORMAT, as_tensors, load_tensors
from benchmark.interfaces.method import OWN_FILE, FrameShape, Imported, Method
from benchmark.interfaces.names import BF16, FP32
from benchmark.interfaces.run import Run

if TYPE_CHECKING:
    import torch

    from benchmark.catalogue.choice import Choice
    from benchmark.cells.cell import Cell

STATE_ALONE = "in the code that wrote it, save the network's state_dict() alone with torch.save, and give that file"
"""What helps where the method reads checkpoints of its authors: every one of them reads a state dict alone."""

_LONGEST = 200
"""Characters that a sentence quotes of what torch says (our choice)."""


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


class ModelFile(BaseModel):
    """What ``model_file`` returns, checked when it is read; ``state`` holds tensors."""

    model_config = ConfigDict(strict=True, protected_namespaces=())

    method: str
    bits: int = Field(ge=1, le=MAX_BITS)
    frames: int = Field(ge=1)
    dim: int = Field(ge=1)
    config: str
    precision: str = Field(FP32, pattern=f"^({FP32}|{BF16})$")
    state: dict[str, Any]

    def imported(self) -> Imported:
        """Return sizes, settings and state; raises BadInput where the settings are no JSON object."""
        try:
            config = json.loads(self.config)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is no JSON ({error})", key="config") from error
        if not isinstance(config, dict):
            raise BadInput("is no JSON object", key="config", found=type(config).__name__)
        return Imported(self.bits, FrameShape(self.frames, self.dim), config, self.state)


def restore(
    choice: Choice, checkpoint: Path, shape: FrameShape, settings: Mapping[str, str], device: torch.device
) -> Method:
    """Return the method with the checkpoint's weights, for features of this shape.

    ``settings`` go before those of the checkpoint. Raises BadInput, which names the file, where it cannot be read, and
    where file, method and features do not fit.
    """
    payload = load_tensors(checkpoint, STATE_ALONE if _reads_others(choice.cls) else OWN_FILE)
    with _naming(checkpoint):
        form = payload.get("format")
        if isinstance(form, str) and form.startswith(FORMAT_FAMILY):
            imported, precision = _read(payload, choice)
        else:
            imported, precision = choice.cls.import_checkpoint(payload), FP32
        state = as_tensors(imported.state)
        resolve_config(choice, "", imported.config)
        _check_shape(imported.shape, shape)
    config = resolve_config(choice, "", {**imported.config, **settings})
    run = Run(seed=0, device=device, precision=precision)
    try:
        method = choice.cls(imported.bits, shape, config, run)
        method.load({name: tensor.to(device) for name, tensor in state.items()})
        _try_out(method)
    except BadInput:
        raise
    except Exception as error:  # a method may raise anything on weights of another network
        reason = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        raise BadInput(
            f"does not fit the method's settings: {reason}",
            file=checkpoint,
            next_step="give the settings it was trained with by --set",
        ) from error
    return method


def _reads_others(cls: type[Method]) -> bool:
    """Return whether a method reads checkpoints that this benchmark has not written."""
    return any("import_checkpoint" in vars(base) for base in cls.__mro__ if base is not Method)


@contextmanager
def _naming(checkpoint: Path) -> Iterator[None]:
    """Name the file in every refusal."""
    try:
        yield
    except BadInput as error:
        raise BadInput(str(error), file=checkpoint) from error


def _read(payload: dict[str, Any], choice: Choice) -> tuple[Imported, str]:
    """Return what a file of ``model_file`` holds, and its precision; raises BadInput where it is not of the method."""
    if payload["format"] != MODEL_FORMAT:
        raise BadInput(
            "is a model file of another version of this benchmark", key="format", expected=MODEL_FORMAT,
            found=payload["format"], next_step="use the version that wrote it",
        )  # fmt: skip
    try:
        file = ModelFile.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        found = None if first["type"] == "missing" else repr(first["input"])[:80]
        raise BadInput(
            f"is no whole model file: {first['msg']}", key=".".join(map(str, first["loc"])), found=found,
            next_step="take the model.pt of the cell again",
        ) from error  # fmt: skip
    if file.method != choice.name:
        raise BadInput("is a checkpoint of another method", expected=choice.name, found=file.method)
    return file.imported(), file.precision


def _check_shape(expected: FrameShape | None, shape: FrameShape) -> None:
    if expected is not None and (expected.dim != shape.dim or expected.frames not in (0, shape.frames)):
        frames = f"{expected.frames} frames of " if expected.frames else "frames of "
        raise BadInput(
            "was trained on features of another shape",
            expected=f"{frames}{expected.dim} dimensions",
            found=f"{shape.frames} frames of {shape.dim} dimensions",
            next_step="encode features of the same backbone and frame count",
        )


def _try_out(method: Method) -> None:
    """Encode one video of zeros: weights of a wrong form do not all fail when they are loaded. Raises ValueError."""
    import torch

    with torch.inference_mode():
        codes = method.encode(torch.zeros(1, *method.shape, device=method.run.device))
    if codes.shape != (1, method.bits):
        raise ValueError(f"codes have {tuple(codes.shape)[1:]} values, and not the {method.bits} bits of the file")
