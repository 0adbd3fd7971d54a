"""The squared error of frames that a linear layer reconstructs, without ever making the reconstruction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from methods.parts.masking import frame_rows


class _LinearMeanSquare(torch.autograd.Function):
    """The loss is quadratic in layer and input, so that its value and gradients follow from small products.

    With W the weights, b the bias and t the target of x: |Wx + b - t|^2 = x'W'Wx + 2 x'W'b + |b|^2 - 2 (x'W't + b't) +
    |t|^2, where t enters by its projection [W b]'t alone, which frames that are a target twice share.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, frames: Tensor, rows: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return _value_and_gradients(ctx, x.to(weight.dtype), weight, bias, frames.to(weight.dtype), rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient.mul_(grads[0]) for gradient in ctx.gradients), None, None


def _value_and_gradients(
    ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, frames: Tensor, rows: Tensor | None
) -> Tensor:
    count, width = x.shape
    extended = torch.cat([weight, bias[:, None]], dim=1)
    projected = frames @ extended
    ones = torch.cat([x, x.new_ones(count, 1)], dim=1)
    length = torch.linalg.vector_norm(frames, dim=1).double().square()
    if rows is None:
        gathered, by_frame = projected, ones
    else:
        gathered = projected.index_select(0, rows)
        by_frame = torch.zeros_like(projected).index_add_(0, rows, ones)
    offset = bias @ weight
    by_x = (x @ (weight.T @ weight)).add_(offset - gathered[:, :width])
    cross = (x * (by_x + offset - gathered[:, :width])).sum(dtype=torch.float64)
    total = cross + count * bias.double().square().sum() - 2 * gathered[:, width].sum(dtype=torch.float64)
    total += by_frame[:, width].double() @ length
    by_extended = (extended @ (ones.T @ ones)).sub_(frames.T @ by_frame)
    scale = 2 / (count * frames.shape[1])
    by_weight, by_bias = by_extended.mul_(scale).split([width, 1], dim=1)
    ctx.gradients = [by_x.mul_(scale), by_weight.contiguous(), by_bias.squeeze(1).contiguous()]
    return (total * (scale / 2)).to(weight.dtype)


def linear_mean_square(x: Tensor, head: nn.Linear, frames: Tensor, index: Tensor | None = None) -> Tensor:
    """Return the mean of (head(x) - target)^2 over all elements, a scalar; backward runs once.

    x: (v * n, m, width). The targets are ``frames`` (n, T, dim) at ``index`` (v * n, m), the n videos repeated v times;
    without ``index`` they are all frames in order, x being (n, T, width). Products are in the precision of the head's
    weights, under autocast too, as the value is a difference of large numbers. At FCVID's sizes reconstruction, targets
    and their gradient would have 300 MB each; here nothing of that width is made.
    """
    rows = None if index is None else frame_rows(frames, index)
    return _LinearMeanSquare.apply(x.flatten(0, 1), head.weight, head.bias, frames.flatten(0, 1), rows)
