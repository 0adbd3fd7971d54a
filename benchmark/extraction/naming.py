"""Names of videos: whether one can be stored, how it is printed, and which video a row of a table means."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LONGEST_NAME = 60
"""Characters of a name that a sentence about several names shows (our choice)."""

_ESCAPED = {"Cc", "Cs", "Zl", "Zp"}
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def can_be_stored(name: str) -> bool:
    """Return whether a table can hold a file name: bytes that are no UTF-8 appear as lone surrogates.

    A carriage return would end a row, as Python's writer of CSV puts no quotes around it.
    """
    return not any("\ud800" <= character <= "\udfff" or character == "\r" for character in name)


def shown_name(name: str, longest: int | None = None) -> str:
    """Return a name for one line of text: what would break the line or turn its direction is escaped.

    With ``longest``, a longer name loses its middle.
    """
    shown = "".join(map(_shown_character, name))
    if longest is None or len(shown) <= longest:
        return shown
    head = (longest - 3) // 2
    return f"{shown[:head]}...{shown[head + 3 - longest :]}"


def _shown_character(character: str) -> str:
    if unicodedata.category(character) in _ESCAPED or character in _BIDIRECTIONAL:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character


def _as_it_is(text: str) -> str:
    return text


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _compatible(text: str) -> str:
    """Return the text without the differences that one does not see: kinds of spaces, marks of direction, hyphens."""
    normal = unicodedata.normalize("NFKC", text)
    visible = "".join(character for character in normal if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def _caseless(text: str) -> str:
    return unicodedata.normalize("NFC", _compatible(text).casefold())


_FORMS: tuple[tuple[Callable[[str], str], bool], ...] = (
    (_as_it_is, True),
    (_composed, True),
    (_compatible, False),
    (_caseless, False),
)
"""What is compared, strictest first, and whether two names that agree in it are the same name to every reader."""


@dataclass(frozen=True)
class Match:
    """The videos that a text in a table may mean; ``is_exact``: whether they are written as the text is."""

    names: Sequence[str]
    is_exact: bool = True


class VideoNames:
    """Which video of a folder a text means.

    A video is named by its path: below the folder, absolute, or from a folder above, that of the table, or the current
    one; with slashes or backslashes, and ``.`` or ``..`` in it. Its file name will do where only one video has
    it. Both may lack the ending. Where no name is written like that, names in another Unicode form, with other spaces
    and invisible characters, and at last in another case are compared.
    """

    def __init__(self, names: Sequence[str], folder: Path, table: Path) -> None:
        self._names = names
        self._folders = list(dict.fromkeys((_absolute(folder), _slashed(os.path.realpath(folder)))))
        above = [str(parent) for path in self._folders for parent in PurePosixPath(path).parents]
        self._bases = list(dict.fromkeys((*self._folders, *above, _absolute(table.parent), _absolute(Path()))))
        self._indices: dict[Callable[[str], str], _Index] = {}

    def match(self, text: str) -> Match:
        """Return the videos that ``text`` means: none, one, or several where it is no whole path."""
        for form, is_exact in _FORMS:
            index = self._indices.setdefault(form, _Index({}, {}, {})).filled(self._names, form)
            several: Sequence[str] = ()
            for path, may_be_short in self._paths(text):
                names = index.named(form(path), may_be_short)
                if len(names) == 1:
                    return Match(names, is_exact)
                several = several or names
            if several:
                return Match(several, is_exact)
        return Match(())

    def _paths(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yield the paths below the folder that a text may stand for, and whether each may be a bare file name."""
        yield text, True
        path = _slashed(text.strip())
        yield posixpath.normpath(path), True
        is_absolute = Path(path).is_absolute()
        for base in ("",) if is_absolute else self._bases:
            whole = posixpath.normpath(posixpath.join(base, path))
            yield from ((below, False) for folder in self._folders if (below := _below(whole, folder)))
        if is_absolute:
            real = _slashed(os.path.realpath(path))
            yield from ((below, False) for folder in self._folders if (below := _below(real, folder)))


@dataclass(frozen=True)
class _Index:
    """Videos by name in one form: by whole path, by path without ending, by file name with and without ending."""

    paths: dict[str, list[str]]
    stems: dict[str, list[str]]
    short: dict[str, list[str]]

    def filled(self, names: Sequence[str], form: Callable[[str], str]) -> _Index:
        """Return itself, with the names in it."""
        for name in names if not self.paths else ():
            file = name.rpartition("/")[2]
            self.paths.setdefault(form(name), []).append(name)
            self.stems.setdefault(form(posixpath.splitext(name)[0]), []).append(name)
            for short in {form(file), form(posixpath.splitext(file)[0])}:
                self.short.setdefault(short, []).append(name)
        return self

    def named(self, path: str, may_be_short: bool) -> Sequence[str]:
        """Return the videos of a path, or else those that it names in short."""
        short = self.short.get(path, ()) if may_be_short else ()
        return self.paths.get(path) or list(dict.fromkeys((*self.stems.get(path, ()), *short)))


def _absolute(path: Path) -> str:
    """Return the absolute path without ``..``, links not followed."""
    return posixpath.normpath(_slashed(str(path.absolute())))


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _below(path: str, folder: str) -> str:
    """Return the rest of a path below a folder, or nothing: in any Unicode form, and on Windows in any case."""
    start = folder.rstrip("/") + "/"
    for kept, prefix in ((path, start), (_composed(path), _composed(start))):
        if os.path.normcase(kept[: len(prefix)]) == os.path.normcase(prefix):
            return kept[len(prefix) :]
    return ""
