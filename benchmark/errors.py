"""The two ways in which a run can end badly on purpose, as opposed to a defect, and sentences of bounded length."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from os import PathLike

LONGEST = 390
"""Characters of a refusal, however long the values are that it quotes (our choice)."""
_LIMITS = (300, 240, 200, 160, 120, 100, 80, 60, 50)
"""Characters of each part of a refusal that is too long: the first limit with which the whole fits."""
_MOST_NAMES = 8
"""Names that a refusal lists (our choice)."""


class BadInput(Exception):
    """A user's mistake or an unusable file, told in one sentence; the command line exits with 2.

    The sentence reads ``FILE: key 'KEY': WHAT; expected E, found F; NEXT``, with the parts that apply. Parts that are
    too long lose their middle, so that the sentence is one line of at most ``LONGEST`` characters.
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
        parts = [
            ("{}: ", "" if file is None else os.fspath(file) or "."),
            ("key '{}': ", key or ""),
            ("{}", what),
            ("; expected {}", "" if expected is None else str(expected)),
            (f"{',' if expected is not None else ';'} found {{}}", None if found is None else str(found)),
            ("; {}", next_step or ""),
        ]
        super().__init__(_sentence([(form, one_line(text)) for form, text in parts if text]))


class Unwritable(BadInput):
    """A file or folder that cannot be written, by the name that the user knows it by."""

    def __init__(self, path: str | PathLike[str], error: BaseException, next_step: str | None = None) -> None:
        """``next_step`` is what to do where there is no room, or where the error says nothing of its cause."""
        number = error.errno if isinstance(error, OSError) else None
        if isinstance(error, RuntimeError):  # torch says no more than where in its own code
            reason = "the disk is full or fails"
        else:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        advice = _WRITING.get(number or 0)
        if next_step and (number is None or number in _NO_ROOM):
            advice = next_step
        super().__init__(f"cannot be written ({reason})", file=path, next_step=advice)


class TrainingDiverged(Exception):
    """A loss term stopped being finite. The cell fails with this sentence and the sweep goes on."""


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ELSEWHERE = "give another folder"
_WRITING = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EACCES: f"{_ELSEWHERE}, or change its permissions",
    errno.EPERM: f"{_ELSEWHERE}, or change its permissions",
    errno.EROFS: _ELSEWHERE,
    errno.ENAMETOOLONG: "shorten the name",
    errno.EISDIR: "give the name of a file",
    errno.ENOTDIR: "a file is in the way: give another folder",
    errno.EEXIST: "a file is in the way: give another folder",
}
"""What to do about an error of the system in writing."""


def of_system(error: OSError) -> BadInput:
    """Return an error of the system as one sentence; it names the file where the system does."""
    reason = error.strerror or str(error) or type(error).__name__
    name = error.filename if error.filename2 is None else error.filename2
    if isinstance(name, int):
        name = None
    file = None if name is None else os.fsdecode(name)
    step = "shorten the name" if error.errno == errno.ENAMETOOLONG else None
    return BadInput(f"the system refuses it ({reason})" if file else reason, file=file, next_step=step)


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return ``"did you mean 'x'?"`` for the closest known name, or the list of known names."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{shortened(close[0], 80)}'?" if close else f"known: {listed(known)}"


def listed(names: Iterable[str]) -> str:
    """Return names in order, the first few of many, as text."""
    ordered = sorted(names)
    shown = [shortened(name, 60) for name in ordered[:_MOST_NAMES]]
    more = f" and {len(ordered) - len(shown):,} more" if len(ordered) > len(shown) else ""
    return (", ".join(shown) or "none") + more


def shortened(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters: of a longer one the middle is left out."""
    if len(text) <= limit:
        return text
    head = (limit - 3) // 2
    return f"{text[:head]}...{text[len(text) - (limit - 3 - head) :]}"


def one_line(text: str) -> str:
    """Return a text in one line, without the characters that would end it or hide in it."""
    return "".join(" " if part in "\r\n\t\v\f\x1c\x1d\x1e\x85\u2028\u2029" else _visible(part) for part in text)


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode() if character < " " or character == "\x7f" else character


def _sentence(parts: list[tuple[str, str]]) -> str:
    sentence = "".join(form.format(text) for form, text in parts)
    for limit in _LIMITS:
        if len(sentence) <= LONGEST:
            break
        sentence = "".join(form.format(shortened(text, limit)) for form, text in parts)
    return sentence
