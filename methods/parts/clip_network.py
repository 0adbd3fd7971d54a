"""CHAIN's network: a temporal encoder with a hash layer, a head for frame order and a head for scenes."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.masked_autoencoder import Size
from methods.parts.precision import full_precision
from methods.parts.segments import frame_slots, sinusoid_at
from methods.parts.transformer import Encoder


class ClipNetwork(nn.Module):
    """Positions are those of the slots of a clip; the frames of a whole video are spread evenly over the same range.

    The position tables are not in the state dict. ``order_classes`` and ``scene_dim`` are the widths of what the two
    heads return; the hidden layer of both is as wide as the encoder.
    """

    slots: Tensor
    frame_positions: Tensor

    def __init__(
        self,
        frames: int,
        segments: int,
        dim: int,
        bits: int,
        *,
        encoder: Size,
        order_classes: int,
        scene_dim: int,
    ) -> None:
        super().__init__()
        width = encoder.width
        self.encoder = Encoder(dim, *encoder)
        self.binary = nn.Linear(width, bits)
        self.ln = nn.LayerNorm(bits)
        self.order = _head(width, order_classes)
        self.scene = _head(width, scene_dim)
        self.register_buffer("slots", sinusoid_at(np.arange(segments), width), persistent=False)
        positions = sinusoid_at(frame_slots(frames, segments), width)
        self.register_buffer("frame_positions", positions, persistent=False)

    def embed(self, frames: Tensor) -> Tensor:
        """Return ``(n, m, width)``: frames (n, m, dim) through the linear embedding, without positions."""
        return self.encoder.patch_embed(frames)

    def contextual(self, embedded: Tensor, positions: Tensor) -> Tensor:
        """Return the frame representations ``(n, m, width)`` of embedded frames at positions (m, width)."""
        x = embedded + positions
        for block in self.encoder.blocks:
            x = block(x)
        return self.encoder.head(self.encoder.norm(x))

    @full_precision
    def pre_sign(self, representations: Tensor) -> Tensor:
        """Return ``(n, m, bits)`` reals before binarisation."""
        return self.ln(self.binary(representations))

    def scene_embeddings(self, representations: Tensor) -> Tensor:
        """Return ``(n, m, scene_dim)`` unit vectors."""
        return functional.normalize(self.scene(representations), dim=-1)

    def encode(self, frames: Tensor) -> Tensor:
        """Return ``(n, T, bits)`` reals before binarisation for whole videos (n, T, dim)."""
        return self.pre_sign(self.contextual(self.embed(frames), self.frame_positions))


def _head(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))
