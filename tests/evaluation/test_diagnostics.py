"""Diagnostics of codes against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import BadInput
from benchmark.evaluation.diagnostics import diagnose
from benchmark.evaluation.hamming import Codes, pack


def test_balanced_independent_bits() -> None:
    every = 2 * ((np.arange(16)[:, None] >> np.arange(4)) & 1) - 1
    assert diagnose(pack(every)) == pytest.approx(
        {
            "bit_balance": 0.0,
            "bit_correlation": 0.0,
            "distinct_codes": 16,
            "distinct_share": 1.0,
            "zero_share": 0.0,
            "constant_bits": 0,
            "entropy_bits": 4.0,
        }
    )


def test_constant_and_repeated_bits() -> None:
    bit = np.array([1, 1, 1, -1])
    found = diagnose(pack(np.stack([bit, -bit, np.ones(4)], axis=1)))
    assert found["constant_bits"] == 1
    assert found["bit_correlation"] == pytest.approx(1.0)
    assert found["bit_balance"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert (found["distinct_codes"], found["distinct_share"]) == (2, 0.5)
    assert found["entropy_bits"] == pytest.approx(-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)))


def test_correlation_equals_numpy() -> None:
    values = np.random.default_rng(0).choice([-1, 0, 1], (50, 70), p=[0.5, 0.2, 0.3])
    found = diagnose(pack(values))
    matrix = np.abs(np.corrcoef(values.T))
    assert found["bit_correlation"] == pytest.approx(matrix[~np.eye(70, dtype=bool)].mean())
    assert found["zero_share"] == pytest.approx((values == 0).mean())


def test_zeros_make_codes_distinct() -> None:
    assert diagnose(pack(np.array([[1, 0], [1, -1], [1, 0]])))["distinct_codes"] == 2


def test_collapsed_codes_and_a_single_bit() -> None:
    collapsed = diagnose(pack(np.ones((5, 8))))
    assert (collapsed["entropy_bits"], collapsed["bit_correlation"], collapsed["distinct_codes"]) == (0.0, 1.0, 1)
    assert diagnose(pack(np.array([[1], [-1]])))["bit_correlation"] == 0.0
    with pytest.raises(BadInput, match="no code to diagnose"):
        diagnose(Codes(np.zeros((0, 1), np.uint64), None, 8))
