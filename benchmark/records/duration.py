"""Budgets of time as words of a command line, as seconds, and as the page shows them."""

from __future__ import annotations

import re

from benchmark.errors import BadInput

UNITS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh])")


def read_duration(text: str) -> float:
    """Read ``90s``, ``10m`` or ``1.5h`` as seconds, an int where they are whole; raises BadInput."""
    match = DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not seconds:
        raise BadInput(f"cannot read --time-budget {text}", expected="a time above 0, such as 90s, 10m or 1.5h")
    return int(seconds) if seconds.is_integer() else seconds


def duration_word(seconds: float) -> str:
    """Return seconds as ``--time-budget`` takes them."""
    return f"{seconds}s"


def duration_text(seconds: float) -> str:
    """Return seconds for a reader, exactly, in the largest unit of which they are a whole number."""
    size, unit = next((pair for pair in ((3600, "h"), (60, "min")) if seconds % pair[0] == 0), (1, "s"))
    return f"{seconds / size:.15g} {unit}"
