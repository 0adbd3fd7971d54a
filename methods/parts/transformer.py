"""Pre-norm transformer blocks with the layout of the masked autoencoders that hashing builds on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from methods.parts.attention import attend
from methods.parts.linear import FusedProduct, Linear, fuses

EPSILON = 1e-6
"""Of the layer norms inside encoder and decoder (ConMH's code; torch's own default is 1e-5)."""


class Attention(nn.Module):
    """Multi-head self-attention with trainable query and value biases and no key bias.

    ``head_dim = width // heads``, so the inner width ``heads * head_dim`` may be smaller than ``width`` (6 heads on 256
    give 252). The weights of query, key and value are one matrix, in this order.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inner = width // heads * heads
        self.q_bias = nn.Parameter(torch.zeros(self.inner))
        self.v_bias = nn.Parameter(torch.zeros(self.inner))
        self.qkv = nn.Linear(width, 3 * self.inner, bias=False)
        self.proj = Linear(self.inner, width)
        self._fused = FusedProduct()

    def forward(self, x: Tensor, residual: Tensor, tail: int | None = None) -> Tensor:
        """Return ``residual`` plus what each token of ``x`` attends to, ``(n, length, width)``.

        With ``tail`` the result covers only so many last tokens of ``x``, and ``residual`` has these alone.
        """
        biases = self.q_bias, torch.zeros_like(self.v_bias), self.v_bias
        if tail is None:
            linear = self._fused if fuses(x) else functional.linear
            together = linear(x, self.qkv.weight, torch.cat(biases))
            q, k, v = together.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        else:
            keys = functional.linear(x, self.qkv.weight[self.inner :], torch.cat(biases[1:]))
            queries = functional.linear(x[:, -tail:], self.qkv.weight[: self.inner], self.q_bias)
            k, v = keys.unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
            q = queries.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return self.proj(attend(q, k, v).transpose(1, 2).flatten(2), residual=residual)


class _GeluLinear(torch.autograd.Function):
    """linear(gelu(x)); backward computes the GELU again, so that it takes no memory until then.

    Products are in the precision of ``x``, which under autocast is lower than that of the weights.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        return functional.linear(functional.gelu(x), weight.to(x.dtype), bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight, bias = ctx.saved_tensors
        grad = grads[0]
        flat = grad.flatten(0, -2)
        by_weight = flat.T @ functional.gelu(x).flatten(0, -2)
        by_x = torch.ops.aten.gelu_backward(grad @ weight.to(grad.dtype), x)
        return by_x, by_weight.to(weight.dtype), flat.sum(0, dtype=bias.dtype)


class Mlp(nn.Module):
    """Two linear layers with the exact (erf) GELU between them, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, 4 * width)
        self.fc2 = Linear(4 * width, width)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Return ``residual`` plus the layers' result, both of the shape of ``x``."""
        if fuses(x):
            return self.fc2(self.fc1(x, then="gelu"), residual=residual)
        return residual + _GeluLinear.apply(self.fc1(x), self.fc2.weight, self.fc2.bias)


class Block(nn.Module):
    """x + Attention(LayerNorm(x)), then x + Mlp(LayerNorm(x)); no dropout."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, tail: int | None = None) -> Tensor:
        """Return ``(n, length, width)``, or only the last ``tail`` tokens and only their work."""
        x = self.attn(self.norm1(x), x if tail is None else x[:, -tail:], tail)
        return self.mlp(self.norm2(x), x)


def initialise(module: nn.Module) -> None:
    """Give every linear layer inside ``module`` Xavier-uniform weights and zero biases; layer norms keep 1 and 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Encoder(nn.Module):
    """Linear embedding, positions, blocks, norm and a linear head.

    ``kept_blocks`` bounds memory in training: the blocks after so many are computed again in backward. None keeps all.
    """

    def __init__(self, dim: int, width: int, depth: int, heads: int, kept_blocks: int | None = None) -> None:
        super().__init__()
        self.kept_blocks = depth if kept_blocks is None else kept_blocks
        self.patch_embed = Linear(dim, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = Linear(width, width)
        initialise(self)

    def forward(self, frames: Tensor, positions: Tensor) -> Tensor:
        """Return ``(n, v, width)`` for ``frames`` (n, v, dim) and ``positions`` (n, v, width) or (v, width)."""
        x = self.patch_embed(frames) + positions
        for number, block in enumerate(self.blocks):
            again = number >= self.kept_blocks and torch.is_grad_enabled()
            x = checkpoint(block, x, use_reentrant=False) if again else block(x)
        return self.head(self.norm(x))


class Decoder(nn.Module):
    """Blocks, norm and a linear head to the feature dimension."""

    def __init__(self, dim: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, dim)
        initialise(self)

    def forward(self, x: Tensor, tail: int) -> Tensor:
        """Return ``(n, tail, width)``: the last ``tail`` tokens of ``x`` (n, length, width), ready for ``head``."""
        for block in self.blocks[:-1]:
            x = block(x)
        return self.norm(self.blocks[-1](x, tail))
