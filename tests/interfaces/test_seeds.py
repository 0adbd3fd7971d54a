"""Generators by purpose: streams that no other draw shifts."""

import numpy as np
from scipy import stats

from benchmark.seeds import Draws, derive, generator, torch_generator


def test_streams_differ_by_seed_and_purpose_and_repeat():
    assert derive(1, "order") == derive(1, "order")
    values = {derive(seed, purpose) for seed in range(50) for purpose in ("order", "masks", "weights")}
    assert len(values) == 150
    assert max(values) < 2**63
    assert generator(1, "a").random() == generator(1, "a").random() != generator(1, "b").random()
    assert torch_generator(1, "a").initial_seed() == derive(1, "a")


def test_a_draw_depends_on_the_item_and_not_on_its_batch():
    draws = Draws(0, "main", 3)
    whole = draws.uniform("masks", np.arange(100), 25)
    part = draws.uniform("masks", np.array([7, 99, 3]), 25)
    assert np.array_equal(part, whole[[7, 99, 3]])
    assert not np.array_equal(whole, Draws(0, "main", 4).uniform("masks", np.arange(100), 25))
    assert not np.array_equal(whole, draws.uniform("other", np.arange(100), 25))


def test_uniforms_are_uniform_and_uncorrelated():
    values = Draws(5, "main", 0).uniform("masks", np.arange(4000), 25)
    assert values.min() >= 0 and values.max() < 1
    assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(values.T)
    assert np.abs(correlation - np.eye(25)).max() < 0.08
    neighbours = np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01


def test_every_permutation_of_three_is_equally_likely():
    drawn = Draws(1, "main", 0).permutations("order", np.arange(60_000), 3)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3
