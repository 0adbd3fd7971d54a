"""The training steps as one would first write them, on the weights of the suite's networks: what ours is timed beside.

They follow the descriptions literally: every frame is embedded, one pass per view or video, dropout and attention by
torch's own layers, the whole reconstruction is made.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y):
        ctx.save_for_backward(y)
        return torch.round(y)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0] != 0)


def signs(x):
    return 2 * Round.apply(((x + 1) / 2).clamp(0, 1)) - 1


def read_one_by_one(stored, rows):
    """Return float32 (n, T, dim): the items of a data set, each read by itself, stacked by a loader."""
    return torch.stack([torch.from_numpy(stored[int(row)].astype(np.float32)) for row in rows])


def damage(frames, stored, rate=0.15):
    """Corrupt every frame with some probability, frame by frame."""
    for video in frames:
        for t in range(len(video)):
            if random.random() < rate:
                fate = random.random()
                if fate < 0.8:
                    video[t] = 0
                elif fate < 0.9:
                    other = stored[random.randrange(len(stored))].astype(np.float32)
                    video[t] = torch.from_numpy(other[random.randrange(len(other))])
    return frames


def linear(layer, x):
    return functional.linear(x, layer.weight, layer.bias)


# ConMH


def attend(layer, x):
    q, k, v = functional.linear(x, layer.qkv.weight).chunk(3, dim=-1)
    q, v = q + layer.q_bias, v + layer.v_bias
    q, k, v = (part.reshape(*x.shape[:2], layer.heads, -1).transpose(1, 2) for part in (q, k, v))
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
    return linear(layer.proj, (weights @ v).transpose(1, 2).reshape(*x.shape[:2], -1))


def run_blocks(blocks, x):
    for block in blocks:
        x = x + attend(block.attn, block.norm1(x))
        x = x + linear(block.mlp.fc2, functional.gelu(linear(block.mlp.fc1, block.norm2(x))))
    return x


def one_view(network, frames, mask):
    """Every frame is embedded, then the visible ones are picked; the decoder works on all frames to the end."""
    n, masked = len(frames), int(mask[0].sum())
    seen_count = mask.shape[1] - masked
    embedded = linear(network.encoder.patch_embed, frames) + network.encoder_positions
    x = embedded[~mask].reshape(n, seen_count, -1)
    x = linear(network.encoder.head, network.encoder.norm(run_blocks(network.encoder.blocks, x)))
    codes = signs(network.ln(network.binary(x)))
    table = network.decoder_positions.expand(n, -1, -1)
    seen = network.encoder_to_decoder(codes) + table[~mask].reshape(n, seen_count, -1)
    unseen = network.mask_token + table[mask].reshape(n, masked, -1)
    y = run_blocks(network.decoder.blocks, torch.cat([seen, unseen], dim=1))[:, -masked:]
    restored = network.decoder.head(network.decoder.norm(y))
    return codes.mean(1), functional.mse_loss(restored, frames[mask].reshape(n, masked, -1))


def contrast(first, second):
    n = len(first)
    z = functional.normalize(torch.cat([first, second]), dim=1)
    others = torch.ones(2 * n, 2 * n, dtype=torch.bool)
    for i in range(n):
        others[i, i] = others[i, i + n] = others[i + n, i] = others[i + n, i + n] = False
    similar = torch.exp(z @ z.T / 0.5).masked_select(others).view(2 * n, -1)
    positive = torch.exp((z[:n] * z[n:]).sum(1) / 0.5).repeat(2)
    count = 2 * n - 2
    negative = ((similar.sum(1) - 0.1 * count * positive) / 0.9).clamp(min=count * np.exp(-2))
    return -torch.log(positive / (positive + negative)).mean()


def drawn_masks(n, frames, masked):
    masks = torch.ones(2, n, frames, dtype=torch.bool)
    for row in range(n):
        order = list(range(frames))
        random.shuffle(order)
        masks[0, row, order[: frames - masked]] = False
        masks[1, row, order[masked:]] = False
    return masks


def conmh(network, frames, masks):
    (first, one), (second, two) = (one_view(network, frames, mask) for mask in masks)
    return one + two + contrast(first, second)


def conmh_codes(network, frames):
    x = run_blocks(network.encoder.blocks, linear(network.encoder.patch_embed, frames) + network.encoder_positions)
    return signs(network.ln(network.binary(linear(network.encoder.head, network.encoder.norm(x))))).mean(1)


# BTH


def unbiased_norm(layer, x):
    return layer.a_2 * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + layer.b_2


def bth_hidden(network, frames, rate):
    embedding = network.bert.embedding
    x = functional.dropout(linear(embedding.frame_map, frames) + embedding.positions, rate)
    for block in network.bert.transformer_blocks:
        attention, feed = block.attention, block.feed_forward
        q, k, v = (linear(layer, unbiased_norm(block.input_sublayer.norm, x)) for layer in attention.linear_layers)
        weights = functional.dropout((q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1), rate)
        x = x + functional.dropout(linear(attention.output_linear, weights @ v), rate)
        inner = functional.gelu(linear(feed.w_1, unbiased_norm(block.output_sublayer.norm, x)), approximate="tanh")
        x = x + functional.dropout(linear(feed.w_2, functional.dropout(inner, rate)), rate)
        x = functional.dropout(x, rate)
    return x


def bth(network, frames, latent, sign, rate):
    codes, restored, anchors = [], [], []
    for video, target in zip(frames.chunk(2), latent.chunk(2), strict=True):
        hidden = bth_hidden(network, video, rate)
        code = signs(network.binary(hidden))
        codes.append(code.mean(1))
        restored.append(functional.mse_loss(network.restore(code), video))
        anchors.append(functional.mse_loss(hidden.mean(1), target))
    neighbour = functional.mse_loss((codes[0] * codes[1]).mean(1), sign)
    return 0.92 * (restored[0] + restored[1]) / 2 + 0.08 * neighbour + 0.8 * (anchors[0] + anchors[1])


# MCMSH


def batch_norm(layer, x):
    return functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, True, 0.1, 1e-5)


def gated(unit, x, gate):
    """x: (n, p, q); the kernel-1 convolutions mix p."""
    mixed = functional.conv1d(x, unit.fc1.weight, unit.fc1.bias).transpose(1, 2)
    return functional.conv1d((mixed * gate(mixed)).transpose(1, 2), unit.fc2.weight, unit.fc2.bias)


def long_gate(unit):
    def gate(mixed):
        inner = functional.relu(batch_norm(unit.bn1, unit.conv(mixed.mean(2))))
        return torch.sigmoid(batch_norm(unit.bn2, unit.deconv(inner)))[:, :, None]

    return gate


def short_gate(unit):
    def gate(mixed):
        return torch.sigmoid(batch_norm(unit.bn2, unit.deconv(functional.relu(batch_norm(unit.bn1, unit.conv(mixed))))))

    return gate


def median_gate(unit):
    def gate(mixed):
        length = mixed.shape[2]
        pooled = functional.adaptive_avg_pool1d(mixed, length // 3)
        return functional.adaptive_avg_pool1d(short_gate(unit)(pooled), length)

    return gate


def three_ranges(ranges, x):
    units = (ranges.lrd, long_gate), (ranges.mrd, median_gate), (ranges.srd, short_gate)
    return sum(gated(unit, x, gate(unit)) for unit, gate in units)


def mlp(layer, x, rate):
    return functional.dropout(layer.fc2(functional.dropout(functional.gelu(layer.fc1(x)), rate)), rate)


def mcmsh_pass(network, frames, rate):
    mixer = network.mc_mlp
    x = functional.relu(mixer.preproj(frames))
    turned = mlp(mixer.token_mixer.mlp, x.transpose(1, 2), rate)
    x = x + three_ranges(mixer.token_mixer, turned).transpose(1, 2)
    x = x + three_ranges(mixer.channel_mixer, mlp(mixer.channel_mixer.mlp, x, rate))
    hidden = three_ranges(mixer, x)
    return torch.tanh(network.alpha * network.binary(hidden)).mean(1), hidden.mean(1)


def squared(x, y):
    return nn.PairwiseDistance()(x, y).square()


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, grad):
        return grad.clamp(-1, 1)


def mcmsh(network, frames, similar, targets, rate):
    passes = [mcmsh_pass(network, frames[:, place], rate) for place in range(5)]
    codes, hidden = [code for code, _ in passes], [mean for _, mean in passes]
    bits = codes[0].shape[1]
    cluster = sum(functional.mse_loss(hidden[place], targets[:, place]) for place in (0, 1))
    pair = functional.mse_loss((codes[0] * codes[1]).mean(1), similar)
    binary = sum(functional.mse_loss(code, Sign.apply(code)) for code in codes[:2])
    near = squared(codes[0], codes[2])
    far = functional.relu(bits / 4 + near - squared(codes[0], codes[3]))
    apart = functional.relu(bits / 64 + near - squared(codes[3], codes[4]))
    return 0.8 * cluster + 0.1 * pair + 0.01 * binary + 0.01 * (far + apart).mean()
