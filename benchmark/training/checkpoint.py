"""The rolling checkpoint of a cell, from which a killed run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput
from benchmark.files.tensors import load_tensors, save_tensors


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
