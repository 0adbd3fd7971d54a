"""The epochs after which codes are measured while a method trains, as words and as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import BadInput


@dataclass(frozen=True)
class Curve:
    """The epochs (from 1) of the main stage after which codes are measured: those in ``at``, and every so many."""

    at: tuple[int, ...] = ()
    every: int | None = None

    def __bool__(self) -> bool:
        return bool(self.at) or self.every is not None

    def wanted(self, epoch: int) -> bool:
        """Return whether codes are measured after this epoch."""
        return epoch in self.at or (self.every is not None and epoch % self.every == 0)

    def words(self) -> list[str]:
        """Return what ``--curve`` takes."""
        return [*map(str, self.at), *([] if self.every is None else [f"every:{self.every}"])]


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
