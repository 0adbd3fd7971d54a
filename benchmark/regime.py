"""How training is watched and ended: which epoch's weights are the result, when codes are measured, how long it lasts.

None of it concerns a method that does not train in epochs: its cells have the default regime, and so one key and one
record whatever was asked for the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import BadInput

SELECTIONS = ("last", "validation", "test")
"""Whose weights are the result: the last epoch's, or the best's on a part of the training set or on test queries."""

UNITS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh])")


@dataclass(frozen=True)
class Curve:
    """The epochs (from 1) of the main stage after which codes are measured: those in ``at``, and every so many."""

    at: tuple[int, ...] = ()
    every: int | None = None

    def __bool__(self) -> bool:
        return bool(self.at) or self.every is not None

    def wanted(self, epoch: int) -> bool:
        """Say whether codes are measured after this epoch."""
        return epoch in self.at or (self.every is not None and epoch % self.every == 0)

    def words(self) -> list[str]:
        """Return what ``--curve`` takes."""
        return [*map(str, self.at), *([] if self.every is None else [f"every:{self.every}"])]


@dataclass(frozen=True)
class Regime:
    """``every``: how often epochs are compared; ``seconds``: budget of training time, None for none.

    ``compiled``: whether the training step is one compiled graph, which moves its numbers in the last place.
    """

    selection: str = "last"
    every: int = 1
    curve: Curve = Curve()
    seconds: float | None = None
    compiled: bool = False

    @property
    def selects(self) -> bool:
        """Say whether another epoch than the last may be the result."""
        return self.selection != "last"

    @property
    def budget(self) -> dict[str, float]:
        """Return the part of a cell's budget that is time."""
        return {} if self.seconds is None else {"seconds": self.seconds}

    def words(self) -> list[str]:
        """Return the options of ``run`` that ask for this regime."""
        words = [f"--select {self.selection}"] if self.selects else []
        words += [f"--eval-every {self.every}"] if self.every != 1 else []
        words += [f"--time-budget {duration_text(self.seconds)}"] if self.seconds is not None else []
        words += ["--compile"] if self.compiled else []
        return words + ([f"--curve {' '.join(self.curve.words())}"] if self.curve else [])

    def told(self) -> list[str]:
        """Return what a cell's line says of it."""
        told = (
            [f"select {self.selection}" + (f" every {self.every}" if self.every != 1 else "")] if self.selects else []
        )
        told += [f"at most {duration_text(self.seconds)}"] if self.seconds is not None else []
        told += ["compiled"] if self.compiled else []
        return told + ([f"curve {' '.join(self.curve.words())}"] if self.curve else [])


DEFAULT = Regime()


def read(
    select: str | None, every: int | None, curve: Sequence[Any] | None, time_budget: str | None, compiled: bool = False
) -> Regime:
    """Read the options of ``run``; raises BadInput."""
    selection = select or "last"
    if every is not None and selection == "last":
        raise BadInput(
            "--eval-every says how often epochs are compared, and the last one is taken without a comparison",
            next_step="add --select validation, or leave it out",
        )
    if every is not None and every < 1:
        raise BadInput("--eval-every is out of range", expected="1 or more", found=every)
    seconds = None if time_budget is None else read_duration(time_budget)
    return Regime(selection, every or 1, read_curve(curve or []), seconds, compiled)


def read_curve(words: Sequence[Any]) -> Curve:
    """Read epochs and ``every:N``; raises BadInput on anything else."""
    at: set[int] = set()
    every: int | None = None
    for word in map(str, words):
        start, colon, number = word.rpartition(":")
        if not number.isdecimal() or int(number) < 1 or (start, colon) not in (("", ""), ("every", ":")):
            raise BadInput(f"cannot read --curve {word}", expected="epochs from 1, such as 1 2 5 10, or every:N")
        if colon and every not in (None, int(number)):
            raise BadInput("--curve has more than one every:N", found=f"every:{every} and {word}")
        if colon:
            every = int(number)
        else:
            at.add(int(number))
    return Curve(tuple(sorted(at)), every)


def read_duration(text: str) -> float:
    """Read ``90s``, ``10m`` or ``1.5h`` as seconds, an int where they are whole; raises BadInput."""
    found = DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not seconds:
        raise BadInput(f"cannot read --time-budget {text}", expected="a time above 0, such as 90s, 10m or 1.5h")
    return int(seconds) if seconds.is_integer() else seconds


def duration_text(seconds: float) -> str:
    """Return seconds as ``--time-budget`` takes them."""
    return f"{seconds}s"
