"""Checkpoint files: written atomically, read without unpickling anything but tensors and plain data."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.atomic import replacing
from benchmark.errors import BadInput

MODEL_FORMAT = "video-hashing-model-1"


class CheckpointFile:
    """The rolling checkpoint of one cell; a file of another cell key or a damaged one is ignored."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def read(self) -> dict[str, Any] | None:
        """Return what ``write`` stored last, or None."""
        if not self.path.exists():
            return None
        try:
            stored = load_tensors(self.path)
        except BadInput:
            return None
        return stored if stored.get("key") == self.key else None

    def write(self, value: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        save_tensors(self.path, {**value, "key": self.key})

    def remove(self) -> None:
        """Delete the checkpoint once the cell's record is written."""
        self.path.unlink(missing_ok=True)


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
