"""Ways in which bytes of a file go wrong, as hypothesis strategies, and the check of what a command makes of them."""

from __future__ import annotations

import contextlib
import io
import traceback
from dataclasses import dataclass

from hypothesis import strategies as st

from benchmark.cli import main
from tests.support.fault_inputs import Outcome


@dataclass(frozen=True)
class Mutation:
    """One change of a file's bytes; places are shares of its length, so that they fit any file."""

    kind: str
    place: float
    length: int
    value: int

    def apply(self, data: bytes) -> bytes:
        """Return the changed bytes."""
        first = min(int(self.place * len(data)), max(0, len(data) - 1))
        last = min(len(data), first + self.length)
        changed = {
            "flip": lambda: data[:first] + bytes([data[first] ^ (1 << self.value % 8)]) + data[first + 1 :],
            "byte": lambda: data[:first] + bytes([self.value]) + data[first + 1 :],
            "zeros": lambda: data[:first] + bytes(last - first) + data[last:],
            "ones": lambda: data[:first] + b"\xff" * (last - first) + data[last:],
            "cut": lambda: data[:first],
            "drop": lambda: data[:first] + data[last:],
            "twice": lambda: data[:last] + data[first:],
            "behind": lambda: data + bytes([self.value]) * self.length,
        }[self.kind]
        return changed() if data else data


def mutations(head: float = 1.0) -> st.SearchStrategy[Mutation]:
    """Draw a change; half of the places are in the first ``head`` of the file, where formats keep their structure."""
    places = st.one_of(st.floats(0, head), st.floats(0, 1))
    kinds = st.sampled_from(["flip", "flip", "flip", "byte", "zeros", "ones", "cut", "drop", "twice", "behind"])
    return st.builds(Mutation, kinds, places, st.integers(1, 64), st.integers(0, 255))


def fields(text: str, separator: str) -> st.SearchStrategy[str]:
    """Draw a table with one field or one line taken out, moved or doubled."""
    lines = text.split("\n")

    def change(line: int, field: int, how: str) -> str:
        parts = lines[line].split(separator)
        place = field % len(parts)
        new = {
            "no field": [separator.join(parts[:place] + parts[place + 1 :])],
            "empty field": [separator.join([*parts[:place], "", *parts[place + 1 :]])],
            "one field more": [separator.join([*parts, "more"])],
            "no line": [],
            "line twice": [lines[line], lines[line]],
            "spaces": [separator.join(f" {part} " for part in parts)],
        }[how]
        return "\n".join([*lines[:line], *new, *lines[line + 1 :]])

    ways = ["no field", "empty field", "one field more", "no line", "line twice", "spaces"]
    return st.builds(change, st.integers(0, len(lines) - 1), st.integers(0, 9), st.sampled_from(ways))


def call(*words: object) -> Outcome:
    """Run a command in this process and return what it did; a traceback is a failure of the test."""
    out, err = io.StringIO(), io.StringIO()
    told = tuple(map(str, words))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(told))
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except Exception:
            raise AssertionError(f"{' '.join(told)}\n{traceback.format_exc()[-2000:]}") from None
    outcome = Outcome(told, code, out.getvalue(), err.getvalue())
    assert "Traceback" not in outcome.text, outcome.text[-800:]
    return outcome
