"""Pictures of videos for the gallery: made once from a dataset that is present, and kept beside its facts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.dataset import Roots


@dataclass
class Previews:
    """Lends pictures by dataset name, fingerprint, split and row."""

    results: Path
    roots: Roots

    def picture(self, name: str, fingerprint: str, split: str, row: int) -> bytes | None:
        """Return a PNG of a video's frames side by side, or None where there is none."""
        return None
