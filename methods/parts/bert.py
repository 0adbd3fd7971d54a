"""The transformer of BTH: frames to one code per frame and back, under the parameter names of the authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from methods.parts.attention import attend
from methods.parts.binarize import binarize
from methods.parts.dropout import Dropout
from methods.parts.linear import Linear
from methods.parts.precision import full_precision

EPSILON = 1e-6
"""Added to the standard deviation in every norm; BTH's code."""


def position_table(length: int, width: int) -> Tensor:
    """Return the (length, width) sinusoid table, computed in float32 throughout as the authors' stored one is.

    It differs from ``positions.sinusoid`` by rounding, some 1e-6, so that a checkpoint need not carry its table.
    """
    frequency = (torch.arange(0, width, 2).float() * -(math.log(10000.0) / width)).exp()
    angle = torch.arange(length).float()[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]


class _Standardised(torch.autograd.Function):
    """(x - mean) / (deviation + 1e-6) over the channels: fewer passes over memory than its parts take."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) / math.sqrt(x.shape[-1] - 1)
        scale = (deviation + EPSILON).reciprocal()
        y = centred.mul_(scale)
        ctx.save_for_backward(y, scale, deviation)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        y, scale, deviation = ctx.saved_tensors
        (grad,) = grads
        width = y.shape[-1]
        # Of constant channels the deviation is 0 and has no derivative; y is 0 there, and so is what it would weigh.
        along = torch.linalg.vecdot(grad, y).unsqueeze(-1) / ((width - 1) * deviation.clamp_min(EPSILON**2))
        by_mean = (grad.sum(-1, keepdim=True) * scale - y.sum(-1, keepdim=True) * along) / width
        return torch.addcmul(-by_mean, grad, scale).addcmul_(y, along, value=-1)


class Norm(nn.Module):
    """a_2 (x - mean) / (deviation + 1e-6) + b_2 over the channels, with the unbiased standard deviation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(width))
        self.b_2 = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return torch.addcmul(self.b_2, self.a_2, _Standardised.apply(x))


class Sublayer(nn.Module):
    """x + dropout(inner(norm(x)))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = Norm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, inner: Callable[[Tensor], Tensor]) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return x + self.dropout(inner(self.norm(x)))


class Attention(nn.Module):
    """Self-attention with one head; ``linear_layers`` yield query, key and value in this order."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear_layers = nn.ModuleList(Linear(width, width) for _ in range(3))
        self.output_linear = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``, (n, length, width)."""
        query, key, value = (layer(x).unsqueeze(1) for layer in self.linear_layers)
        chance = self.dropout if self.training else 0.0
        return self.output_linear(attend(query, key, value, chance).squeeze(1))


class FeedForward(nn.Module):
    """Two linear layers, four times as wide inside, with the tanh form of GELU and dropout between them."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.w_1 = Linear(width, 4 * width)
        self.w_2 = Linear(4 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return self.w_2(self.dropout(self.w_1(x, then="gelu_tanh")))


class Block(nn.Module):
    """Attention and feed-forward layer, each normalised first and added to its input, and a dropout at the end."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, dropout)
        self.feed_forward = FeedForward(width, dropout)
        self.input_sublayer = Sublayer(width, dropout)
        self.output_sublayer = Sublayer(width, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        x = self.input_sublayer(x, self.attention)
        return self.dropout(self.output_sublayer(x, self.feed_forward))


class Embedding(nn.Module):
    """A linear map of each frame plus its position, with dropout."""

    positions: Tensor

    def __init__(self, frames: int, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.frame_map = Linear(dim, width)
        self.dropout = Dropout(dropout)
        self.register_buffer("positions", position_table(frames, width), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return (n, T, width) for (n, T, dim)."""
        return self.dropout(self.frame_map(frames) + self.positions)


class Bert(nn.Module):
    """Embedding and blocks, without a norm at the end."""

    def __init__(self, frames: int, dim: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = Embedding(frames, dim, width, dropout)
        self.transformer_blocks = nn.ModuleList(Block(width, dropout) for _ in range(layers))

    def forward(self, frames: Tensor) -> Tensor:
        """Return the hidden states (n, T, width) of (n, T, dim)."""
        x = self.embedding(frames)
        for block in self.transformer_blocks:
            x = block(x)
        return x


class HashBert(nn.Module):
    """The encoder, the hash layer, and a linear layer that restores each frame from its code.

    All linear layers keep torch's default initialisation, as in the authors' code. Its two embeddings that no
    computation reads, ``token`` and ``segment``, are left out.
    """

    def __init__(self, frames: int, dim: int, bits: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.bert = Bert(frames, dim, width, layers, dropout)
        self.restore = nn.Linear(bits, dim)
        self.binary = nn.Linear(width, bits)

    @full_precision
    def codes(self, hidden: Tensor) -> Tensor:
        """Return the ±1 codes (n, T, bits) of hidden states (n, T, width)."""
        return binarize(self.binary(hidden))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes (n, T, bits), restored frames (n, T, dim) and hidden states (n, T, width)."""
        hidden = self.bert(frames)
        codes = self.codes(hidden)
        return codes, self.restore(codes), hidden
