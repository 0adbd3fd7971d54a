"""Rounding, colours, marks and labels: decided once, here, for tables, curves and the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation.protocol import FIELD, KS, STRICT

CUTS: tuple[int | None, ...] = (*KS, None)
"""Cut-offs of the mAP tables; None is full depth."""

DECIMALS = 3
NOTHING = "—"

INK, GRID = "#1a1a1a", "#d4d4d4"
PALETTE = ("#0072b2", "#c84e00", "#007f5f", "#9b3f86", "#a87400", "#444444", "#1b8ea3", "#7a1f3d", "#6a55c9", "#5b7d00")
"""Ten colours, each at least 3:1 against white; our choice, after Okabe and Ito's colour-blind safe set."""

DARK = ("#5db2ec", "#ff8a4c", "#3fc79a", "#dd8fcb", "#e0b040", "#c4c4c4", "#62d5e8", "#f08fa9", "#b3a4ff", "#b4d455")
"""The same colours for a dark ground."""

LENGTHS = ("#7fb2d6", "#2f7fb5", "#0b3f66", "#001c33")
LENGTHS_DARK = ("#31688c", "#4f9fd0", "#9fd0f0", "#e6f4ff")
"""Code lengths from short to long, on a light and on a dark ground."""

CLASS_COLOURS = (
    "#68118e", "#289ec5", "#f55d90", "#872f0c", "#4b830a", "#4d3ad1", "#ab57ea", "#9d9714", "#0e5541", "#c24b73",
)  # fmt: skip
"""Ten colours of classes, each at least 3:1 against white; our choice, by search for the largest least distance of any
two as seen with normal and with three kinds of colour-deficient sight. Those at odd places are drawn hollow."""

CLASS_DARK = (
    "#5286ba", "#1af7fd", "#bc575c", "#f8653d", "#f6aa4f", "#31b5ae", "#72c9fd", "#f8e32b", "#c1f3c0", "#8e5cdc",
)  # fmt: skip
"""Ten colours of classes for a dark ground, chosen alike."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))

PRESET_TEXT = {
    FIELD: "as the papers of the field count",
    STRICT: "free of the order of ties, of self-matches and of the cap of K",
}
OPTION_TEXT = {
    ("denominator", "k"): "AP@K is divided by K, at full depth by the number of relevant items",
    ("denominator", "min"): "AP@K is divided by min(K, relevant items)",
    ("denominator", "relevant"): "AP@K is divided by the number of relevant items",
    ("denominator", "hits"): "AP@K is divided by the hits among the first K",
    ("ties", "index"): "equal distances are ordered by database row",
    ("ties", "expected"): "equal distances count by their exact expectation over random order",
    ("zeros", "ternary"): "an undecided bit is half a mismatch",
    ("zeros", "positive"): "an undecided bit counts as +1",
    ("zeros", "negative"): "an undecided bit counts as −1",
}
SELF_TEXT = {"include": "a query may find itself", "exclude": "a query is left out of its own ranking"}


@dataclass(frozen=True)
class Look:
    """How a row is drawn: colour and marker belong to its method, the dash and the fill of the marker to the row."""

    colour: str
    marker: str
    dash: Any
    hollow: bool

    @property
    def variable(self) -> str:
        """Return the CSS variable that holds the colour on the page."""
        return f"--m{PALETTE.index(self.colour)}"


def look(method: str, methods: Sequence[str], sibling: int = 0) -> Look:
    """Return the look of a method's row.

    ``methods`` are all method names, sorted and distinct: those of the checkout and those of the records, so that a
    method looks the same on every page. ``sibling`` counts the rows of the same method, which share colour and marker.
    """
    place = methods.index(method)
    round_ = place // len(PALETTE)
    dash = DASHES[(place + round_ + sibling) % len(DASHES)]
    return Look(PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)], dash, bool(sibling % 2))


def variables(letter: str, colours: Sequence[str]) -> str:
    """Return colours as CSS variables: a letter and their place."""
    return "".join(f"--{letter}{place}:{colour};" for place, colour in enumerate(colours))


def number(value: Any) -> float | None:
    """Return a finite number, or None for whatever else a record holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def rounded(value: float | None, decimals: int = DECIMALS) -> str:
    """Return a number as the page shows it."""
    return NOTHING if value is None else f"{value:.{decimals}f}"


def plus_minus(deviation: float | None, decimals: int = DECIMALS) -> str:
    """Return a deviation with its sign ±, or nothing where there is none."""
    return "" if deviation is None else f"±{rounded(deviation, decimals)}"


def difference(value: float) -> str:
    """Return a rounded difference with its sign."""
    return f"{value:+.{DECIMALS}f}".replace("-", "−")


def count(value: Any) -> str:
    """Return a count with its thousands set apart."""
    finite = number(value)
    return NOTHING if finite is None else f"{finite:,.0f}".replace(",", "\u202f")


def seconds(value: Any) -> str:
    """Return a duration."""
    finite = number(value)
    if finite is None:
        return NOTHING
    if finite < 100:
        return f"{finite:.1f} s" if finite >= 1 else f"{finite:.3f} s"
    return f"{finite / 60:.1f} min" if finite < 7200 else f"{finite / 3600:.1f} h"


def memory(value: Any) -> str:
    """Return bytes in binary units."""
    finite = number(value)
    if not finite:
        return NOTHING
    return f"{finite / 2**30:.2f} GiB" if finite >= 2**30 else f"{finite / 2**20:.0f} MiB"


def cut_label(cut: int | None) -> str:
    """Return the heading of a cut-off."""
    return "full" if cut is None else f"@{cut}"


def metric_key(name: str, cut: int | None) -> str:
    """Return the key of a metric at a cut-off, as records hold it."""
    return name if cut is None else f"{name}@{cut}"


def one_line(text: Any, limit: int = 300) -> str:
    """Return text without line breaks and unprintable characters, cut to ``limit`` characters."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def preset_order(names: Iterable[str]) -> list[str]:
    """Return protocol presets in the order of the page: field, strict, then others by name."""
    return sorted(names, key=lambda name: ({FIELD: 0, STRICT: 1}.get(name, 2), name))


def setting(value: Any) -> str:
    """Return a setting's value as text."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings in one line."""
    return one_line(", ".join(f"{key} {setting(value)}" for key, value in settings.items()), limit=120)


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted key, text) in key order."""
    lines: list[tuple[str, str]] = []
    for key, value in sorted(settings.items()):
        if isinstance(value, Mapping) and value:
            lines += flat_settings(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", one_line(setting(value))))
    return lines


def slug(*parts: object) -> str:
    """Return words joined for a file name or an anchor: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(map(str, parts)).lower()).strip("-") or "x"


def protocol_text(protocol: Mapping[str, Any], self_retrieval: bool) -> str:
    """Return the options of a protocol in words; self-matches only where queries are the database."""
    sentences = [
        OPTION_TEXT.get((key, str(value)), f"{key} {value}") for key, value in protocol.items() if key != "self_match"
    ]
    if self_retrieval and "self_match" in protocol:
        sentences.append(SELF_TEXT.get(str(protocol["self_match"]), f"self_match {protocol['self_match']}"))
    return "; ".join(sentences)
