"""matplotlib without the user's environment: figures are files, so no backend and no personal settings belong to them.

The only module that imports matplotlib; the others take what they draw with from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

BACKEND = "MPLBACKEND"


@contextmanager
def _without_backend() -> Iterator[None]:
    """Take the variable out that a notebook sets: its backend may not be installed here, and importing would fail."""
    backend = os.environ.pop(BACKEND, None)
    try:
        yield
    finally:
        if backend is not None:
            os.environ[BACKEND] = backend


with _without_backend():
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.markers import MarkerStyle
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

__all__ = [
    "Figure",
    "FixedLocator",
    "FuncFormatter",
    "Line2D",
    "LogLocator",
    "MarkerStyle",
    "MaxNLocator",
    "NullFormatter",
    "NullLocator",
    "Rectangle",
    "only_these",
]


def only_these(settings: dict[str, Any]) -> AbstractContextManager[None]:
    """Return the context in which matplotlib has its own defaults and these settings, whatever a matplotlibrc says."""
    chosen: Any = {key: value for key, value in dict.items(matplotlib.rcParamsDefault) if key != "backend"}
    chosen.update(settings)
    return matplotlib.rc_context(chosen)
