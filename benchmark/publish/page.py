"""The page of a results folder, with all that the engine gives to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.cells.state import is_stale
from benchmark.files.atomic import check_writable
from benchmark.paths import Roots
from benchmark.progress import Progress
from benchmark.publish.cards import cards
from benchmark.publish.previews import Previews
from benchmark.records.expected import ExpectedCell
from reports.page import build as build_page


def build(results: Path, out: Path, expected: Sequence[ExpectedCell], roots: Roots) -> Path:
    """Build the page and return its path; cells that are expected and have no record are shown as not run."""
    check_writable(out / "index.html")
    with Progress("building the page"):
        return build_page(
            results, out, expected, stale=is_stale, cards=cards(), pictures=Previews(results, roots).picture
        )
