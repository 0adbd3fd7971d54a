"""Tensors and plain data in files: written atomically, read without unpickling anything else."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput
from benchmark.files.atomic import replacing

MODEL_FORMAT = "video-hashing-model-1"
"""What a model file says of its form."""


def save_tensors(path: Path, value: Mapping[str, Any]) -> None:
    """Write tensors and plain data with ``torch.save``, atomically."""
    import torch

    with replacing(path) as temporary:
        torch.save(dict(value), temporary)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a file of ``torch.save`` with ``weights_only=True``, onto the CPU.

    Raises BadInput where the file is missing, damaged, or holds anything but tensors and plain data.
    """
    import torch

    if not path.is_file():
        raise BadInput("no such checkpoint file", file=path, next_step="check the path given to --checkpoint")
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInput(
            "holds Python objects other than tensors and plain data, or is no checkpoint; it is not unpickled",
            file=path,
            expected="a file that torch.load(weights_only=True) accepts",
            next_step="export its state dict again with torch.save",
        ) from error
    except Exception as error:  # the restricted unpickler raises almost anything on bytes that are no checkpoint
        raise BadInput(
            "is damaged or no checkpoint", file=path, found=f"{type(error).__name__}: {error}"[:160]
        ) from error
    if not isinstance(value, dict):
        raise BadInput("holds no dictionary", file=path, expected="a dict of tensors", found=type(value).__name__)
    return value
