"""Views: one transform for all frames of a clip, a function of seed, name and view, seen on pixels."""

from __future__ import annotations

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from benchmark.errors import BadInput
from benchmark.extraction import views
from benchmark.extraction.views import View, augmented, draw
from tests.support.tiny_models import clip

WHOLE = View(0, 0, 48, 60, flip=False, colours=(), grey=False, sigma=None, size=(48, 60))


@pytest.fixture
def as_drawn(monkeypatch):
    """Return a function that gives what a view with these parameters makes of frames."""

    def make(frames, **changed):
        drawn = dataclasses.replace(WHOLE, **changed)
        monkeypatch.setattr(views, "draw", lambda *_: drawn)
        return augmented(frames, 0, "", 1)

    return make


def test_view_0_is_the_clip_and_the_others_are_not():
    frames = clip()
    before = frames.clone()
    assert augmented(frames, 3, "a.mp4", 0) is frames
    for view in (1, 2):
        found = augmented(frames, 3, "a.mp4", view)
        assert found.shape == frames.shape and found.dtype == torch.uint8 and found.is_contiguous()
        assert not torch.equal(found, frames)
    assert torch.equal(frames, before)


def test_same_seed_same_bytes_and_everything_else_differs():
    frames = clip()
    for name in (f"{k}.mp4" for k in range(8)):
        torch.manual_seed(len(name))
        first = augmented(frames, 0, name, 1)
        torch.rand(7)
        assert torch.equal(augmented(frames.clone(), 0, name, 1), first)
    drawn = {draw(seed, name, view, 48, 60) for seed in range(4) for name in ("a", "b", "c") for view in (1, 2, 3)}
    assert len(drawn) == 36


def test_nothing_is_drawn_from_a_global_generator():
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in range(6):
        augmented(clip(), 0, str(name), 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


def test_threads_make_the_same_views():
    frames = clip(7)
    names = [f"{k}.avi" for k in range(24)]
    alone = [augmented(frames, 5, name, 2) for name in names]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda name: augmented(frames, 5, name, 2), names))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_all_frames_of_a_clip_get_the_same():
    """Frames that are equal stay equal, and a frame becomes the same alone and in its clip."""
    frames = clip(1).expand(9, -1, -1, -1).clone()
    moving = clip(9)
    for name in map(str, range(12)):
        found = augmented(frames, 1, name, 1)
        assert torch.equal(found, found[:1].expand_as(found))
        whole = augmented(moving, 1, name, 1)
        assert torch.equal(augmented(moving[4:5], 1, name, 1), whole[4:5])
        assert not torch.equal(whole[0], whole[8])


def test_flip_and_crop_on_pixels(as_drawn):
    frames = clip()
    assert torch.equal(as_drawn(frames), frames)
    assert torch.equal(as_drawn(frames, flip=True), frames.flip(3))
    cropped = as_drawn(frames, top=5, left=9, height=20, width=30, size=(20, 30))
    assert torch.equal(cropped, frames[:, :, 5:25, 9:39])
    twice = as_drawn(frames, top=5, left=9, height=20, width=30, size=(40, 60), flip=True)
    reference = torch.nn.functional.interpolate(
        frames[:, :, 5:25, 9:39].float(), (40, 60), mode="bilinear", antialias=True
    )
    assert (twice.flip(3).float() - reference).abs().max() <= 1


@pytest.mark.parametrize(
    ("kind", "factor", "by_hand"),
    [
        ("brightness", 1.3, lambda v: v * 1.3),
        ("contrast", 0.7, lambda v: v * 0.7 + 0.3 * grey(v).mean((-2, -1), keepdim=True)),
        ("saturation", 1.2, lambda v: v * 1.2 - 0.2 * grey(v)),
        ("hue", 2 * np.pi / 3, lambda v: v[:, [2, 0, 1]]),  # a third of the circle: red becomes green
    ],
)
def test_colours_by_hand(as_drawn, kind, factor, by_hand):
    frames = clip()
    found = as_drawn(frames, colours=((kind, float(factor)),)).float()
    expected = by_hand(frames.float() / 255).clamp(0, 1) * 255
    assert (found - expected).abs().max() <= 1


def grey(values):
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (values * weights).sum(1, keepdim=True)


def test_order_grey_and_blur(as_drawn):
    frames = clip()
    one = (("brightness", 1.4), ("contrast", 0.6))
    assert not torch.equal(as_drawn(frames, colours=one), as_drawn(frames, colours=one[::-1]))
    gray = as_drawn(frames, grey=True)
    assert torch.equal(gray[:, 0], gray[:, 1]) and torch.equal(gray[:, 1], gray[:, 2])
    assert (gray[:, :1].float() - grey(frames.float())).abs().max() <= 1
    dot = torch.zeros(1, 3, 48, 60, dtype=torch.uint8)
    dot[..., 24, 30] = 255
    soft = as_drawn(dot, sigma=1.5)[0, 0].double()
    rows, columns = torch.meshgrid(torch.arange(48) - 24.0, torch.arange(60) - 30.0, indexing="ij")
    bell = torch.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    assert (soft - 255 * bell / bell.sum()).abs().max() <= 1
    tiny = as_drawn(clip(2, 3, 4), height=3, width=4, size=(3, 4), sigma=2.0)
    assert tiny.shape == (2, 3, 3, 4)


def test_draws_are_as_likely_and_as_strong_as_stated():
    drawn = [draw(0, str(k), 1, 240, 320) for k in range(4000)]
    for share, of in ((0.5, [d.flip for d in drawn]), (0.8, [bool(d.colours) for d in drawn]),
                      (0.2, [d.grey for d in drawn]), (0.5, [d.sigma is not None for d in drawn])):  # fmt: skip
        assert np.mean(of) == pytest.approx(share, abs=0.03)
    for d in drawn:
        assert 0 <= d.top <= 240 - d.height and 0 <= d.left <= 320 - d.width
    area = np.array([d.height * d.width / (240 * 320) for d in drawn])
    aspect = np.array([d.width / d.height * 240 / 320 for d in drawn])
    assert area.min() > 0.19 and area.max() <= 1 and aspect.min() > 0.73 and aspect.max() < 1.37
    assert 0.4 < area.mean() < 0.62 and len({(d.top, d.left) for d in drawn}) > 3000
    for kind, strength in (("brightness", 0.4), ("contrast", 0.4), ("saturation", 0.2), ("hue", 0.2 * np.pi)):
        factors = np.array([dict(d.colours)[kind] for d in drawn if d.colours]) - (kind != "hue")
        assert 0.98 * strength < np.abs(factors).max() <= strength and abs(factors.mean()) < 0.05 * strength
    sigma = np.array([d.sigma for d in drawn if d.sigma]) * 224 / 240
    assert 0.1 <= sigma.min() < 0.15 and 1.95 < sigma.max() <= 2.0
    assert len({tuple(kind for kind, _ in d.colours) for d in drawn}) == 25  # 24 orders, and none


def test_large_clips_are_shrunk_and_odd_ones_fit():
    assert augmented(clip(2, 540, 960), 0, "a", 1).shape == (2, 3, 256, 455)
    assert augmented(clip(2, 960, 540), 0, "a", 1).shape == (2, 3, 455, 256)
    for height, width in ((1, 1), (2, 9), (7, 300), (30, 3)):
        for name in "abcdef":
            assert augmented(clip(2, height, width), 0, name, 1).shape == (2, 3, height, width)


def test_without_kornia_it_is_one_sentence(monkeypatch):
    name = next(str(k) for k in range(99) if draw(0, str(k), 1, 48, 60).colours)
    monkeypatch.setitem(sys.modules, "kornia", None)
    with pytest.raises(BadInput, match=r"views need the package kornia; pip install -e '\.\[extract\]'"):
        augmented(clip(), 0, name, 1)
