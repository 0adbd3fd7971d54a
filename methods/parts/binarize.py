"""Reals to ±1 codes with a straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = (x + 1) / 2
        ctx.save_for_backward((y > 0) & (y <= 1))
        return y.clamp_(0, 1).round_().mul_(2).sub_(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (passes,) = ctx.saved_tensors
        return grads[0] * passes


def binarize(x: Tensor) -> Tensor:
    """Return codes in {-1, +1} of any shape, in the dtype of ``x``; NaN stays NaN.

    Forward: y = clip((x + 1) / 2, 0, 1), rounded half to even, times 2 minus 1; so x = 0 gives -1. Backward: the
    gradient passes unchanged on -1 < x <= 1 and is zero elsewhere, as the rounding blocks it where y is exactly 0 and
    the clipping where y leaves [0, 1]. The scaling by one half is done as written because it decides which side the
    floats next to 0 and 1 fall on. Source: the code of BTH (Li et al., CVPR 2021) and ConMH (Wang et al., AAAI 2023).
    """
    return _StraightThrough.apply(x)
