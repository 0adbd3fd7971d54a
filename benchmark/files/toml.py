"""The one reader of TOML files.

``read_toml(path)`` returns the tables of a file. A missing file, other encodings and TOML that is wrong are BadInput;
what keys a file may have is for its caller to check.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from benchmark.errors import BadInput
from benchmark.files.text import read_text

_LONGEST = 160
"""Characters that a message quotes of what the parser says (our choice)."""


def read_toml(path: Path, missing: str = "correct the path") -> dict[str, Any]:
    """Return the content of a TOML file in UTF-8, with or without a byte order mark.

    missing: the next step where there is no such file. Raises BadInput, which names the file and the line.
    """
    text = read_text(path, missing)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise BadInput("is not readable TOML (nested too deeply)", file=path) from error
    except ValueError as error:  # TOMLDecodeError, and what Python says of numbers and dates
        reason = str(error)
        reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}..."
        raise BadInput(f"is not readable TOML ({reason})", file=path, next_step="correct that line") from error
