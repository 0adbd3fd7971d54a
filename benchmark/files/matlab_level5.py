"""The structure of a MATLAB file of version 5 to 7.2, checked before scipy reads it: damaged ones end its process.

The format is that of MathWorks' "MAT-File Format" (level 5): a header of 128 bytes, then elements of a type, a length
and data, of which those of type miMATRIX hold flags, dimensions, a name and values.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple

import numpy as np

HEADER = 128

_MATRIX, _COMPRESSED = 14, 15
_SPARSE, _NUMERIC = 5, range(6, 16)
"""Classes of arrays: sparse, and double to uint64."""

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, by the type of an element."""

_LOGICAL, _COMPLEX = 0x200, 0x800
_LARGEST = 2**34
"""Bytes up to which a variable is decompressed (our choice)."""


class Element(NamedTuple):
    """The type of an element and its data."""

    type: int
    data: bytes


def numbers(content: bytes) -> dict[str, bool]:
    """Return, for each variable of a whole file, whether it is an array of numbers, dense or sparse.

    Raises ValueError, struct.error, KeyError or zlib.error where an element is cut short or contradicts another.
    """
    order = "<" if content[126:HEADER] == b"IM" else ">"
    variables: dict[str, bool] = {}
    place = HEADER
    while place < len(content):
        kind, count = struct.unpack_from(f"{order}II", content, place)
        body = _cut(content, place + 8, count)
        place += 8 + count
        if kind == _COMPRESSED:
            body = _decompressed(body)
            kind, count = struct.unpack_from(f"{order}II", body)
            body = _cut(body, 8, count)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} in place of a variable")
        name, is_number = _variable(_elements(body, order), order)
        variables[name] = is_number
    return variables


def _cut(data: bytes, start: int, count: int) -> bytes:
    body = data[start : start + count]
    if len(body) < count:
        raise ValueError(f"an element of {count} bytes has only {len(body)}")
    return body


def _decompressed(body: bytes) -> bytes:
    reader = zlib.decompressobj()
    data = reader.decompress(body, _LARGEST)
    if not reader.eof:
        raise ValueError("a compressed variable is cut short or too large")
    return data


def _elements(body: bytes, order: str) -> list[Element]:
    """Return the elements inside of a variable; those of up to 4 bytes share their tag."""
    elements = []
    place = 0
    while place + 8 <= len(body):
        kind, count = struct.unpack_from(f"{order}II", body, place)
        if kind >> 16:
            if kind >> 16 > 4:
                raise ValueError("a short element is longer than 4 bytes")
            elements.append(Element(kind & 0xFFFF, _cut(body, place + 4, kind >> 16)))
            place += 8
        else:
            elements.append(Element(kind, _cut(body, place + 8, count)))
            place += 8 + -(-count // 8) * 8
    return elements


def _variable(elements: list[Element], order: str) -> tuple[str, bool]:
    """Return name and whether the values are numbers; raises ValueError where flags, sizes and values disagree."""
    if len(elements) < 3 or len(elements[0].data) != 8 or len(elements[1].data) % 4:
        raise ValueError("a variable without flags, dimensions or a name")
    (flags,) = struct.unpack_from(f"{order}I", elements[0].data)
    shape = np.frombuffer(elements[1].data, f"{order}i4").tolist()
    name, kind, values = elements[2].data.decode("latin-1"), flags & 0xFF, elements[3:]
    if any(size < 0 for size in shape) or len(shape) < 2:
        raise ValueError(f"the variable '{name}' has the shape {tuple(shape)}")
    if kind not in (*_NUMERIC, _SPARSE):
        return name, False
    if kind == _SPARSE and flags & _LOGICAL and len(values) == 3:
        values = [*values[:2], _logical(values[2], count=len(values[0].data) // 4)]
    parts = [np.frombuffer(element.data, order + _TYPES[element.type]) for element in values]
    expected = (3 if kind == _SPARSE else 1) + bool(flags & _COMPLEX)
    if len(parts) != expected:
        raise ValueError(f"the variable '{name}' has {len(parts)} parts, not {expected}")
    if kind == _SPARSE:
        _check_sparse(name, shape, parts)
    elif any(len(part) != math.prod(shape) for part in parts):
        raise ValueError(f"the variable '{name}' has {len(parts[0])} values, not {math.prod(shape)}")
    return name, True


def _logical(element: Element, count: int) -> Element:
    """Return the ``count`` values or fewer of a sparse logical matrix; MATLAB says double where it stores bytes."""
    return Element(2, element.data) if element.type == 9 and len(element.data) <= count else element


def _check_sparse(name: str, shape: list[int], parts: list[np.ndarray]) -> None:
    """Raise ValueError unless the places of a sparse matrix lie inside of it."""
    rows, starts, *values = parts
    if len(shape) != 2 or len(starts) != shape[1] + 1 or starts[0] != 0 or (np.diff(starts.astype(float)) < 0).any():
        raise ValueError(f"the sparse variable '{name}' has wrong columns")
    used = rows[: int(starts[-1])]
    if len(used) < starts[-1] or any(len(part) < len(used) for part in values):
        raise ValueError(f"the sparse variable '{name}' has too few values")
    if used.size and (used.min() < 0 or used.max() >= shape[0]):
        raise ValueError(f"the sparse variable '{name}' has rows beyond its {shape[0]}")
