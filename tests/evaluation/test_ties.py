"""Expected ties are exact: enumeration of all orders, Monte Carlo over random orders; scikit-learn without ties."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.hamming import pack
from benchmark.evaluation.protocol import FIELD, PRESETS
from tests.reference.plain_metrics import average_precision, expected_average_precision

DENOMINATORS = ("k", "min", "relevant", "hits")
EXPECTED = {name: PRESETS[FIELD].model_copy(update={"denominator": name, "ties": "expected"}) for name in DENOMINATORS}
INDEX = {name: PRESETS[FIELD].model_copy(update={"denominator": name}) for name in DENOMINATORS}


def codes_at(distances: np.ndarray, bits: int) -> np.ndarray:
    """Codes whose distances to the code of ones are as given."""
    return np.where(np.arange(bits) < np.asarray(distances)[:, None], -1, 1)


def every_order(distances: np.ndarray, relevant: np.ndarray) -> list[np.ndarray]:
    buckets = [relevant[distances == d].tolist() for d in np.unique(distances)]
    return [np.concatenate(order) for order in product(*(list(permutations(bucket)) for bucket in buckets))]


@pytest.mark.parametrize("seed", range(25))
def test_mean_over_all_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    distances, relevant = rng.integers(0, 3, n), rng.random(n) < 0.5
    ks = tuple(range(1, n + 2))
    orders = every_order(distances, relevant)
    assert len(orders) > 1 or len(np.unique(distances)) == n
    labels = np.where(relevant, 1, 0)
    results = evaluate(pack(np.ones((1, 4))), pack(codes_at(distances, 4)), np.array([1]), labels, EXPECTED, ks)
    sizes = np.bincount(distances, minlength=3)
    hits = np.bincount(distances, weights=relevant, minlength=3).astype(int)
    for name, result in results.items():
        for j, (k, divided_by) in enumerate([*((k, name) for k in ks), (n, "relevant")]):
            mean = np.mean([average_precision(order, k, divided_by) for order in orders])
            assert result.ap[0, j] == pytest.approx(mean, rel=0, abs=1e-13), (name, k)
            assert expected_average_precision(sizes, hits, k, divided_by) == pytest.approx(mean, rel=0, abs=1e-13)
        for k in ks:
            chance = np.mean([order[:k].sum() / k for order in orders])
            assert result.metrics[f"precision@{k}"] == pytest.approx(chance, rel=0, abs=1e-13)


def test_mean_over_random_orders() -> None:
    """Shuffling the database makes ties by index a uniformly random order: 3,000 draws, four standard errors."""
    rng = np.random.default_rng(11)
    ks = (1, 5, 20, 60)
    database = rng.choice([-1, 0, 1], (80, 6), p=[0.45, 0.1, 0.45])
    query, of_query, labels = rng.choice([-1, 1], (15, 6)), rng.integers(0, 4, 15), rng.integers(0, 4, 80)
    exact = evaluate(pack(query), pack(database), of_query, labels, EXPECTED, ks)
    draws: dict[str, list[np.ndarray]] = {name: [] for name in DENOMINATORS}
    for _ in range(3000):
        order = rng.permutation(80)
        shuffled = evaluate(pack(query), pack(database[order]), of_query, labels[order], INDEX, ks, threads=1)
        for name, result in shuffled.items():
            draws[name].append(result.ap.mean(axis=0))
    for name, result in exact.items():
        means, errors = np.mean(draws[name], axis=0), np.std(draws[name], axis=0) / np.sqrt(3000)
        assert (errors[:3] > 1e-5).all()
        assert (np.abs(result.ap.mean(axis=0) - means) < 4 * errors + 1e-12).all(), name


def test_large_buckets_stay_accurate() -> None:
    """The closed form against exact summation, position by position, in a ranking of 200,000 items."""
    rng = np.random.default_rng(2)
    distances = rng.binomial(16, 0.5, 200_000)
    labels = (rng.random(200_000) < 0.01).astype(int)
    ks = (5, 100, 5_000, 150_000, 200_000)
    query = np.ones((1, 16))
    results = evaluate(pack(query), pack(codes_at(distances, 16)), np.array([1]), labels, EXPECTED, ks)
    sizes = np.bincount(distances, minlength=17)
    hits = np.bincount(distances, weights=labels, minlength=17).astype(int)
    for name in ("k", "min", "relevant"):
        for j, (k, divided_by) in enumerate([*((k, name) for k in ks), (200_000, "relevant")]):
            expected = expected_average_precision(sizes, hits, k, divided_by)
            assert results[name].ap[0, j] == pytest.approx(expected, rel=1e-11)
    for j, k in enumerate(ks[:2]):
        expected = expected_average_precision(sizes, hits, k, "hits")
        assert results["hits"].ap[0, j] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("ties", ["index", "expected"])
def test_scikit_learn_where_no_two_distances_are_equal(ties: str) -> None:
    rng = np.random.default_rng(4)
    distances = rng.permutation(101)[:80]
    query = np.stack([np.ones(100), -np.ones(100)])
    labels = (rng.random((80, 5)) < 0.3).astype(np.uint8)
    of_query = np.eye(5, dtype=np.uint8)[:2]
    protocol = PRESETS[FIELD].model_copy(update={"denominator": "relevant", "ties": ties})
    database = pack(codes_at(distances, 100))
    result = evaluate(pack(query), database, of_query, labels, {"p": protocol})["p"]
    scores = -np.stack([distances, 100 - distances])
    expected = [average_precision_score(labels[:, q], scores[q]) for q in range(2)]
    np.testing.assert_allclose(result.ap[:, -1], expected, rtol=0, atol=1e-12)
    assert result.metrics["map"] == pytest.approx(np.mean(expected), rel=0, abs=1e-12)
