"""Attention over the few tokens of a video."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from methods.parts.dropout import dropout


def attend(query: Tensor, key: Tensor, value: Tensor, chance: float = 0.0) -> Tensor:
    """Return ``softmax(query key^T / sqrt(d)) value`` with dropout of the weights, ``(n, heads, m, d)``.

    query: (n, heads, m, d); key and value: (n, heads, length, d). At 7 to 25 tokens the fused CPU kernel of torch takes
    two to nine times as long as the two products written out; on other devices the fused one is used.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=chance)
    weights = ((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(-1)
    return dropout(weights, chance, chance > 0) @ value
