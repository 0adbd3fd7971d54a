"""What a long step is doing, on standard error: a live line on a terminal, a line at least every 20 seconds elsewhere.

Every step of every verb is told through ``Progress``. Steps may be open inside others; the innermost one is shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

QUIET_SECONDS = 20.0
"""Most seconds between two lines where standard error is no terminal (our choice)."""
PATIENCE, TICK = 2.0, 0.5
"""Seconds after which a step is shown on a terminal, and between two states of its line (our choice)."""


class Progress:
    """A step that counts what it has done: shows the share, the speed, the time left, and loss terms.

    Use as a context manager; ``phase`` starts a new count. A step that counts nothing shows how long it has taken.
    label: what is done. enabled: whether anything is shown. total: how many ``unit`` there are, 0 where nothing is
    counted. live: whether a terminal shows it as well.
    """

    def __init__(
        self, label: str, enabled: bool = True, *, total: int = 0, unit: str = "videos", live: bool = True
    ) -> None:
        self.label, self.enabled, self.unit, self.live = label, enabled, unit, live
        self.name, self.total, self.done, self.note = "", total, 0, ""
        self.began = time.monotonic()

    def __enter__(self) -> Progress:
        self.began = time.monotonic()
        if self.enabled:
            _display.open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.enabled:
            _display.close(self)

    def phase(self, name: str, total: int) -> None:
        """Start a phase of ``total`` videos (all epochs together)."""
        self.name, self.total, self.done, self.note = name, total, 0, ""
        self.began = time.monotonic()
        self._show()

    def advance(self, videos: int) -> None:
        """Count videos, or whatever the unit is."""
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
        return self.done / self.seconds()

    def seconds(self) -> float:
        """Return the seconds since the phase began, more than 0."""
        return max(time.monotonic() - self.began, 1e-9)

    def line(self) -> str:
        """Return the state in one line."""
        parts = [self.label, self.name]
        if self.total:
            parts.append(f"{min(1.0, self.done / self.total):.0%}")
        if self.done and self.speed() >= 1:
            parts.append(f"{self.speed():,.0f} {self.unit}/s")
        if self.done and self.total:
            parts.append(f"{_clock((self.total - self.done) / self.speed())} left")
        else:
            parts.append(f"{_clock(self.seconds())} so far")
        return "  ".join(filter(None, [*parts, self.note]))

    def _show(self) -> None:
        if self.enabled:
            _display.show()


class _Display:
    """The open steps and the thread that shows the innermost one, also while it counts nothing."""

    def __init__(self) -> None:
        self._steps: list[Progress] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._spoke = 0.0
        self._bar: Any = None

    def open(self, step: Progress) -> None:
        """Show this step from now on."""
        with self._lock:
            self._steps.append(step)
            if len(self._steps) > 1:
                return
            self._spoke, self._over = time.monotonic(), threading.Event()
            threading.Thread(target=self._watch, args=(self._over,), name="progress", daemon=True).start()

    def close(self, step: Progress) -> None:
        """Show the step around this one again, if there is one."""
        with self._lock:
            self._steps.remove(step)
            if self._bar is not None and not (self._steps and self._steps[-1].live):
                self._bar.stop()
                self._bar = None
            if not self._steps:
                self._over.set()

    def show(self) -> None:
        """Show the innermost step, if it is time to."""
        with self._lock:
            if not self._steps or self._bar is not None:
                return
            step, now = self._steps[-1], time.monotonic()
            if _is_terminal():
                if step.live and now - step.began >= PATIENCE:
                    self._bar = _opened_bar(self._line)
            elif now - self._spoke >= QUIET_SECONDS:
                self._spoke = now
                with suppress(OSError, ValueError):  # standard error was closed
                    print(step.line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        return self._steps[-1].line() if self._steps else ""

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(self._pause()):
            self.show()

    def _pause(self) -> float:
        """Return the seconds until something may have to be shown."""
        return TICK if _is_terminal() else max(0.01, self._spoke + QUIET_SECONDS - time.monotonic())


_display = _Display()


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except ValueError:  # it was closed
        return False


def _opened_bar(line: Callable[[], str]) -> Any:
    """Return a live line. What is printed meanwhile appears above it, unless standard output goes to a file."""
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots")

    def state() -> Spinner:
        spinner.update(text=Text(line()))
        return spinner

    bar = Live(
        get_renderable=state, console=Console(stderr=True), transient=True, refresh_per_second=4,
        redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip
    bar.start()
    return bar


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
