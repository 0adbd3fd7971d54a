"""Codes as packed bits, and distances between them.

A code value is +1, -1 or, when it is the sign of a mean that vanished, 0. The distance of two codes of b bits
is (b - <a, c>) / 2, the number of differing bits when no value is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from benchmark.errors import BadInput

T = TypeVar("T")

WORD = 64
MAX_BITS = 32767  # twice a distance is held in 16 bits


class Codes(NamedTuple):
    """n codes of ``bits`` bits.

    packed: (n, ceil(bits / 64)) uint64; bit j of the code is bit j % 64 of word j // 64, set for +1; unused bits are 0.
    nonzero: same shape, set where the value is not 0; None when no value is 0.
    """

    packed: np.ndarray
    nonzero: np.ndarray | None
    bits: int

    @property
    def n(self) -> int:
        """Number of codes."""
        return int(self.packed.shape[0])


def pack(values: np.ndarray) -> Codes:
    """Binarise and pack (n, bits) values, real or integer: above 0 is +1, below is -1, exactly 0 stays 0.

    Raises BadInput for another number of dimensions, no bit, more than 32,767 bits, or a value that is not
    finite.
    """
    values = np.asarray(values)
    if values.ndim != 2 or not 1 <= values.shape[1] <= MAX_BITS:
        raise BadInput("codes have an unusable shape", expected="(n, bits)", found=values.shape)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("codes hold NaN or infinity; they have no sign")
    nonzero = values != 0
    mask = None if nonzero.all() else _pack_bits(nonzero)
    return Codes(_pack_bits(values > 0), mask, values.shape[1])


def joined(parts: Sequence[Codes]) -> Codes:
    """Return codes of the same length one after the other; at least one part."""
    zeros = any(part.nonzero is not None for part in parts)
    masks = np.concatenate([full_mask(part) for part in parts]) if zeros else None
    return Codes(np.concatenate([part.packed for part in parts]), masks, parts[0].bits)


def unpack(codes: Codes) -> np.ndarray:
    """Return (n, bits) int8 values in {-1, 0, +1}."""
    values = 2 * _unpack_bits(codes.packed, codes.bits).astype(np.int8) - np.int8(1)
    return values if codes.nonzero is None else values * _unpack_bits(codes.nonzero, codes.bits).astype(np.int8)


def full_mask(codes: Codes) -> np.ndarray:
    """Return the mask of non-zero values, (n, words) uint64, also where the codes carry none."""
    if codes.nonzero is not None:
        return codes.nonzero
    words = codes.packed.shape[1]
    mask = np.full(words, np.iinfo(np.uint64).max, np.uint64)
    mask[-1] >>= np.uint64(words * WORD - codes.bits)
    return np.broadcast_to(mask, codes.packed.shape)


def distances2(query: Codes, database: Codes) -> np.ndarray:
    """Return TWICE the distances, (query, database) int16: the plain reference, on the whole matrix."""
    same_bits(query, database)
    both = full_mask(query)[:, None] & full_mask(database)[None]
    differ = (query.packed[:, None] ^ database.packed[None]) & both
    counts = 2 * np.bitwise_count(differ).astype(np.int64) - np.bitwise_count(both)
    return (query.bits + counts.sum(axis=2)).astype(np.int16)


def nearest(
    query: Codes, database: Codes, k: int, exclude_self: bool = False, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest database rows of every query, ascending; equal distances in database order.

    ``exclude_self`` leaves out row q for query q (the queries are the database). A k beyond the database is
    cut to it. Zeros count as in the ternary distance. Returns rows (query, k) int64 and distances (query, k)
    float64.
    """
    from benchmark.evaluation.ranking import nearest_rows

    same_bits(query, database)
    if k < 1:
        raise BadInput("the number of neighbours must be positive", found=k)
    if exclude_self and query.n != database.n:
        raise BadInput("self can be excluded only when the queries are the database", found=(query.n, database.n))
    k = min(k, database.n - int(exclude_self))
    rows = np.empty((query.n, k), np.int64)
    bins = np.empty((query.n, k), np.uint16)
    words = kernel_words(query, database)

    def work(first: int, last: int) -> None:
        nearest_rows(*words, query.bits, exclude_self, first, last, rows, bins)

    for _ in in_batches(work, query.n, threads):
        pass
    return rows, bins / (2.0 if words[-1] else 1.0)


def kernel_words(query: Codes, database: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]:
    """Return query words and mask, database words and mask, (words, n) each, and whether masks matter."""
    ternary = query.nonzero is not None or database.nonzero is not None
    words: list[np.ndarray] = []
    for codes in (query, database):
        packed = np.ascontiguousarray(codes.packed.T)
        words += [packed, np.ascontiguousarray(full_mask(codes).T) if ternary else packed]
    return words[0], words[1], words[2], words[3], ternary


def in_batches(work: Callable[[int, int], T], n: int, threads: int | None = None, size: int = 64) -> Iterator[T]:
    """Call ``work(first, last)`` over ranges of ``size`` rows of 0..n-1 on threads; yield results in order.

    The ranges do not depend on the number of threads, so neither do sums made over the results. The default
    number of threads is numba's (NUMBA_NUM_THREADS, else the processors this process may use). It is read from numba's
    configuration: numba's function of that name starts OpenMP and thereby overrides OMP_NUM_THREADS for torch.
    """
    from numba import config

    ranges = [(first, min(first + size, n)) for first in range(0, n, size)]
    with ThreadPoolExecutor(threads or config.NUMBA_NUM_THREADS) as pool:  # type: ignore[attr-defined]
        yield from pool.map(lambda bounds: work(*bounds), ranges)


def same_bits(query: Codes, database: Codes) -> None:
    """Raise BadInput unless both sets of codes have the same number of bits."""
    if query.bits != database.bits:
        raise BadInput(f"query codes have {query.bits} bits and database codes {database.bits}; they must agree")


def _pack_bits(flags: np.ndarray) -> np.ndarray:
    n, bits = flags.shape
    words = -(-bits // WORD)
    octets = np.zeros((n, words * 8), np.uint8)
    packed = np.packbits(flags, axis=1, bitorder="little")
    octets[:, : packed.shape[1]] = packed
    return octets.view("<u8").astype(np.uint64, copy=False)


def _unpack_bits(words: np.ndarray, bits: int) -> np.ndarray:
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=bits, bitorder="little")
