"""What the page shows of one dataset, with the figures and tables that are written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reports import (
    comparison,
    cost,
    curves,
    embedding,
    gallery,
    paper,
    provenance,
    published,
    robustness_section,
    selection,
    style,
    svg,
    tables,
)
from reports.drawing import Drawing, swatch
from reports.matrix.rows import Group
from reports.stored import Stored


@dataclass
class Workshop:
    """What all parts of a page are made with: names of all methods, files beside the records, pictures, a cache.

    ``datasets`` is how many share the page: pictures and points are rationed, numbers never.
    ``files`` collects what is written beside the page, by name; ``wardrobe`` the style rules of all inline figures.
    """

    methods: Sequence[str]
    stored: Stored
    pictures: gallery.Lend
    cache: Path
    datasets: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    wardrobe: svg.Wardrobe = field(default_factory=svg.Wardrobe)

    def keep(self, drawing: Drawing) -> dict[str, Any]:
        """Add a figure's files, and return the figure as the page sets it inline."""
        self.write(drawing)
        inline = svg.inline(drawing.svg, f"alt-{drawing.name}", self.wardrobe, drawing.room)
        return {"svg": Markup(inline), "alt": drawing.alt, "name": drawing.name}

    def write(self, drawing: Drawing) -> None:
        """Add a figure's files."""
        self.files[f"figures/{drawing.name}.svg"] = drawing.svg
        self.files[f"figures/{drawing.name}.pdf"] = drawing.pdf


def section(group: Group, shop: Workshop) -> dict[str, Any]:
    """Return what the page shows of a group; its figures and tables are added to the workshop's files."""
    compared = {preset: comparison.compare(group, preset, shop.stored, shop.cache) for preset in group.presets}
    price = cost.table(group, cost.PRESET, shop.methods)
    points = cost.draw(group, cost.PRESET, shop.methods)
    if points is not None:
        price["figure"] = shop.keep(points)
    plane = embedding.embeddings(group, shop.stored, shop.cache, shop.datasets)
    if plane and plane.figure:
        shop.write(plane.figure)
    examples, drawings = gallery.gallery(group, shop.stored, shop.methods, shop.pictures, shop.datasets)
    for drawing in drawings:
        shop.write(drawing)
    learning = tables.learning_csv(group)
    if learning:
        shop.files[f"tables/learning-{group.slug}.csv"] = learning.encode()
    return {
        "slug": group.slug, "label": group.label, "name": group.name,
        "card": {**provenance.card(group), **_known(group, shop.stored)},
        "panels": [_panel(group, preset, compared[preset], shop) for preset in group.presets],
        "cost": price, "chosen": selection.table(group, shop.methods), "embedding": plane,
        "gallery": examples, "published": published.comparisons(group),
        "robustness": robustness_section.part(group, shop),
        "legend": _legend(group, shop.methods),
    }  # fmt: skip


def _known(group: Group, stored: Stored) -> dict[str, Any]:
    """Return where the data come from and what the classes are called, as far as the results folder keeps it."""
    facts = stored.facts(group)
    if facts is None:
        return {"source": "", "names": []}
    return {"source": style.one_line(facts.source, 600), "names": [style.one_line(name, 40) for name in facts.classes]}


def _panel(group: Group, preset: str, compared: dict[str, Any], shop: Workshop) -> dict[str, Any]:
    """Return what the page shows under one protocol: the mAP table, its tests, and the curves."""
    stem = f"tables/map-{style.slug(group.slug, preset)}"
    ends = partial(comparison.ends, compared)
    written = {
        "csv": tables.map_csv(group, preset, ends),
        "tex": paper.latex(group, preset, shop.methods),
        "md": paper.markdown(group, preset, shop.methods),
    }
    shop.files |= {f"{stem}.{kind}": text.encode() for kind, text in written.items()}
    pairs = comparison.pairs_csv(group, preset, compared)
    shop.files |= {name: text.encode() for name, text in pairs.items()}
    return {
        "preset": preset, "about": style.PRESET_TEXT.get(preset, ""), "protocols": _protocols(group, preset),
        "table": tables.table(group, preset, shop.methods, ends), "stem": stem,
        "pairs": comparison.embedded(group, compared), "figures": _figures(group, preset, shop),
        "comparison": comparison.shown(compared, list(pairs)),
    }  # fmt: skip


def _figures(group: Group, preset: str, shop: Workshop) -> list[dict[str, Any]]:
    """Return the curves by kind."""
    kinds: dict[str, dict[str, Any]] = {}
    for kind, at, drawing in curves.figures(group, preset, shop.methods):
        file = f"tables/learning-{group.slug}.csv" if kind == "learning" else ""
        about = {"title": curves.TITLES[kind], "text": curves.EXPLAINED[kind], "drawings": [], "file": file}
        by_bits = kind != "map_bits"
        where = {"where": f"{at} bits", "bits": at} if by_bits else {"where": f"K = {at}", "bits": None}
        kinds.setdefault(kind, about)["drawings"].append({**where, **shop.keep(drawing)})
    return list(kinds.values())


def _legend(group: Group, methods: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "label": row.label, "slug": row.slug,
            "swatch": Markup(swatch(style.look(row.method, methods, row.sibling), f"w-{group.slug}-{row.slug}")),
        }
        for row in group.rows if row.records
    ]  # fmt: skip


def _protocols(group: Group, preset: str) -> list[str]:
    """Return the preset's options in words; more than one where records were measured under different options."""
    self_retrieval = bool(group.data and group.data.self_retrieval)
    said = {style.protocol_text(row.protocols[preset], self_retrieval) for row in group.rows if preset in row.protocols}
    return sorted(said)
