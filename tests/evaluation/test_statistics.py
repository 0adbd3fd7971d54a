"""Statistics against scipy, brute force, published numbers and simulation."""

import itertools
import math
import statistics as stdlib
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from benchmark.errors import BadInput
from benchmark.evaluation import statistics


def skewed(n, m, seed=0):
    return np.random.default_rng(seed).beta(0.4, 0.8, (n, m))


def test_mean_and_deviation():
    assert statistics.mean_deviation([]) == (None, None)
    assert statistics.mean_deviation([0.25]) == (0.25, None)
    values = [0.1, 0.2, 0.4]
    assert statistics.mean_deviation(values) == (stdlib.fmean(values), stdlib.stdev(values))
    assert statistics.mean_deviation(values)[1] == pytest.approx(np.std(values, ddof=1))


def test_interval_equals_scipys_up_to_the_noise_of_resampling():
    scores = skewed(80, 3)
    low, high = statistics.bootstrap_interval(scores, rounds=20_000, seed=1)
    theirs = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=20_000, rng=2, batch=500)
    width = high - low
    assert np.abs(low - theirs.confidence_interval.low).max() < 0.03 * width.min()
    assert np.abs(high - theirs.confidence_interval.high).max() < 0.03 * width.min()


def test_interval_of_two_queries_is_that_of_all_four_resamples():
    means = statistics.resampled_means(np.array([[0.0], [1.0]]), rounds=4000, seed=0)
    assert set(np.unique(means)) == {0.0, 0.5, 1.0}
    assert (means == 0.5).mean() == pytest.approx(0.5, abs=0.03)


def test_levels_nest():
    scores = skewed(50, 2)
    low, high = statistics.bootstrap_interval(scores, level=0.9, seed=0)
    wide_low, wide_high = statistics.bootstrap_interval(scores, level=0.99, seed=0)
    mean = scores.mean(axis=0)
    assert (wide_low < low).all() and (low < mean).all() and (mean < high).all() and (high < wide_high).all()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    scores = rng.beta(0.8, 1.2, (100, 600))
    low, high = statistics.bootstrap_interval(scores, rounds=1000, seed=0)
    assert 0.92 < ((low <= 0.4) & (high >= 0.4)).mean() < 0.97


@pytest.mark.parametrize("n", [1, 7, 64, 130])
def test_results_do_not_depend_on_blocks_and_columns_share_resamples(monkeypatch, n):
    scores = skewed(n, 3)
    means = statistics.resampled_means(scores, rounds=50, seed=3)
    sums = statistics.flipped_sums(scores, rounds=50, seed=3)
    monkeypatch.setattr(statistics, "BLOCK", 8 * n * 7)
    assert statistics.resampled_means(scores, rounds=50, seed=3) == pytest.approx(means, rel=1e-12)
    assert statistics.flipped_sums(scores, rounds=50, seed=3) == pytest.approx(sums, abs=1e-11)
    one = scores[:, :1] - scores[:, 1:2]
    assert statistics.resampled_means(one, rounds=50, seed=3)[:, 0] == pytest.approx(means[:, 0] - means[:, 1])
    assert statistics.flipped_sums(one, rounds=50, seed=3)[:, 0] == pytest.approx(sums[:, 0] - sums[:, 1])


def test_same_seed_same_numbers_other_seed_others():
    scores = skewed(40, 2)
    for function in (statistics.resampled_means, statistics.flipped_sums):
        first = function(scores, rounds=20, seed=1)
        assert np.array_equal(first, function(scores, rounds=20, seed=1))
        assert not np.array_equal(first, function(scores, rounds=20, seed=2))


def test_memory_beside_the_scores_stays_bounded(monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK", 2**22)
    scores = skewed(20_000, 2)
    tracemalloc.start()
    statistics.bootstrap_interval(scores, rounds=100, seed=0)
    statistics.paired_permutation(scores, rounds=100, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * 2**22


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_small_permutation_tests_are_exact(n):
    differences = np.random.default_rng(n).normal(0.3, 1, (n, 4))
    signs = np.array(list(itertools.product([1, -1], repeat=n)))
    sums = np.abs(signs @ differences)
    brute = (sums >= np.abs(differences.sum(axis=0)) - 1e-9).mean(axis=0)
    assert statistics.paired_permutation(differences, seed=0) == pytest.approx(brute, abs=0)
    if n > 1:
        theirs = stats.permutation_test(
            (differences,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True
        )
        assert statistics.paired_permutation(differences, seed=0) == pytest.approx(theirs.pvalue)


def test_large_permutation_tests_agree_with_scipys_random_ones():
    differences = np.random.default_rng(0).normal([0, 0.1, 0.2, 0.3], 1, (100, 4))
    ours = statistics.paired_permutation(differences, rounds=20_000, seed=0)
    theirs = stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True, n_resamples=20_000,
        rng=1, batch=500,
    )  # fmt: skip
    assert ours == pytest.approx(theirs.pvalue, abs=0.012)
    assert (np.diff(ours) < 0).any() and len(set(ours)) == 4


def test_random_flips_are_fair_and_never_give_p_of_zero():
    sums = statistics.flipped_sums(np.eye(20), rounds=4000, seed=0)
    assert sums.shape == (4001, 20)
    assert (sums[0] == 1).all() and set(np.unique(sums)) == {-1.0, 1.0}
    assert np.abs(sums[1:].mean(axis=0)).max() < 0.08
    assert statistics.paired_permutation(np.ones((60, 1)), rounds=99, seed=0) == [0.01]


def test_p_is_uniform_where_nothing_differs():
    differences = np.random.default_rng(3).standard_t(4, (60, 500))
    p = statistics.paired_permutation(differences, rounds=2000, seed=0)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 < (p < 0.05).mean() < 0.07


def test_equal_sums_are_ties_whatever_the_rounding():
    values = np.array([0.1, 0.2, 0.3, -0.1, -0.2, 0.7, 1e-17, 0.0])
    exact = np.array([1, 2, 3, -1, -2, 7, 0, 0])
    signs = np.array(list(itertools.product([1, -1], repeat=8)))
    p = (np.abs(signs @ exact) >= abs(exact.sum())).mean()
    for order in (slice(None), slice(None, None, -1), np.random.default_rng(0).permutation(8)):
        assert statistics.paired_permutation(values[order][:, None], seed=0) == [p]


def test_no_difference_is_p_of_one_and_queries_without_one_change_nothing():
    assert statistics.paired_permutation(np.zeros((30, 2)), rounds=50, seed=0).tolist() == [1, 1]
    differences = np.random.default_rng(0).normal(0.4, 1, (8, 3))
    padded = np.concatenate([differences, np.zeros((3, 3))])
    assert statistics.paired_permutation(padded, seed=0) == pytest.approx(
        statistics.paired_permutation(differences, seed=0)
    )


def test_holm_by_hand():
    assert statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    assert statistics.holm(np.array([0.2])) == pytest.approx([0.2])
    assert statistics.holm(np.array([])).shape == (0,)
    table = np.array([[0.01, 0.5], [0.02, 0.001]])
    assert statistics.holm(table) == pytest.approx(np.array([[0.02, 0.5], [0.02, 0.002]]))


def test_ranks_share_ties():
    assert statistics.ranks(np.array([[0.5, 0.9, 0.5, 0.1]])).tolist() == [[2.5, 1, 2.5, 4]]
    assert statistics.average_ranks(np.array([[0.3, 0.2], [0.1, 0.2], [0.3, 0.2]])) == pytest.approx([4 / 3, 5 / 3])


def test_nemenyis_published_values():
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for methods, q in zip(range(2, 11), published, strict=True):
        found = statistics.critical_difference(methods, 1) / math.sqrt(methods * (methods + 1) / 6)
        assert found == pytest.approx(q, abs=1.1e-3)
    assert statistics.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005), "Demšar's example"
    assert statistics.critical_difference(4, 14, 0.10) < statistics.critical_difference(4, 14)
    with pytest.raises(BadInput, match="ranks cannot be compared"):
        statistics.critical_difference(1, 5)


@pytest.mark.parametrize("decimals", [1, 6])
def test_friedman_equals_scipys(decimals):
    scores = np.random.default_rng(2).random((12, 5)).round(decimals)
    theirs = stats.friedmanchisquare(*scores.T)
    assert statistics.friedman(scores) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert statistics.friedman(np.ones((4, 3))) == (0.0, 1.0)
    assert statistics.friedman(np.ones((4, 1))) == (0.0, 1.0)


def test_degenerate_scores():
    low, high = statistics.bootstrap_interval(np.array([[0.3, 0.7]]), seed=0)
    assert low.tolist() == high.tolist() == [0.3, 0.7]
    assert statistics.paired_permutation(np.array([[0.3]]), seed=0) == [1]
    low, high = statistics.bootstrap_interval(np.full((9, 1), 0.25), seed=0)
    assert (low, high) == ([0.25], [0.25])
    assert statistics.bootstrap_interval(np.zeros((5, 0)), seed=0)[0].shape == (0,)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([[0.1], [math.nan]], "not all finite; expected numbers, found 1 NaN or infinite"),
        ([[math.inf, 0.1]], "not all finite"),
        (np.zeros((0, 3)), "no table"),
        ([0.1, 0.2], "no table"),
    ],
)
@pytest.mark.parametrize("function", [statistics.bootstrap_interval, statistics.paired_permutation])
def test_unusable_scores_are_refused(function, scores, said):
    with pytest.raises(BadInput, match=said):
        function(np.array(scores), seed=0)
