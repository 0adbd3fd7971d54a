"""What codes look like without labels: balance, redundancy, collisions."""

from __future__ import annotations

import numpy as np

from benchmark.errors import BadInput
from benchmark.evaluation.hamming import Codes, unpack


def diagnose(codes: Codes) -> dict[str, float | int]:
    """Return label-free diagnostics of n codes.

    bit_balance: mean over bits of |mean of the bit's values|, 0 (even) to 1 (constant). bit_correlation: mean
    |Pearson correlation| over pairs of bits, 0 for a single bit; a constant bit carries no information of its
    own and counts as correlation 1 with every other. distinct_codes, distinct_share: different codes, and
    their share of n. zero_share: share of values that are exactly 0. constant_bits: bits with one value
    everywhere. entropy_bits: Shannon entropy in bits of the distribution of whole codes, at most log2(n).
    Raises BadInput when there is no code.
    """
    if codes.n == 0:
        raise BadInput("there is no code to diagnose")
    values = unpack(codes)
    counts = _multiplicities(codes)
    share = counts / codes.n
    constant = (values == values[0]).all(axis=0)
    return {
        "bit_balance": float(np.abs(values.mean(axis=0, dtype=np.float64)).mean()),
        "bit_correlation": _correlation(values, constant),
        "distinct_codes": len(counts),
        "distinct_share": len(counts) / codes.n,
        "zero_share": float((values == 0).mean()),
        "constant_bits": int(constant.sum()),
        "entropy_bits": max(0.0, float(-(share * np.log2(share)).sum())),
    }


def _multiplicities(codes: Codes) -> np.ndarray:
    parts = [codes.packed] if codes.nonzero is None else [codes.packed, codes.nonzero]
    rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
    keys = rows[:, 0] if rows.shape[1] == 1 else rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    return np.unique(keys, return_counts=True)[1]


def _correlation(values: np.ndarray, constant: np.ndarray) -> float:
    bits = values.shape[1]
    if bits == 1:
        return 0.0
    centred = values - values.mean(axis=0, dtype=np.float64)
    norms = np.sqrt((centred**2).sum(axis=0))
    correlation = np.abs(centred.T @ centred) / np.where(constant, 1.0, np.outer(norms, norms).clip(min=1e-300))
    correlation[constant] = 1.0
    correlation[:, constant] = 1.0
    return float((correlation.sum() - np.trace(correlation)) / (bits * (bits - 1)))
