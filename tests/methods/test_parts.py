"""The shared parts against formulas written anew."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.parts.binarize import binarize
from methods.parts.contrast import debiased_contrast
from methods.parts.masking import gather_frames, masked_count, two_views
from methods.parts.pooling import Moments
from methods.parts.positions import sinusoid
from methods.parts.reconstruction import linear_mean_square
from methods.parts.transformer import Block, Encoder, Mlp
from tests.reference.plain_steps import Round


def naive_codes(x):
    return 2 * Round.apply(torch.clamp((x + 1) / 2, 0, 1)) - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binarize_equals_the_formula_at_every_threshold(dtype):
    near = [
        f(torch.tensor(v, dtype=dtype), torch.tensor(s, dtype=dtype)).item()
        for f in (torch.nextafter,)
        for v in (-1.0, 0.0, 1.0)
        for s in (-9.0, 9.0)
    ]
    points = [*near, -3.0, -1.0, -0.5, -1e-3, -1e-9, -0.0, 0.0, 1e-9, 1e-3, 0.5, 1.0, 3.0, math.inf, -math.inf]
    ours, theirs = (torch.tensor(points, dtype=dtype, requires_grad=True) for _ in range(2))
    weight = torch.arange(1, len(points) + 1, dtype=dtype)
    (binarize(ours) * weight).sum().backward()
    (naive_codes(theirs) * weight).sum().backward()
    assert torch.equal(binarize(ours), naive_codes(theirs))
    assert torch.equal(ours.grad, theirs.grad)


def test_binarize_at_zero_one_and_beyond():
    x = torch.tensor([-2.0, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0], requires_grad=True)
    codes = binarize(x)
    codes.sum().backward()
    assert codes.tolist() == [-1, -1, -1, -1, 1, 1, 1]
    assert x.grad.tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert binarize(torch.tensor([math.nan])).isnan().all()


@given(st.integers(2, 7), st.integers(2, 9), st.floats(0.1, 1.0), st.floats(0, 0.6), st.integers(0, 2**31))
def test_debiased_contrast_equals_a_double_loop(n, dim, temperature, prior, seed):
    rng = np.random.default_rng(seed)
    views = rng.normal(size=(2, n, dim))
    z = (views / np.linalg.norm(views, axis=2, keepdims=True)).reshape(2 * n, dim)
    terms = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        positive = math.exp(z[i] @ z[partner] / temperature)
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k not in (i, partner))
        count = 2 * n - 2
        negative = max((others - prior * count * positive) / (1 - prior), count * math.exp(-1 / temperature))
        terms.append(-math.log(positive / (positive + negative)))
    found = debiased_contrast(torch.from_numpy(views[0]), torch.from_numpy(views[1]), temperature, prior)
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-9, abs=1e-12)


def test_debiased_contrast_of_one_video_is_zero_and_of_zero_vectors_finite():
    one = torch.randn(1, 8, requires_grad=True)
    loss = debiased_contrast(one, torch.randn(1, 8), 0.5, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert one.grad.isfinite().all()
    assert debiased_contrast(torch.zeros(3, 8), torch.zeros(3, 8), 0.5, 0.1).isfinite()


@pytest.mark.parametrize(
    ("frames", "ratio", "masked", "overlap"),
    [(25, 0.75, 18, 0), (30, 0.5, 15, 0), (25, 0.5, 12, 1), (25, 0.3, 7, 11), (25, 0.7, 17, 0)],
)
def test_views_of_one_shuffle(frames, ratio, masked, overlap):
    assert masked_count(frames, ratio) == masked
    shuffles = np.argsort(np.random.default_rng(0).random((40, frames)), axis=1)
    visible, hidden = (part.numpy() for part in two_views(shuffles, masked))
    assert visible.shape == (40, 2, frames - masked)
    assert hidden.shape == (40, 2, masked)
    for row, shuffle in enumerate(shuffles):
        first, second = set(shuffle[: frames - masked]), set(shuffle[masked:])
        for view, chosen in enumerate((first, second)):
            assert visible[row, view].tolist() == sorted(chosen)
            assert hidden[row, view].tolist() == sorted(set(range(frames)) - chosen)
        assert len(first & second) == overlap


def test_gather_frames_repeats_the_videos_for_each_view():
    frames = torch.randn(3, 5, 2)
    index = torch.tensor([[0, 4], [1, 2], [3, 3], [2, 0], [4, 1], [0, 1]])
    expected = torch.stack([frames[i % 3][index[i]] for i in range(6)])
    assert torch.equal(gather_frames(frames, index), expected)


@pytest.mark.parametrize("videos", [1, 64, 700])
def test_linear_mean_square_is_the_squared_error_with_every_gradient(videos):
    """700 videos x 2 views x 3 frames are more than one block of rows, and not a whole number of blocks."""
    frames = torch.randn(videos, 5, 6, dtype=torch.float64)
    index = torch.randint(0, 5, (2 * videos, 3))
    x, head = torch.randn(2 * videos, 3, 4, dtype=torch.float64), torch.nn.Linear(4, 6).double()
    gradients = []
    for loss in (
        lambda t: linear_mean_square(t, head, frames, index),
        lambda t: torch.nn.functional.mse_loss(head(t), gather_frames(frames, index)),
    ):
        head.zero_grad()
        tokens = x.clone().requires_grad_()
        value = loss(tokens)
        (3 * value).backward()
        gradients.append((value.detach(), tokens.grad, head.weight.grad, head.bias.grad))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_mlp_equals_its_layers_with_every_gradient():
    mlp, x = Mlp(6).double(), torch.randn(4, 5, 6, dtype=torch.float64, requires_grad=True)
    inputs = (x, *mlp.parameters())
    beside = torch.randn_like(x)
    ours = mlp(x, beside)
    theirs = beside + mlp.fc2(torch.nn.functional.gelu(mlp.fc1(x)))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    weights = torch.randn_like(ours)
    for left, right in zip(*(torch.autograd.grad((y * weights).sum(), inputs) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-14)


def test_computing_blocks_again_changes_no_value_and_no_gradient():
    outcomes = []
    for kept in (3, 1, 0):
        torch.manual_seed(0)
        encoder = Encoder(6, 8, 3, 2, kept_blocks=kept).double()
        x = torch.randn(2, 5, 6, dtype=torch.float64)
        value = encoder(x, torch.zeros(5, 8, dtype=torch.float64)).square().sum()
        outcomes.append((value.detach(), *torch.autograd.grad(value, list(encoder.parameters()))))
    for other in outcomes[1:]:
        assert all(torch.equal(left, right) for left, right in zip(outcomes[0], other, strict=True))


def test_sinusoid():
    table = sinusoid(30, 192)
    assert table.shape == (30, 192)
    assert table.dtype == torch.float32
    for position, channel in ((0, 0), (0, 1), (7, 4), (29, 191), (13, 96)):
        angle = position / 10000 ** (2 * (channel // 2) / 192)
        expected = math.cos(angle) if channel % 2 else math.sin(angle)
        assert table[position, channel].item() == pytest.approx(expected, abs=6e-8)


def test_a_block_that_returns_its_tail_equals_the_end_of_the_whole():
    torch.manual_seed(0)
    block = Block(24, 5).double()
    x = torch.randn(3, 9, 24, dtype=torch.float64)
    torch.testing.assert_close(block(x, tail=4), block(x)[:, -4:], rtol=1e-12, atol=1e-12)


def test_attention_against_one_head_at_a_time():
    torch.manual_seed(1)
    attention = Block(24, 5).double().attn
    torch.nn.init.normal_(attention.q_bias)
    torch.nn.init.normal_(attention.v_bias)
    x = torch.randn(2, 6, 24, dtype=torch.float64)
    q, k, v = (x @ attention.qkv.weight.T).split(20, dim=2)
    q, v = q + attention.q_bias, v + attention.v_bias
    heads = []
    for h in range(5):
        part = slice(4 * h, 4 * h + 4)
        weights = torch.softmax(q[..., part] * 4**-0.5 @ k[..., part].transpose(1, 2), dim=-1)
        heads.append(weights @ v[..., part])
    expected = torch.cat(heads, dim=2) @ attention.proj.weight.T + attention.proj.bias
    torch.testing.assert_close(attention(x, x), x + expected, rtol=1e-10, atol=1e-12)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_moments_do_not_depend_on_the_blocks(sizes):
    rows = np.random.default_rng(1).normal(100, 1, size=(sum(sizes), 5))
    moments = Moments(5)
    for block in np.split(rows, np.cumsum(sizes)[:-1]):
        moments.add(block)
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.scatter, np.cov(rows.T, bias=True) * len(rows), rtol=1e-7, atol=1e-8)
