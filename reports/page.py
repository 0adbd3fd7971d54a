"""The report: one offline page, with figures and tables as files beside it, from the records of a results folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.atomic import write_bytes, write_text
from benchmark.record import Damaged, Record, scan
from reports import cost, curves, gallery, matrix, paper, provenance, published, style, svg, tables
from reports.matrix import Group
from reports.stored import Stored

TEMPLATES = Path(__file__).resolve().parent / "templates"
OURS = re.compile(r"(figures|tables)/[a-z0-9-]+\.(svg|pdf|csv|tex|md)")
MANIFEST = "files.json"
"""Names of the figures and tables that a build wrote, so that the next one can take away what it no longer makes."""


def build(
    results: Path,
    out: Path,
    expected: Sequence[dict[str, Any]] = (),
    *,
    stale: Callable[[Record], bool] = lambda record: False,
    cards: Mapping[str, Sequence[tuple[str, Sequence[str]]]] = MappingProxyType({}),
    pictures: Callable[[str, str, str, int], bytes | None] = lambda name, fingerprint, split, row: None,
) -> Path:
    """Write ``out/index.html`` with figures (SVG, PDF) and tables (CSV, LaTeX, Markdown) beside it; return its path.

    ``expected`` are cells that were asked for: dictionaries with dataset, method, bits and seed, and if known
    method_title, dataset_title, variant, config, budget, reason (why it was not run) and command (that fills it).
    ``stale`` says whether other code made a record than today's. ``cards`` holds what is known of each method, as
    labels with lines. ``pictures`` lends a PNG or JPEG by dataset, fingerprint, split and row.
    The same records give the same bytes. Failed, damaged and missing records are shown as such and stop nothing.
    """
    found = scan(results)
    groups = matrix.build(found.records, expected)
    files: dict[str, bytes] = {}
    stored = Stored(results, found.folders)
    sections = [_section(group, matrix.methods(groups), files, stored, pictures) for group in groups]
    if groups:
        files["tables/records.csv"] = tables.records_csv(groups).encode()
    page = render(groups, sections, found.damaged, results)
    for name, content in sorted(files.items()):
        write_bytes(out / name, content)
    _take_away(out, files)
    write_text(out / MANIFEST, json.dumps(sorted(files), indent=1) + "\n")
    write_text(out / "index.html", page)
    return out / "index.html"


def render(
    groups: Sequence[Group], sections: Sequence[dict[str, Any]], damaged: Sequence[Damaged], results: Path
) -> str:
    """Return the page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known = provenance.environments(groups)
    for section, group in zip(sections, groups, strict=True):
        section["entries"] = provenance.entries(group, known)
    return environment.get_template("page.html.j2").render(
        css=Markup(_text("style.css") + _palette_css() + _text("gallery.css") + gallery.css(sections)),
        script=Markup(_text("script.js")),
        summary=_summary(groups, damaged),
        sections=sections,
        failures=_failures(groups),
        holes=[hole for group in groups for hole in matrix.holes(group)],
        damaged=[(_relative(item.path, results), style.one_line(item.reason)) for item in damaged],
        environments=list(known.values()),
        notices=_notices(groups),
        presets=style.preset_order({preset for group in groups for preset in group.presets}),
    )


def _section(
    group: Group, methods: Sequence[str], files: dict[str, bytes], stored: Stored, pictures: gallery.Lend
) -> dict[str, Any]:
    """Return what the page shows of a group; its figures and tables are added to ``files``."""
    panels = []
    for preset in group.presets:
        stem = f"tables/map-{style.slug(group.slug, preset)}"
        written = {
            "csv": tables.map_csv(group, preset),
            "tex": paper.latex(group, preset, methods),
            "md": paper.markdown(group, preset, methods),
        }
        files |= {f"{stem}.{kind}": text.encode() for kind, text in written.items()}
        figures = []
        for kind in curves.KINDS:
            drawings = [curves.draw(group, preset, bits, kind, methods) for bits in group.bits]
            shown = []
            for bits, drawing in zip(group.bits, drawings, strict=True):
                if drawing is None:
                    continue
                files |= {f"figures/{drawing.name}.svg": drawing.svg, f"figures/{drawing.name}.pdf": drawing.pdf}
                shown.append({"bits": bits, **_shown(drawing)})
            if shown:
                figures.append({"title": curves.TITLES[kind], "text": curves.EXPLAINED[kind], "drawings": shown})
        panels.append({
            "preset": preset, "about": style.PRESET_TEXT.get(preset, ""), "protocols": _protocols(group, preset),
            "table": tables.table(group, preset, methods), "stem": stem, "figures": figures,
        })  # fmt: skip
    price = cost.table(group, cost.PRESET, methods)
    drawing = cost.draw(group, cost.PRESET, methods)
    if drawing is not None:
        files |= {f"figures/{drawing.name}.svg": drawing.svg, f"figures/{drawing.name}.pdf": drawing.pdf}
        price["figure"] = _shown(drawing)
    examples, figures_of_examples = gallery.gallery(group, stored, methods, pictures)
    for drawing in figures_of_examples:
        files |= {f"figures/{drawing.name}.svg": drawing.svg, f"figures/{drawing.name}.pdf": drawing.pdf}
    return {
        "gallery": examples,
        "slug": group.slug,
        "cost": price,
        "label": group.label,
        "name": group.name,
        "card": provenance.card(group),
        "panels": panels,
        "published": published.comparisons(group),
    }


def _shown(drawing: curves.Drawing) -> dict[str, Any]:
    """Return a figure as the page sets it inline."""
    inline = svg.inline(drawing.svg, drawing.name, f"alt-{drawing.name}")
    return {"svg": Markup(inline), "alt": drawing.alt, "name": drawing.name}


def _protocols(group: Group, preset: str) -> list[str]:
    """Return the preset's options in words; more than one where records were measured under different options."""
    self_retrieval = bool(group.data and group.data.self_retrieval)
    said = {style.protocol_text(row.protocols[preset], self_retrieval) for row in group.rows if preset in row.protocols}
    return sorted(said)


def _summary(groups: Sequence[Group], damaged: Sequence[Damaged]) -> dict[str, Any]:
    rows = [row for group in groups for row in group.rows]
    records = [record for row in rows for record in row.all]
    return {
        "done": sum(record.status == "done" for record in records),
        "failed": sum(record.status == "failed" for record in records),
        "damaged": len(damaged),
        "missing": sum(len(hole.bits) * len(hole.seeds) for group in groups for hole in matrix.holes(group)),
        "datasets": [group.label for group in groups],
        "methods": sorted({style.one_line(row.title) for row in rows}, key=str.lower),
        "bits": sorted({bits for group in groups for bits in group.bits}),
        "seeds": sorted({seed for group in groups for seed in group.seeds}),
    }


def _notices(groups: Sequence[Group]) -> list[str]:
    """Return what a reader must know before comparing numbers."""
    said = []
    for group in groups:
        if group.data and group.data.subset:
            said.append(f"{group.label}: fewer videos than published (subset); not comparable with published numbers.")
        for row in group.rows:
            if row.budgeted:
                budget = style.settings_text(row.budget)
                said.append(
                    f"{row.label} on {group.label}: trained under a budget ({budget}) instead of its own schedule."
                )
            digests = {str(record.code.get("digest")) for record in row.records}
            if len(digests) > 1:
                said.append(
                    f"{row.label} on {group.label}: records of {len(digests)} versions of the code are averaged."
                )
    if any(len(row.done(bits)) == 1 for group in groups for row in group.rows for bits in group.bits):
        said.append("Numbers without ± come from a single seed.")
    return said


def _failures(groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [
        {
            "group": group.label, "label": row.label, "bits": record.identity.bits, "seed": record.identity.seed,
            "reason": provenance.failure(record),
            "command": style.one_line(provenance.command(group, row, record), 2000),
        }
        for group in groups for row in group.rows for record in row.all if record.status == "failed"
    ]  # fmt: skip


def _take_away(out: Path, files: dict[str, bytes]) -> None:
    """Remove figures and tables that an earlier build wrote and this one did not."""
    try:
        names = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and name not in files and OURS.fullmatch(name):
            (out / name).unlink(missing_ok=True)


def _palette_css() -> str:
    light = "".join(f"--m{i}:{colour};" for i, colour in enumerate(style.PALETTE))
    dark = "".join(f"--m{i}:{colour};" for i, colour in enumerate(style.DARK))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
