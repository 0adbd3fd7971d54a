"""The report: one offline page, with figures and tables as files beside it, from the records of a results folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark import facts
from benchmark.atomic import write_bytes, write_text
from benchmark.record import Damaged, Record, scan
from benchmark.records.expected import ExpectedCell
from reports import gallery, method_cards, provenance, ranks, selection, style, tables
from reports.matrix.grouping import build as build_groups
from reports.matrix.grouping import methods as methods_of
from reports.matrix.holes import cell_command
from reports.matrix.holes import holes as holes_of
from reports.matrix.labels import budget_words
from reports.matrix.rows import Group, Row
from reports.section import Workshop, section
from reports.stored import Stored

TEMPLATES = Path(__file__).resolve().parent / "templates"
OURS = re.compile(r"(figures|tables)/[a-z0-9-]+\.(svg|pdf|csv|tex|md)")
SCRIPTS = ("view.js", "tables.js", "exports.js", "figures.js", "compare.js", "records.js", "start.js")
MANIFEST = "files.json"
"""Names of the figures and tables that a build wrote, so that the next one can take away what it no longer makes."""


def build(
    results: Path,
    out: Path,
    expected: Sequence[ExpectedCell] = (),
    *,
    stale: Callable[[Record], bool] = lambda record: False,
    cards: Mapping[str, Sequence[tuple[str, Sequence[str]]]] = MappingProxyType({}),
    pictures: gallery.Lend = lambda name, fingerprint, split, row: None,
) -> Path:
    """Write ``out/index.html`` with figures (SVG, PDF) and tables (CSV, LaTeX, Markdown) beside it; return its path.

    ``expected`` are the planned cells, run or not.
    ``stale`` says whether other code made a record than today's. ``cards`` holds what is known of each method, as
    labels with lines. ``pictures`` lends a PNG by dataset, fingerprint, split and row.
    The same records give the same bytes. Failed, damaged and missing records are shown as such and stop nothing.
    """
    found = scan(results)
    groups = build_groups(found.records, expected, partial(facts.argument, results))
    for group in groups:
        group.stale.update(record.key for row in group.rows for record in row.records if stale(record))
    names = sorted({*methods_of(groups), *cards})
    shop = Workshop(names, Stored(results, found.folders), pictures, out / "cache", len(groups) or 1)
    sections = [section(group, shop) for group in groups]
    articles = method_cards.articles(groups, cards, shop)
    if groups:
        shop.files["tables/records.csv"] = tables.records_csv(groups).encode()
    page = render(groups, sections, found.damaged, results, articles, shop.wardrobe.css())
    for name, content in sorted(shop.files.items()):
        write_bytes(out / name, content)
    _take_away(out, shop.files)
    write_text(out / MANIFEST, json.dumps(sorted(shop.files), indent=1) + "\n")
    write_text(out / "index.html", page)
    return out / "index.html"


def render(
    groups: Sequence[Group],
    sections: Sequence[dict[str, Any]],
    damaged: Sequence[Damaged],
    results: Path,
    articles: Sequence[dict[str, Any]] = (),
    css: str = "",
) -> str:
    """Return the page's HTML; ``css`` are the style rules of the inline figures."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known = provenance.environments(groups)
    for part, group in zip(sections, groups, strict=True):
        part["entries"] = provenance.entries(group, known)
    return environment.get_template("page.html.j2").render(
        css=Markup(
            _text("style.css")
            + _palette_css()
            + css
            + _text("gallery.css")
            + gallery.css(sections)
            + _own_css(sections)
        ),
        script=Markup("".join(_text(name) for name in SCRIPTS)),
        summary=_summary(groups, damaged),
        sections=sections,
        failures=_failures(groups),
        holes=[hole for group in groups for hole in holes_of(group)],
        damaged=[(_relative(item.path, results), style.one_line(item.reason)) for item in damaged],
        environments=list(known.values()),
        notices=_notices(groups),
        diagnostics=list(provenance.DIAGNOSTICS.values()),
        ranks=ranks.by_preset(groups),
        peeked=any(row.selected_on_test for group in groups for row in group.rows if row.records),
        presets=style.preset_order({preset for group in groups for preset in group.presets}),
        choices=_choices(groups),
        articles=articles,
        stale=[item for group in groups for item in provenance.stale(group)],
    )


def _choices(groups: Sequence[Group]) -> dict[str, list[tuple[str, str]]]:
    """Return what a reader may choose from, as (value in the address, text): datasets, bits, K and methods."""
    held: dict[str, list[Row]] = {}
    for group in groups:
        for row in group.rows:
            held.setdefault(row.slug, []).append(row)
    cuts = [style.cut_label(cut).strip("@") for cut in style.CUTS]
    named = [(slug, _common_label(rows)) for slug, rows in held.items()]
    return {
        "datasets": [(group.slug, group.label) for group in groups],
        "bits": [(str(bits), str(bits)) for bits in sorted({bits for group in groups for bits in group.bits})],
        "k": [(cut, cut) for cut in cuts],
        "methods": sorted(named, key=lambda item: (item[1].lower(), item[0])),
    }


def _common_label(rows: Sequence[Row]) -> str:
    """Return what rows of one slug are called on all datasets: their label, or the title where budgets differ."""
    if len({row.label for row in rows}) == 1:
        return rows[0].label
    variant, number = rows[0].named_variant, rows[0].sibling
    said = rows[0].title + (f" ({variant})" if variant else "")
    return style.one_line(said + (f", settings {number + 1}" if number else ""))


def _summary(groups: Sequence[Group], damaged: Sequence[Damaged]) -> dict[str, Any]:
    rows = [row for group in groups for row in group.rows]
    records = [record for row in rows for record in row.all]
    return {
        "done": sum(record.status == "done" for record in records),
        "failed": sum(record.status == "failed" for record in records),
        "damaged": len(damaged),
        "stale": sum(len(group.stale) for group in groups),
        "missing": sum(len(hole.bits) * len(hole.seeds) for group in groups for hole in holes_of(group)),
        "datasets": [group.label for group in groups],
        "methods": sorted({style.one_line(row.title) for row in rows}, key=str.lower),
        "bits": sorted({bits for group in groups for bits in group.bits}),
        "seeds": sorted({seed for group in groups for seed in group.seeds}),
    }


def _notices(groups: Sequence[Group]) -> list[str]:
    """Return what a reader must know before comparing numbers."""
    said = []
    for group in groups:
        if group.drawn is not None:
            said.append(
                f"{group.label}: that many training videos were drawn from the dataset (--subset), a rehearsal; "
                "comparable with no other number."
            )
        elif group.data and group.data.subset:
            said.append(f"{group.label}: fewer videos than published (subset); not comparable with published numbers.")
        budgets: dict[str, list[str]] = {}
        for row in group.rows:
            if row.budgeted:
                said_budget = style.settings_text(budget_words(row.budget))
                budgets.setdefault(said_budget, []).append(row.label)
            said += selection.warnings(group, row)
            digests = {str(record.code.get("digest")) for record in row.records}
            if len(digests) > 1:
                said.append(
                    f"{row.label} on {group.label}: records of {len(digests)} versions of the code are averaged."
                )
        said += [
            f"{group.label}: trained under a budget ({budget}) instead of their own schedules: {', '.join(labels)}."
            for budget, labels in budgets.items()
        ]
    if any(len(row.done(bits)) == 1 for group in groups for row in group.rows for bits in group.bits):
        said.append("Numbers without ± come from a single seed.")
    return said


def _failures(groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [
        {
            "group": group.label, "label": row.label, "bits": record.identity.bits, "seed": record.identity.seed,
            "reason": provenance.failure(record),
            "command": style.one_line(cell_command(group, record), 2000),
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


def _own_css(sections: Sequence[Mapping[str, Any]]) -> str:
    """Return the style of parts that few pages have."""
    return _text("robustness.css") if any(part.get("robustness") for part in sections) else ""


def _palette_css() -> str:
    light = style.variables("m", style.PALETTE) + style.variables("c", style.CLASS_COLOURS)
    dark = style.variables("m", style.DARK) + style.variables("c", style.CLASS_DARK)
    light += style.variables("b", style.LENGTHS)
    dark += style.variables("b", style.LENGTHS_DARK)
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
