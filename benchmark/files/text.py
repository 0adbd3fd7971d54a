"""Text files that people write: read as UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from benchmark.errors import BadInput

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, missing: str = "correct the path") -> str:
    """Return the text of a UTF-8 file without its byte order mark; line ends stay as they are.

    missing: the next step where there is no such file. Raises BadInput, which names the file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path, next_step=missing) from error
    except IsADirectoryError as error:
        raise BadInput("is a folder, not a file", file=path) from error
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror or error})", file=path) from error
    except ValueError as error:  # a name that no file can have
        raise BadInput(f"cannot be the name of a file ({error})", file=repr(str(path))) from error
    if data.startswith(_UTF_16):
        raise BadInput("is UTF-16 text", file=path, expected="UTF-8", next_step="save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(f"line {line}: is no UTF-8 text", file=path, next_step="save it as UTF-8") from error
    if "\0" in text:
        raise BadInput("holds zero bytes, so it is no UTF-8 text", file=path, next_step="save it as UTF-8")
    return text
