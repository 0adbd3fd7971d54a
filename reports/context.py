"""What every section of a page is made with: all methods, the files beside the records, pictures, a cache, outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from reports.drawing import svg
from reports.drawing.canvas import Drawing
from reports.matrix.stored import Stored

PictureReader = Callable[[str, str, str, int], "bytes | None"]
"""Returns a video's picture, PNG or JPEG, by dataset name, fingerprint, split and row, or None where it has none."""


@dataclass(frozen=True)
class InlineFigure:
    """A figure as the page shows it: an SVG element, and what it shows in words; ``name`` is that of its files."""

    name: str
    svg: Markup
    alt: str


@dataclass
class PageContext:
    """What the sections of a page share; they add to ``files``, ``stylesheet`` and ``picture_rules``.

    ``methods``: names of all methods, sorted. ``datasets``: how many share the page: pictures and points are rationed,
    numbers never. ``files``: what is written beside the page, by name. ``stylesheet``: rules of the inline figures.
    ``picture_rules``: rules of the pictures of videos, by class name.
    """

    methods: Sequence[str]
    stored: Stored
    pictures: PictureReader
    cache: Path | None
    datasets: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    stylesheet: svg.Stylesheet = field(default_factory=svg.Stylesheet)
    picture_rules: dict[str, str] = field(default_factory=dict)

    def show(self, drawing: Drawing) -> InlineFigure:
        """Add a figure's files, and return the figure for the page."""
        self.write(drawing)
        return self.inline(drawing)

    def inline(self, drawing: Drawing) -> InlineFigure:
        """Return a figure for the page, without its legend."""
        element = svg.inline(drawing.svg, f"alt-{drawing.name}", self.stylesheet, drawing.legend_height)
        return InlineFigure(drawing.name, Markup(element), drawing.alt)

    def write(self, drawing: Drawing) -> None:
        """Add a figure's files."""
        self.files[f"figures/{drawing.name}.svg"] = drawing.svg
        self.files[f"figures/{drawing.name}.pdf"] = drawing.pdf

    def write_table(self, stem: str, texts: Mapping[str, str]) -> None:
        """Add the files of a table: its text by suffix."""
        self.files |= {f"{stem}.{suffix}": text.encode() for suffix, text in texts.items()}
