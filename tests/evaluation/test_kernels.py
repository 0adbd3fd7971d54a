"""The streaming evaluator against the plain reference on random and on awkward cases."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BadInput
from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.hamming import Codes, distances2, joined, nearest, pack, unpack
from benchmark.evaluation.protocol import FIELD, PRESETS, STRICT, Protocol
from benchmark.paths import ROOT
from tests.reference.plain_metrics import plain_metrics

DEVICES = [torch.device(name) for name in ("cpu", "cuda") if name == "cpu" or torch.cuda.is_available()]
"""On which ranking by torch is compared with the compiled kernels."""

EVERY = {
    "-".join(options): Protocol(denominator=options[0], self_match=options[1], ties=options[2], zeros=options[3])
    for options in product(
        ("k", "min", "relevant", "hits"),
        ("include", "exclude"),
        ("index", "expected"),
        ("ternary", "positive", "negative"),
    )
}


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert found[name].keys() == value.keys()
            for part, numbers in value.items():
                ours, theirs = np.array(found[name][part], float), np.array(numbers, float)
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10, err_msg=f"{name} {part}")
        else:
            assert found[name] == pytest.approx(value, rel=0, abs=1e-10), name


def compare(query, database, query_labels, database_labels, ks, self_retrieval, protocols) -> None:
    results = evaluate(
        pack(query), pack(database), query_labels, database_labels, protocols, ks, self_retrieval, threads=2
    )
    assert list(results) == list(protocols)
    for device in DEVICES:
        there = evaluate(
            pack(query), pack(database), query_labels, database_labels, protocols, ks, self_retrieval, device=device
        )
        for name, result in results.items():
            assert np.array_equal(there[name].ap, result.ap), (name, device)
            assert there[name].metrics == result.metrics, (name, device)
    for name, result in results.items():
        metrics, ap = plain_metrics(
            query, database, query_labels, database_labels, protocols[name], tuple(sorted(ks)), self_retrieval
        )
        np.testing.assert_allclose(result.ap, ap, rtol=0, atol=1e-10, err_msg=name)
        assert_same(result.metrics, metrics)


def draw(rng, n, bits, zeros, variety=0):
    values = rng.choice([-1, 1], (n, bits))
    if variety:
        values = values[rng.integers(0, min(variety, n), n)]
    return np.where(rng.random((n, bits)) < zeros, 0, values)


@pytest.mark.parametrize("bits", [1, 16, 64, 100, 128])
@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_every_protocol_equals_the_reference(bits: int, zeros: float) -> None:
    rng = np.random.default_rng(bits)
    database = draw(rng, 45, bits, zeros)
    labels = (rng.random((45, 6)) < 0.2).astype(np.uint8)
    compare(database, database, labels, labels, (1, 5, 7, 40, 200), True, EVERY)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_query=st.integers(1, 12),
    n_database=st.integers(1, 150),
    bits=st.sampled_from([1, 2, 16, 63, 64, 65, 100]),
    variety=st.sampled_from([0, 1, 3]),
    zeros=st.sampled_from([0.0, 0.0, 0.4, 1.0]),
    density=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    ids=st.booleans(),
    self_retrieval=st.booleans(),
    names=st.sets(st.sampled_from(sorted(EVERY)), min_size=1, max_size=4),
    ks=st.sets(st.integers(1, 200), min_size=1, max_size=4),
)
def test_random_cases(seed, n_query, n_database, bits, variety, zeros, density, ids, self_retrieval, names, ks) -> None:
    rng = np.random.default_rng(seed)
    database, query = draw(rng, n_database, bits, zeros, variety), draw(rng, n_query, bits, 0.0)
    if ids:
        labels, of_query = rng.integers(-2, 4, n_database), rng.integers(-2, 9, n_query)
    else:
        labels, of_query = rng.random((n_database, 7)) < density, rng.random((n_query, 7)) < density
    protocols = {name: EVERY[name] for name in sorted(names)}
    pairs = (database, database, labels, labels) if self_retrieval else (query, database, of_query, labels)
    compare(*pairs, tuple(ks), self_retrieval, protocols)


def test_more_items_than_a_block_and_more_queries_than_a_batch() -> None:
    rng = np.random.default_rng(3)
    database, labels = draw(rng, 9000, 16, 0.1), (rng.random((9000, 5)) < 0.15).astype(np.uint8)
    query, of_query = draw(rng, 70, 16, 0.1), (rng.random((70, 5)) < 0.3).astype(np.uint8)
    protocols = {**PRESETS, "hits": PRESETS[STRICT].model_copy(update={"denominator": "hits"})}
    compare(query, database, of_query, labels, (5, 100, 3000), False, protocols)


@pytest.mark.parametrize("self_retrieval", [False, True])
def test_database_of_one(self_retrieval: bool) -> None:
    one, labels = np.ones((1, 16)), np.ones((1, 1), np.uint8)
    compare(one, one, labels, labels, (1, 5), self_retrieval, EVERY)
    strict = evaluate(pack(one), pack(one), labels, labels, {"s": PRESETS[STRICT]}, (5,), self_retrieval)["s"]
    assert strict.metrics["map@5"] == (0.0 if self_retrieval else 1.0)
    assert len(strict.metrics["pr_rank"]["rank"]) == (0 if self_retrieval else 1)


def test_identical_codes_rank_by_chance() -> None:
    labels = np.arange(40) % 4
    codes = pack(np.ones((40, 32)))
    metrics = evaluate(codes, codes, labels, labels, {"s": PRESETS[STRICT]}, (1, 10), self_retrieval=True)["s"].metrics
    assert metrics["map@1"] == pytest.approx(9 / 39, abs=1e-12)
    assert metrics["precision@10"] == pytest.approx(9 / 39, abs=1e-12)
    assert metrics["pr_radius"]["recall_micro"] == [1.0] * 33


def test_without_any_relevant_item() -> None:
    rng = np.random.default_rng(0)
    codes, database = pack(draw(rng, 6, 16, 0)), pack(draw(rng, 20, 16, 0))
    result = evaluate(codes, database, np.zeros((6, 3)), np.ones((20, 3)), PRESETS)
    for each in result.values():
        assert each.metrics["queries_without_relevant"] == 6
        assert not each.ap.any()
        assert each.metrics["recall@100"] == each.metrics["ceiling@5"] == 0.0


def test_ceiling_is_reached_by_a_perfect_ranking() -> None:
    labels = np.repeat(np.arange(3), 8)
    codes = pack(np.where(np.arange(3)[:, None] == np.arange(3), 1, -1)[labels])
    for name, protocol in EVERY.items():
        metrics = evaluate(codes, codes, labels, labels, {name: protocol}, (5, 10), True)[name].metrics
        for at in ("@5", "@10", ""):
            assert metrics[f"map{at}"] == pytest.approx(metrics[f"ceiling{at}"], abs=1e-12), (name, at)
    field = evaluate(codes, codes, labels, labels, {"f": PRESETS[FIELD]}, (5, 10), True)["f"].metrics
    assert (field["ceiling@5"], field["ceiling@10"], field["ceiling"]) == pytest.approx((1.0, 0.8, 1.0))


def test_bits_of_the_result_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(5)
    codes, labels = pack(draw(rng, 700, 32, 0.05)), rng.random((700, 9)) < 0.2
    results = [
        evaluate(codes, codes, labels, labels, PRESETS, self_retrieval=True, threads=threads)
        for threads in (1, 2, 7, None)
    ]
    for other in results[1:]:
        for name in PRESETS:
            assert other[name].metrics == results[0][name].metrics
            assert np.array_equal(other[name].ap, results[0][name].ap)


def test_evaluation_leaves_the_threads_of_torch_as_they_are() -> None:
    program = (
        "import torch; from benchmark.evaluation import evaluator; "
        "before = torch.get_num_threads(); evaluator.warm_up(); print(before, torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1"]


def test_self_match_is_without_effect_between_two_sets() -> None:
    rng = np.random.default_rng(6)
    codes, labels = pack(draw(rng, 30, 16, 0)), rng.integers(0, 3, 30)
    both = {"in": PRESETS[FIELD], "out": PRESETS[FIELD].model_copy(update={"self_match": "exclude"})}
    apart = evaluate(codes, codes, labels, labels, both)
    together = evaluate(codes, codes, labels, labels, both, self_retrieval=True)
    assert apart["in"].metrics == apart["out"].metrics == together["in"].metrics
    assert together["out"].metrics["map@5"] < together["in"].metrics["map@5"]


def test_curves_hold_few_points_and_end_at_the_last_rank() -> None:
    rng = np.random.default_rng(7)
    codes, labels = pack(draw(rng, 3000, 16, 0)), rng.integers(0, 3, 3000)
    curve = evaluate(codes, codes, labels, labels, {"f": PRESETS[FIELD]}, self_retrieval=True)["f"].metrics["pr_rank"]
    assert curve["rank"][:100] == list(range(1, 101))
    assert curve["rank"][-1] == 3000
    assert len(curve["rank"]) == len(set(curve["rank"])) <= 200
    assert curve["recall"][-1] == pytest.approx(1.0)


@pytest.mark.parametrize("bits", [1, 63, 64, 65, 130])
@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_packing_and_neighbours(bits: int, zeros: float) -> None:
    rng = np.random.default_rng(bits)
    a, c = draw(rng, 40, bits, zeros), draw(rng, 40, bits, zeros)
    query, database = pack(a * 0.25), pack(c.astype(np.int8))
    assert query.packed.shape == (40, -(-bits // 64))
    assert (query.nonzero is None) == (zeros == 0)
    assert np.array_equal(unpack(query), a)
    twice = distances2(query, database)
    assert np.array_equal(twice, bits - a @ c.T)
    rows, distances = nearest(query, database, 7, exclude_self=True)
    np.fill_diagonal(twice, 10_000)
    expected = np.argsort(twice, axis=1, kind="stable")[:, :7]
    assert np.array_equal(rows, expected)
    assert np.array_equal(2 * distances, np.take_along_axis(twice, expected, axis=1))
    assert nearest(query, database, 99, exclude_self=True)[0].shape == (40, 39)


def test_what_does_not_fit_is_refused() -> None:
    codes, labels = pack(np.ones((4, 16))), np.arange(4)

    def refused(match: str, *arguments, **options) -> None:
        with pytest.raises(BadInput, match=match):
            evaluate(*arguments, PRESETS, **options)

    refused("must agree", codes, pack(np.ones((4, 17))), labels, labels)
    refused("query labels do not fit the codes; expected 4 rows, found 3", codes, codes, labels[:3], labels)
    refused("positive whole number; found 0", codes, codes, labels, labels, ks=(0, 5))
    refused("no K is given", codes, codes, labels, labels, ks=())
    refused("both be class ids", codes, codes, labels, np.eye(4))
    refused("number of classes; found 4 and 3", codes, codes, np.eye(4), np.eye(4)[:, :3])
    refused("0 and 1 only, found 2", codes, codes, np.eye(4) * 2, np.eye(4))
    refused("same codes and labels", codes, pack(-np.ones((4, 16))), labels, labels, self_retrieval=True)
    refused("no query code", Codes(codes.packed[:0], None, 16), codes, labels[:0], labels)
    for wrong, match in (
        (np.ones(4), "unusable shape"),
        (np.full((4, 2), np.nan), "NaN"),
        (np.ones((4, 0)), "unusable shape"),
    ):
        with pytest.raises(BadInput, match=match):
            pack(wrong)
    with pytest.raises(BadInput, match="must be positive"):
        nearest(codes, codes, 0)


def test_joined_codes_are_the_codes_of_all() -> None:
    rng = np.random.default_rng(0)
    for zeros in (0.0, 0.2):
        parts = [draw(rng, n, 70, zeros if n > 3 else 0.0) for n in (3, 8, 1)]
        whole, ours = pack(np.concatenate(parts)), joined([pack(part) for part in parts])
        assert np.array_equal(ours.packed, whole.packed) and ours.bits == 70
        assert (ours.nonzero is None) == (whole.nonzero is None)
        assert whole.nonzero is None or np.array_equal(ours.nonzero, whole.nonzero)
