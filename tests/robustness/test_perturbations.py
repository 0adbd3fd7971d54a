"""Perturbations: against plain loops, seeded by video alone, nested over strengths."""

import numpy as np
import pytest
import torch

from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records.robustness import GRID, SEED, Condition, conditions
from benchmark.robustness import perturbations
from benchmark.robustness.perturbations import perturb, source_frames, unit_noise
from benchmark.seeds import Draws

ROWS = np.array([0, 1, 2, 7, 40, 299, 45_599])
ORDERS = [item for item in conditions() if item.perturbation != "noise"]
DRAWS = Draws(SEED, "robustness", 0)


def uniform(purpose, row, n):
    return DRAWS.uniform(purpose, np.array([row]), n)[0]


def half_up(strength, frames):
    return int(strength * frames + 0.5)


def naive(condition, row, frames):
    """Return the source frame of each place of one video, by loops."""
    name, strength = condition
    share = half_up(strength, frames)
    if name == "drop":
        first = sorted(range(frames), key=lambda t: uniform("drop", row, frames)[t])
        kept = sorted(first[min(share, frames - 1) :])
        return [min(kept, key=lambda k: (abs(k - t), k)) for t in range(frames)]
    if name == "shuffle":
        places = sorted(sorted(range(frames), key=lambda t: uniform("shuffle", row, frames)[t])[:share])
        order = sorted(range(share), key=lambda i: uniform("shuffle order", row, frames)[i])
        out = list(range(frames))
        for to, of in zip(places, order, strict=True):
            out[to] = places[of]
        return out
    if name == "reverse":
        start = int(uniform("reverse", row, 1)[0] * (frames - share + 1))
        out = list(range(frames))
        out[start : start + share] = out[start : start + share][::-1]
        return out
    length = frames - min(share, frames - 1)
    start = int(uniform("crop", row, 1)[0] * (frames - length + 1))
    return [start + int((j + 0.5) * length / frames) for j in range(frames)]


@pytest.mark.parametrize("frames", [1, 2, 7, 25])
@pytest.mark.parametrize("condition", ORDERS, ids=lambda c: f"{c.perturbation}-{c.strength}")
def test_orders_are_those_of_plain_loops(condition, frames):
    found = source_frames(condition, ROWS, frames)
    assert found.tolist() == [naive(condition, row, frames) for row in ROWS.tolist()]


@pytest.mark.parametrize("condition", ORDERS, ids=lambda c: f"{c.perturbation}-{c.strength}")
def test_a_video_is_perturbed_alike_in_every_batch(condition):
    whole = source_frames(condition, ROWS, 25)
    backwards = source_frames(condition, ROWS[::-1], 25)[::-1]
    single = np.concatenate([source_frames(condition, ROWS[i : i + 1], 25) for i in range(len(ROWS))])
    assert (whole == backwards).all() and (whole == single).all()
    if condition != ("reverse", 1.0):
        assert len({tuple(line) for line in whole.tolist()}) > 1, "videos differ"


def test_what_is_dropped_stays_dropped_at_larger_strengths():
    rows = np.arange(50)
    kept = [source_frames(Condition("drop", strength), rows, 25) == np.arange(25) for strength in GRID["drop"]]
    assert [mask.sum(axis=1).tolist() for mask in kept] == [[25 - half_up(s, 25)] * 50 for s in GRID["drop"]]
    for less, more in zip(kept[1:], kept, strict=False):
        assert not (less & ~more).any()


def test_the_whole_video_is_reversed_and_shuffled_at_strength_1():
    rows = np.arange(400)
    assert (source_frames(Condition("reverse", 1.0), rows, 25) == np.arange(25)[::-1]).all()
    shuffled = source_frames(Condition("shuffle", 1.0), rows, 25)
    assert (np.sort(shuffled, axis=1) == np.arange(25)).all()
    # Each frame comes to each place about equally often: 400 / 25 = 16, deviation 4.
    first = np.bincount(shuffled[:, 0], minlength=25)
    assert first.min() >= 2 and first.max() <= 34


def test_a_crop_is_contiguous_and_in_order():
    found = source_frames(Condition("crop", 0.5), np.arange(200), 25)
    assert set(np.diff(found, axis=1).ravel().tolist()) == {0, 1}
    assert set((found[:, -1] - found[:, 0]).tolist()) == {11}
    assert {0, 13} <= set(found[:, 0].tolist()), "it begins anywhere"


def test_frames_are_gathered_in_the_order_that_is_told():
    videos = torch.arange(3 * 7 * 2, dtype=torch.float32).reshape(3, 7, 2)
    condition, rows = Condition("shuffle", 1.0), np.array([5, 6, 9])
    found = perturb(condition, videos, rows, noise=lambda: pytest.fail("no noise is asked for"))
    for i, order in enumerate(source_frames(condition, rows, 7)):
        assert torch.equal(found[i], torch.stack([videos[i, t] for t in order]))


@pytest.mark.parametrize("name", GRID)
def test_strength_0_is_the_clean_video_itself(name):
    videos = torch.rand(2, 5, 3)
    assert perturb(Condition(name, 0.0), videos, np.array([0, 1]), lambda: torch.ones(2, 5, 3)) is videos
    if name != "noise":
        assert source_frames(Condition(name, 0.0), np.array([0, 1]), 5).tolist() == [list(range(5))] * 2


def test_noise_is_normal_grows_with_strength_and_belongs_to_the_video():
    shape, rows = FrameShape(25, 64), np.arange(40)
    noise = unit_noise(rows, shape)
    assert noise.dtype == torch.float32 and noise.shape == (40, *shape)
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    assert torch.equal(unit_noise(rows[[7, 3]], shape), noise[[7, 3]])
    assert abs(float((noise[0] * noise[1]).mean())) < 0.1, "videos differ"
    videos = torch.rand(40, *shape)
    for strength in GRID["noise"]:
        found = perturb(Condition("noise", strength), videos, rows, lambda: noise)
        assert torch.equal(found, videos + strength * noise)


def test_the_unit_of_noise_is_the_deviation_over_all_training_frames():
    drawn = np.random.default_rng(0).gamma(2.0, [1.0, 5.0, 0.1], (37, 6, 3)) + np.array([0, 100, 0])
    values = np.concatenate([drawn, np.full((37, 6, 1), 3.0)], axis=2).astype(np.float32)
    found = perturbations.frame_deviation(MemoryVideos(values), batch=8)
    np.testing.assert_allclose(found, values.reshape(-1, 4).astype(np.float64).std(axis=0), rtol=1e-9, atol=1e-12)
    assert found[3] == 0


def test_the_grid_is_one_of_falling_quality():
    assert all(list(strengths) == sorted(set(strengths)) and strengths[0] > 0 for strengths in GRID.values())
    assert len(conditions()) == sum(map(len, GRID.values())) == 20
