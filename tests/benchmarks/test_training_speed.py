"""One training step of ConMH at FCVID's sizes, against the step as one would first write it and the machine itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmark.features import FrameShape, MemoryVideos
from benchmark.method import Run
from benchmark.training import Draws
from methods.conmh import ConMH, ConMHConfig

pytestmark = pytest.mark.benchmark

BATCH, FRAMES, DIM, BITS, MASKED = 32, 25, 4096, 64, 18
ROUNDS = 5
NOISE = 0.1
"""What a shared machine may take from a median of pairs; on a quiet one the ratio is 1.08 to 1.18."""


def attend(layer, x):
    q, k, v = functional.linear(x, layer.qkv.weight).chunk(3, dim=-1)
    q, v = q + layer.q_bias, v + layer.v_bias
    q, k, v = (part.reshape(*x.shape[:2], layer.heads, -1).transpose(1, 2) for part in (q, k, v))
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
    return layer.proj((weights @ v).transpose(1, 2).reshape(*x.shape[:2], -1))


def run_blocks(blocks, x):
    for block in blocks:
        x = x + attend(block.attn, block.norm1(x))
        x = x + block.mlp(block.norm2(x))
    return x


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y):
        ctx.save_for_backward(y)
        return torch.round(y)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0] != 0)


def one_view(network, frames, mask):
    """Every frame is embedded, then the visible ones are picked; the decoder works on all frames to the end."""
    n = len(frames)
    embedded = network.encoder.patch_embed(frames) + network.encoder_positions
    x = embedded[~mask].reshape(n, FRAMES - MASKED, -1)
    x = network.encoder.head(network.encoder.norm(run_blocks(network.encoder.blocks, x)))
    codes = 2 * Round.apply(((network.ln(network.binary(x)) + 1) / 2).clamp(0, 1)) - 1
    table = network.decoder_positions.expand(n, -1, -1)
    seen = network.encoder_to_decoder(codes) + table[~mask].reshape(n, FRAMES - MASKED, -1)
    unseen = network.mask_token + table[mask].reshape(n, MASKED, -1)
    y = run_blocks(network.decoder.blocks, torch.cat([seen, unseen], dim=1))[:, -MASKED:]
    restored = network.decoder.head(network.decoder.norm(y))
    return codes.mean(1), functional.mse_loss(restored, frames[mask].reshape(n, MASKED, -1))


def contrast(first, second):
    z = functional.normalize(torch.cat([first, second]), dim=1)
    others = torch.ones(2 * BATCH, 2 * BATCH, dtype=torch.bool)
    for i in range(BATCH):
        others[i, i] = others[i, i + BATCH] = others[i + BATCH, i] = others[i + BATCH, i + BATCH] = False
    similar = torch.exp(z @ z.T / 0.5).masked_select(others).view(2 * BATCH, -1)
    positive = torch.exp((z[:BATCH] * z[BATCH:]).sum(1) / 0.5).repeat(2)
    count = 2 * BATCH - 2
    negative = ((similar.sum(1) - 0.1 * count * positive) / 0.9).clamp(min=count * np.exp(-2))
    return -torch.log(positive / (positive + negative)).mean()


def drawn_masks():
    masks = torch.ones(2, BATCH, FRAMES, dtype=torch.bool)
    for row in range(BATCH):
        order = list(range(FRAMES))
        random.shuffle(order)
        masks[0, row, order[: FRAMES - MASKED]] = False
        masks[1, row, order[MASKED:]] = False
    return masks


def straightforward(network, frames, masks):
    (first, one), (second, two) = (one_view(network, frames, mask) for mask in masks)
    return one + two + contrast(first, second)


def stepper(loss: Callable[[], torch.Tensor], optimiser: torch.optim.Optimizer) -> Callable[[], None]:
    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return step


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call; torch has one thread here, so other load on the machine counts little."""
    began = time.process_time()
    call()
    return time.process_time() - began


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def matmul_rate() -> float:
    """Return one core's float32 matrix product rate in FLOP/s, the best of five."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048**3 / min(seconds(lambda: a @ b) for _ in range(5))


def test_a_training_step_against_the_straightforward_one(benchmark):
    videos = MemoryVideos(np.random.default_rng(0).random((BATCH, FRAMES, DIM), dtype=np.float32))
    method = ConMH(
        BITS, FrameShape(FRAMES, DIM), ConMHConfig(batch_size=BATCH), Run(seed=0, device=torch.device("cpu"))
    )
    stage, rows, network = method.stages()[0], np.arange(BATCH), method.module

    batch = method.batch(videos, rows, stage, Draws(0, "train", 0))
    masks = torch.ones(2, BATCH, FRAMES, dtype=torch.bool)
    masks.scatter_(2, batch["visible"].transpose(0, 1), False)
    expected = straightforward(network, batch["frames"], masks)
    torch.testing.assert_close(method.loss(batch, stage)["total"], expected, rtol=1e-4, atol=1e-5)

    ours = stepper(
        lambda: method.loss(method.batch(videos, rows, stage, Draws(0, "train", 1)), stage)["total"],
        stage.optimiser(network.parameters()),
    )
    theirs = stepper(
        lambda: straightforward(network, videos.take(rows), drawn_masks()),
        torch.optim.Adam(network.parameters(), lr=1e-4),
    )
    with FlopCounterMode(display=False) as counter:
        ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    mine = float(np.median([own for own, _ in pairs]))
    ratio = float(np.median([other / own for own, other in pairs]))
    rate = matmul_rate()
    benchmark.extra_info["straightforward_over_ours"] = ratio
    benchmark.extra_info["gigaflop_per_step"] = counter.get_total_flops() / 1e9
    benchmark.extra_info["matmul_gigaflop_per_second"] = rate / 1e9
    benchmark.extra_info["share_of_matmul_rate"] = counter.get_total_flops() / mine / rate
    benchmark.pedantic(ours, rounds=ROUNDS, warmup_rounds=1)
    assert ratio > 1 - NOISE
