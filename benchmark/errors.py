"""The two ways in which a run can end badly on purpose, as opposed to a defect."""

from __future__ import annotations

from os import PathLike


class BadInput(Exception):
    """A user's mistake or an unusable file, told in one sentence; the command line exits with 2.

    The sentence reads ``FILE: key 'KEY': WHAT; expected E, found F; NEXT``, with the parts that apply.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | PathLike[str] | None = None,
        key: str | None = None,
        expected: object = None,
        found: object = None,
        next_step: str | None = None,
    ) -> None:
        sentence = "".join((f"{file}: " if file is not None else "", f"key '{key}': " if key else "", what))
        if expected is not None:
            sentence += f"; expected {expected}"
        if found is not None:
            sentence += f"{',' if expected is not None else ';'} found {found}"
        if next_step:
            sentence += f"; {next_step}"
        super().__init__(sentence)


class TrainingDiverged(Exception):
    """A loss term stopped being finite. The cell fails with this sentence and the sweep goes on."""


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return ``"did you mean 'x'?"`` for the closest known name, or the list of known names."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
