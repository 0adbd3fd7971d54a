"""How one option of a run is written and shown: on the command line, in TOML, in a key, on a label and on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.errors import BadInput

BUDGET = "budget"


def _word(value: Any) -> list[str]:
    return [str(value)]


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Option:
    """How an option is written and shown; its name, type and default are those of the field that it annotates.

    flag: its name on the command line, and without the dashes, with ``_`` for ``-``, in TOML.
    takes: the type of its word, or of each of ``many`` words; bool for a flag without a word.
    example: of words in TOML, for messages.
    least: the smallest number that is allowed. parse: from its word or list of words to the value; raises BadInput.
    words: from the value to the words after the flag.
    key: where the value stands among the parts of a cell's key. Empty where it moves no number, and for what the
    data's fingerprint already holds. A default value adds nothing to the key.
    joins: the name of the option without which it has no effect; it is in the key whenever that one is.
    needs_epochs: whether it concerns only methods that are trained in epochs.
    label: its words in the line of a cell. heading, text: its name and its words on a row of the page.
    """

    flag: str
    help: str
    metavar: str | None = None
    takes: type = str
    many: bool = False
    example: str = ""
    choices: tuple[str, ...] = ()
    least: int | None = None
    parse: Callable[[Any], Any] | None = None
    words: Callable[[Any], list[str]] = _word
    key: tuple[str, ...] = ()
    joins: str = ""
    needs_epochs: bool = True
    label: Callable[[Any], str] | None = None
    heading: str = ""
    text: Callable[[Any], Any] = _itself

    @property
    def toml(self) -> str:
        """Return the name of the option in a TOML file and among the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def budget(self) -> str:
        """Return the name of the option in the budget of a record, or nothing where it is no budget."""
        return self.key[1] if self.key[:1] == (BUDGET,) else ""

    def read(self, given: Any) -> Any:
        """Return the value of a word, or of a list of words where the option takes many; raises BadInput."""
        value = self.parse(given) if self.parse else given
        if self.least is not None and value < self.least:
            raise BadInput(f"{self.flag} is out of range", expected=f"{self.least} or more", found=value)
        return value

    def arguments(self, value: Any) -> list[str]:
        """Return the words of a command line that ask for a value, the flag first."""
        return [self.flag, *([] if self.takes is bool else self.words(value))]
