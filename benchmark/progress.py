"""Progress of one cell on standard error: a live bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

QUIET_SECONDS = 20.0
"""Seconds between two lines where standard error is no terminal (ours)."""


class Progress:
    """Counts videos of the current phase and shows loss terms, videos/s and the time left.

    Use as a context manager; ``phase`` starts a new count.
    """

    def __init__(self, label: str, enabled: bool = True) -> None:
        self.label = label
        self.enabled = enabled
        self.live = enabled and sys.stderr.isatty()
        self.note = ""
        self.name, self.total, self.done = "", 0, 0
        self.began = self.spoke = time.monotonic()
        self._bar: object | None = None

    def __enter__(self) -> Progress:
        if self.live:
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]

    def phase(self, name: str, total: int) -> None:
        """Start a phase of ``total`` videos (all epochs together)."""
        self.name, self.total, self.done, self.note = name, total, 0, ""
        self.began = self.spoke = time.monotonic()
        self._show()

    def advance(self, videos: int) -> None:
        """Count videos."""
        self.done += videos
        self._show()

    def skip(self, videos: int) -> None:
        """Take videos that an earlier run has already seen out of this phase's total."""
        self.total -= videos

    def epoch(self, stage: str, epoch: int, epochs: int, means: Mapping[str, float]) -> None:
        """Show the end of an epoch with its mean loss terms."""
        terms = " ".join(f"{name} {value:.4g}" for name, value in means.items())
        self.note = f"{stage} {epoch}/{epochs} {terms}"
        self._show()

    def speed(self) -> float:
        """Return videos per second since the phase began."""
        return self.done / max(time.monotonic() - self.began, 1e-9)

    def line(self) -> str:
        """Return the state in one line."""
        left = (self.total - self.done) / self.speed() if self.done else float("nan")
        parts = [self.label, self.name]
        if self.total:
            parts.append(f"{min(1.0, self.done / self.total):.0%}")
        if self.done:
            parts += [f"{self.speed():,.0f} videos/s", f"{_clock(left)} left"]
        return "  ".join([*parts, self.note]).rstrip()

    def _show(self) -> None:
        if not self.enabled:
            return
        if self._bar is not None:
            self._bar.update(self.line())  # type: ignore[attr-defined]
        elif time.monotonic() - self.spoke >= QUIET_SECONDS:
            self.spoke = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.status import Status

        self._bar = Status(self.label, console=Console(stderr=True), refresh_per_second=4)
        self._bar.start()


def _clock(seconds: float) -> str:
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
