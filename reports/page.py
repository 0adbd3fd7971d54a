"""The report: one offline page, with figures and tables as files beside it, from the records of a results folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.errors import BadInput
from benchmark.evaluation.protocol import FIELD, HEADLINE_K
from benchmark.files.atomic import write_bytes, write_text
from benchmark.records import facts
from benchmark.records.expected import ExpectedCell
from benchmark.records.record import Record
from benchmark.records.store import scan
from reports import method_cards, overview, provenance, section
from reports.context import PageContext, PictureReader
from reports.drawing import style
from reports.matrix.grouping import build as build_groups
from reports.matrix.grouping import methods as methods_of
from reports.matrix.holes import holes as holes_of
from reports.matrix.rows import Group, Hole
from reports.matrix.stored import Stored
from reports.method_cards import Article, Cards
from reports.scores import ranks, tables

TEMPLATES = Path(__file__).resolve().parent / "templates"
OWN_FILES = re.compile(r"(figures|tables)/[a-z0-9-]+\.(svg|pdf|csv|tex|md)")
SCRIPTS = ("view.js", "tables.js", "exports.js", "figures.js", "compare.js", "records.js", "start.js")
MANIFEST = "files.json"
"""Names of the figures and tables that a build wrote, so that the next one can remove what it no longer makes."""


@dataclass(frozen=True)
class PageContent:
    """What ``page.html.j2`` shows, by the names that the templates use."""

    css: Markup
    script: Markup
    headline_k: int
    field: str
    summary: overview.Summary
    notices: list[str]
    choices: overview.Choices
    presets: list[str]
    datasets: list[section.DatasetView]
    ranks: dict[str, ranks.Ranks]
    articles: list[Article]
    failures: list[overview.FailedCell]
    damaged: list[tuple[str, str]]
    stale: list[provenance.StaleRow]
    holes: list[Hole]
    records: list[provenance.DatasetRecords]
    environments: list[provenance.Environment]
    diagnostics: list[tuple[str, str]]
    selected_on_test: bool


def build(
    results: Path,
    out: Path,
    expected: Sequence[ExpectedCell] = (),
    *,
    stale: Callable[[Record], bool] = lambda record: False,
    cards: Cards = MappingProxyType({}),
    pictures: PictureReader = lambda name, fingerprint, split, row: None,
) -> Path:
    """Write ``out/index.html`` with figures (SVG, PDF) and tables (CSV, LaTeX, Markdown) beside it; return its path.

    ``expected`` are the planned cells, run or not.
    ``stale`` returns whether other code made a record than today's. ``cards`` describes each method, as labels with
    lines. ``pictures`` returns a picture by dataset, fingerprint, split and row.
    The same records give the same bytes. Failed, damaged and missing records are shown as such and stop nothing.
    """
    scanned = scan(results)
    groups = build_groups(scanned.records, expected, partial(facts.argument, results))
    for group in groups:
        group.stale.update(record.key for row in group.rows for record in row.records if stale(record))
    names = sorted({*methods_of(groups), *cards})
    context = PageContext(names, Stored(results, scanned.folders), pictures, out / "cache", len(groups) or 1)
    damaged = [(_relative(item.path, results), style.one_line(item.reason)) for item in scanned.damaged]
    shown = content(groups, damaged, cards, context)
    if groups:
        context.files["tables/records.csv"] = tables.records_csv(groups).encode()
    for name, data in sorted(context.files.items()):
        write_bytes(out / name, data)
    _remove_old(out, context.files)
    try:
        write_text(out / MANIFEST, json.dumps(sorted(context.files), indent=1) + "\n")
    except (OSError, BadInput):
        shown.notices.append(f"{MANIFEST} beside this page cannot be written, so figures that are no longer made stay.")
    write_text(out / "index.html", render(shown))
    return out / "index.html"


def content(
    groups: Sequence[Group], damaged: Sequence[tuple[str, str]], cards: Cards, context: PageContext
) -> PageContent:
    """Return what the page shows; ``damaged`` are paths of damaged records with reasons."""
    datasets = [section.view(group, context) for group in groups]
    articles = method_cards.articles(groups, cards, context)
    environments = provenance.environments(groups)
    holes = [hole for group in groups for hole in holes_of(group)]
    return PageContent(
        css=Markup(_css(datasets, context)),
        script=Markup("".join(_text(name) for name in SCRIPTS)),
        headline_k=HEADLINE_K,
        field=FIELD,
        summary=overview.summary(groups, holes, len(damaged)),
        notices=overview.notices(groups),
        choices=overview.choices(groups),
        presets=style.preset_order({preset for group in groups for preset in group.presets}),
        datasets=datasets,
        ranks=ranks.by_preset(groups),
        articles=articles,
        failures=overview.failures(groups),
        damaged=list(damaged),
        stale=[row for group in groups for row in provenance.stale(group)],
        holes=holes,
        records=provenance.records(groups, environments),
        environments=list(environments.values()),
        diagnostics=list(provenance.DIAGNOSTICS.values()),
        selected_on_test=any(row.selected_on_test for group in groups for row in group.rows if row.records),
    )


def render(content: PageContent) -> str:
    """Return the page's HTML."""
    return _templates().get_template("page.html.j2").render(vars(content))


@cache
def _templates() -> Templates:
    return Templates(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _css(datasets: Sequence[section.DatasetView], context: PageContext) -> str:
    """Return the style of the page: its own, the colours, that of each section that is shown, figures and pictures."""
    names = dict.fromkeys(part.name for dataset in datasets for part in dataset.sections)
    own = [_text(f"{name}.css") for name in names if (TEMPLATES / f"{name}.css").exists()]
    pictures = [f"{rule}\n" for _, rule in sorted(context.picture_rules.items())]
    return "".join([_text("style.css"), _palette_css(), context.stylesheet.css(), *own, *pictures])


def _palette_css() -> str:
    light = style.variables("m", style.PALETTE) + style.variables("c", style.CLASS_COLOURS)
    dark = style.variables("m", style.DARK) + style.variables("c", style.CLASS_DARK)
    light += style.variables("b", style.LENGTHS)
    dark += style.variables("b", style.LENGTHS_DARK)
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _remove_old(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove figures and tables that an earlier build wrote and this one did not."""
    try:
        names = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and name not in files and OWN_FILES.fullmatch(name):
            with suppress(OSError):
                (out / name).unlink(missing_ok=True)


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
