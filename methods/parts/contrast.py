"""Contrastive losses between two views of a batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from methods.parts.precision import full_precision


@full_precision
def debiased_contrast(first: Tensor, second: Tensor, temperature: float, class_prior: float) -> Tensor:
    """Return the debiased contrastive loss (Chuang et al., NeurIPS 2020, equations 7 and 8) as a scalar.

    first, second: (n, d) reals, the two views of the same n videos; they are normalised here. Every vector has one
    positive (its other view) and 2n - 2 negatives. ``class_prior`` is the probability that a negative is of the same
    class. The estimate of the true negatives is at least its theoretical minimum (2n - 2) * exp(-1 / temperature).
    """
    n = len(first)
    z = functional.normalize(torch.cat([first, second]), dim=1, eps=1e-12)
    positive = ((z[:n] * z[n:]).sum(1) / temperature).exp().repeat(2)
    # Column k of line i is i itself or its partner exactly where k = i modulo n.
    related = torch.eye(n, dtype=torch.bool, device=z.device).repeat(2, 2)
    others = (z @ z.T / temperature).exp().masked_fill(related, 0).sum(1)
    count = 2 * n - 2
    negative = (others - class_prior * count * positive) / (1 - class_prior)
    negative = negative.clamp(min=count * math.exp(-1 / temperature))
    return (torch.log(positive + negative) - torch.log(positive)).mean()
