"""The masked autoencoder over frame features whose bottleneck is a binary code per frame (ConMH, section "Method")."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.parts.masking import gather_frames
from methods.parts.positions import sinusoid
from methods.parts.precision import full_precision
from methods.parts.transformer import Decoder, Encoder


class Size(NamedTuple):
    """The size of one transformer."""

    width: int
    depth: int
    heads: int


class MaskedAutoencoder(nn.Module):
    """Encoder, hash layer and decoder. Parameter names and shapes are those of the authors' checkpoints.

    The position tables are neither parameters nor in the state dict, so the number of frames leaves no trace there.
    """

    encoder_positions: Tensor
    decoder_positions: Tensor

    def __init__(
        self, frames: int, dim: int, bits: int, encoder: Size, decoder: Size, kept_blocks: int | None = None
    ) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder.width))
        self.encoder = Encoder(dim, *encoder, kept_blocks=kept_blocks)
        self.decoder = Decoder(dim, *decoder)
        # The three layers below keep torch's default initialisation, and `ln` its default epsilon of 1e-5.
        self.encoder_to_decoder = nn.Linear(bits, decoder.width, bias=False)
        self.binary = nn.Linear(encoder.width, bits)
        self.ln = nn.LayerNorm(bits)
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)
        self.register_buffer("encoder_positions", sinusoid(frames, encoder.width), persistent=False)
        self.register_buffer("decoder_positions", sinusoid(frames, decoder.width), persistent=False)

    def pre_sign(self, frames: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return ``(n, v, bits)`` reals before binarisation.

        frames: (n, v, dim), the frames at the positions ``visible`` (n, v), or all frames of the video in order.
        """
        positions = self.encoder_positions if visible is None else self.encoder_positions[visible]
        return self._hash(self.encoder(frames, positions))

    @full_precision
    def _hash(self, x: Tensor) -> Tensor:
        return self.ln(self.binary(x))

    def encode_views(self, frames: Tensor, visible: Tensor) -> Tensor:
        """Return ``pre_sign`` (v * n, V, bits) of the frames (n, T, dim) at the indices ``visible`` (v * n, V)."""
        return self.pre_sign(gather_frames(frames, visible), visible)

    def reconstruct(self, codes: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return the hidden frames in order of time, ``(n, m, dim)``, from the ``codes`` (n, v, bits) of the others."""
        return self.decoder.head(self.hidden_tokens(codes, visible, hidden))

    def hidden_tokens(self, codes: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return what ``decoder.head`` turns into the hidden frames, ``(n, m, decoder width)``."""
        seen = self.encoder_to_decoder(codes) + self.decoder_positions[visible]
        unseen = self.mask_token + self.decoder_positions[hidden]
        return self.decoder(torch.cat([seen, unseen], dim=1), tail=hidden.shape[1])
