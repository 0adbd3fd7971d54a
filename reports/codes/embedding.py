"""The codes of all methods side by side: t-SNE of the same videos, and numbers that say how separated the classes are.

Which videos: those of the database whose only label is one of the first ten classes, as CHAIN's poster shows them; at
most 5,000, drawn once and the same for every method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from markupsafe import Markup

from benchmark.evaluation.hamming import Codes
from benchmark.records.record import CODES, Record
from reports.codes import projection, scatter
from reports.codes.projection import Projection
from reports.context import PageContext
from reports.drawing import style
from reports.drawing.canvas import Drawing
from reports.matrix import choice
from reports.matrix.rows import Group, Row
from reports.matrix.stored import Stored

CLASSES = 10
MOST, MOST_INLINE = 5000, 1500
"""Points of a method in the files, and in the page, which must stay small (the second is our choice)."""
PAGE = 16_000
"""Points of all methods and datasets of a page (our choice)."""
LEAST = 10
"""Points below which there is nothing to see (our choice)."""
SEED = 0

NO_LABELS = "The results folder keeps no labels of these data. A run of any cell on this dataset writes them."


@dataclass(frozen=True)
class EmbeddingPanel:
    """One method: picture and separation as the page shows them; ``why`` says why the silhouette is absent."""

    row: str
    label: str
    name: str
    seed: int
    silhouette: str
    nearest: str
    why: str
    svg: Markup
    alt: str


@dataclass(frozen=True)
class Embeddings:
    """What the page shows of a dataset; ``reason`` says why there are no panels.

    ``about``: what is drawn, in sentences, and the settings. ``legend``: class name, videos, place of its colour,
    whether it is hollow. ``lacking``: rows without a panel and why. ``figure``: all panels in one drawing.
    """

    bits: int
    about: tuple[str, ...] = ()
    panels: tuple[EmbeddingPanel, ...] = ()
    legend: tuple[tuple[str, int, int, bool], ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()
    figure: Drawing | None = None
    seeds_differ: bool = False
    reason: str = ""


@dataclass(frozen=True)
class ChosenVideos:
    """The videos that are drawn: ``rows`` (n,) of the database, ascending, ``classes`` (n,) places among the first ten.

    ``eligible`` counts what they were drawn from, ``left`` the videos of these classes that bear other labels too.
    """

    rows: np.ndarray
    classes: np.ndarray
    eligible: int
    left: int


@dataclass
class _WithCodes:
    """Rows that have codes, each with its record and the codes of the chosen videos."""

    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)


def section(group: Group, context: PageContext) -> Embeddings | None:
    """Return the section of a dataset; None where no cell is done."""
    shown = embeddings(group, context.stored, context.cache, context.datasets)
    if shown and shown.figure:
        context.write(shown.figure)
    return shown


def embeddings(group: Group, stored: Stored, cache: Path | None, datasets: int = 1) -> Embeddings | None:
    """Return the pictures of a group, or None where no cell is done; ``cache`` is the folder that keeps projections.

    ``datasets`` share the page.
    """
    bits = choice.length(group)
    if bits is None:
        return None
    facts = stored.facts(group)
    if facts is None or "database" not in facts.labels:
        return Embeddings(bits, reason=NO_LABELS)
    labels = facts.labels["database"]
    videos = chosen(labels)
    if len(videos.rows) < LEAST:
        shown = min(CLASSES, labels.shape[1])
        reason = (
            f"Of the database, {len(videos.rows)} videos bear one label only, of the first {shown} classes: too few."
        )
        return Embeddings(bits, reason=reason)
    with_codes, lacking = _codes(group, stored, bits, videos.rows, len(labels))
    if not with_codes.rows:
        return Embeddings(bits, lacking=lacking, reason="No cell has codes that can be drawn.")
    projected = projection.projections(with_codes.codes, videos.classes, cache, group.label)
    names = [style.one_line(name, 40) for name in facts.classes[:CLASSES]]
    inline = min(MOST_INLINE, PAGE // (datasets * len(with_codes.rows)))
    panels = _panels(group, with_codes, projected, videos, bits, inline)
    counts = np.bincount(videos.classes, minlength=len(names)).tolist()
    return Embeddings(
        bits=bits,
        about=about(bits, with_codes.records, videos, len(facts.classes), inline),
        panels=panels,
        legend=tuple(
            (name, n, i, scatter.hollow(i)) for i, (name, n) in enumerate(zip(names, counts, strict=True)) if n
        ),
        lacking=lacking,
        figure=_figure(group, panels, projected, videos, names, bits),
        seeds_differ=len({record.identity.seed for record in with_codes.records}) > 1,
    )


def chosen(labels: np.ndarray) -> ChosenVideos:
    """Return the videos to draw, from multi-hot labels (videos, classes) uint8."""
    first = labels[:, :CLASSES].astype(bool)
    single = labels.astype(bool).sum(axis=1) == 1
    eligible = np.flatnonzero(first.any(axis=1) & single)
    rows = _drawn(len(eligible), MOST)
    left = int((first.any(axis=1) & ~single).sum())
    return ChosenVideos(eligible[rows], first[eligible[rows]].argmax(axis=1), len(eligible), left)


def _drawn(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` of n rows, ascending, the same each time."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))


def _codes(
    group: Group, stored: Stored, bits: int, rows: np.ndarray, n: int
) -> tuple[_WithCodes, tuple[tuple[str, str], ...]]:
    """Return the codes of the chosen videos for each row that has them, and the rows that have none."""
    with_codes, lacking = _WithCodes(), []
    for row, record in choice.one_each(group, bits):
        splits = None if record is None else stored.codes(record)
        if record is None:
            lacking.append((row.label, f"no done cell of {bits} bits"))
        elif splits is None:
            lacking.append((row.label, f"its {CODES} is absent or cannot be read"))
        elif splits["database"].n != n or splits["database"].bits != bits:
            reason = f"its {CODES} holds {splits['database'].n} codes of {splits['database'].bits} bits for {n} videos"
            lacking.append((row.label, reason))
        else:
            codes = splits["database"]
            mask = None if codes.nonzero is None else codes.nonzero[rows]
            with_codes.rows.append(row)
            with_codes.records.append(record)
            with_codes.codes.append(Codes(codes.packed[rows], mask, codes.bits))
    return with_codes, tuple(lacking)


def _panels(
    group: Group, with_codes: _WithCodes, projected: Sequence[Projection], videos: ChosenVideos, bits: int, inline: int
) -> tuple[EmbeddingPanel, ...]:
    shown = _drawn(len(videos.rows), inline)
    panels = []
    cells = zip(with_codes.rows, with_codes.records, with_codes.codes, projected, strict=True)
    for i, (row, record, codes, own) in enumerate(cells):
        name = style.slug(group.slug, "tsne", i)
        silhouette = style.rounded(own.silhouette).replace("-", "−")
        share = style.rounded(own.nearest)
        why = projection.undefined(codes, videos.classes)
        seed = record.identity.seed
        alt = (
            f"t-SNE of the {bits}-bit codes of {row.label}, seed {seed}, {group.label}. "
            f"Silhouette {f'undefined: {why}' if why else silhouette}; nearest code of the same class {share}."
        )
        svg = scatter.inline(own.points[shown], videos.classes[shown], name, f"alt-{name}")
        panels.append(EmbeddingPanel(row.slug, row.label, name, seed, silhouette, share, why, Markup(svg), alt))
    return tuple(panels)


def _figure(
    group: Group,
    panels: Sequence[EmbeddingPanel],
    projected: Sequence[Projection],
    videos: ChosenVideos,
    names: Sequence[str],
    bits: int,
) -> Drawing:
    clouds = [
        scatter.Cloud(panel.label, f"silhouette {panel.silhouette}", own.points)
        for panel, own in zip(panels, projected, strict=True)
    ]
    words = "; ".join(f"{panel.label} silhouette {panel.silhouette}" for panel in panels)
    alt = f"t-SNE of {bits}-bit codes, {group.label}. {words}."
    return scatter.draw(style.slug(group.slug, bits, "tsne"), clouds, videos.classes, names, alt)


def about(bits: int, used: Sequence[Record], videos: ChosenVideos, classes: int, inline: int) -> tuple[str, ...]:
    """Return what is drawn, in sentences."""
    n, seeds = len(videos.rows), {record.identity.seed for record in used}
    codes = f"Codes of {bits} bits" + ("" if bits == choice.BITS else f" (no cell of {choice.BITS} bits is done)")
    runs = f" of seed {seeds.pop()}" if len(seeds) == 1 else "; each method's lowest seed, as no seed is common to all"
    which = f"all {classes} classes" if classes <= CLASSES else f"the first {CLASSES} of {classes} classes"
    count = style.count(n) if n == videos.eligible else f"{style.count(n)} of {style.count(videos.eligible)}"
    left = f", without {style.count(videos.left)} that bear several labels" if videos.left else ""
    page = f" The page shows {style.count(inline)} of them, the files all." if n > inline else ""
    return (
        f"{codes}{runs}. The same {count} database videos of {which} for every method{left}.{page}",
        f"Hamming distances, perplexity {projection.perplexity(n):.3g}, random seed {projection.SEED}",
    )
