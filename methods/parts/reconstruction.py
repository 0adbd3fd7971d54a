"""The squared error of frames that a linear layer reconstructs, without ever holding the reconstruction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.masking import frame_rows

_ROWS = 2048
"""Frames that are reconstructed at a time (ours): 32 MB at 4096 dimensions in float32."""


class _LinearMeanSquare(torch.autograd.Function):
    """The loss is quadratic, so forward can compute every gradient while a block of residuals is at hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, frames: Tensor, index: Tensor) -> Tensor:
        scale = 2 / (len(index) * frames.shape[1])
        by_x, by_weight, by_bias = (torch.zeros_like(tensor) for tensor in (x, weight, bias))
        total = torch.zeros((), dtype=torch.float64, device=x.device)
        for start in range(0, len(index), _ROWS):
            part = slice(start, start + _ROWS)
            residual = functional.linear(x[part], weight, bias).sub_(frames.index_select(0, index[part]))
            total += residual.square().sum(dtype=torch.float64)
            torch.mm(residual, weight, out=by_x[part])
            by_weight.addmm_(residual.T, x[part])
            by_bias += residual.sum(0)
        ctx.gradients = [gradient.mul_(scale) for gradient in (by_x, by_weight, by_bias)]
        return (total * (scale / 2)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient.mul_(grads[0]) for gradient in ctx.gradients), None, None


def linear_mean_square(x: Tensor, head: nn.Linear, frames: Tensor, index: Tensor) -> Tensor:
    """Return the mean of (head(x) - target)^2 over all elements, a scalar; backward runs once.

    x: (v * n, m, width). The targets are ``frames`` (n, T, dim) at ``index`` (v * n, m), the n videos repeated v times.
    At FCVID's sizes reconstruction, targets and their gradient would have 300 MB each; here only blocks of them exist.
    """
    rows = frame_rows(frames, index)
    return _LinearMeanSquare.apply(x.flatten(0, 1), head.weight, head.bias, frames.flatten(0, 1), rows)
