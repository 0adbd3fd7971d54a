"""Frame order verification: shuffled tokens, and how well their positions are predicted."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.parts.precision import full_precision


def shuffle_tokens(tokens: Tensor, permutations: Tensor) -> Tensor:
    """Return ``(n, m, width)`` whose slot j holds token ``permutations[:, j]`` of ``tokens`` (n, m, width)."""
    n, m, width = tokens.shape
    flat = permutations + m * torch.arange(n, device=tokens.device)[:, None]
    return tokens.reshape(n * m, width).index_select(0, flat.flatten()).view(n, m, width)


@full_precision
def order_terms(logits: Tensor, target: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy and the accuracy of predicted positions, both 0 where no clip counts.

    logits: (n, m, classes). target: (n, m) integers. counts: (n,) bool, the clips that count; None counts all.
    """
    loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(target.shape)
    hit = (logits.detach().argmax(2) == target).to(loss.dtype)
    if counts is None:
        return loss.mean(), hit.mean()
    share = counts.to(loss.dtype) / counts.sum().clamp(min=1)
    return (loss.mean(1) * share).sum(), (hit.mean(1) * share).sum()
