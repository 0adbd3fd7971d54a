"""Reading of checkpoints that the authors' code wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from benchmark.errors import BadInput


def authors_state(payload: Mapping[str, Any], entry: str = "model_state_dict") -> dict[str, Tensor]:
    """Return the state dict under ``entry``, its keys without the ``module.`` of training on several GPUs.

    Raises BadInput where the entry is absent or holds anything but named tensors.
    """
    state = payload.get(entry)
    if not isinstance(state, Mapping) or not state:
        raise BadInput(
            "the checkpoint is not laid out as the authors' code writes it",
            key=entry,
            expected="a dict of tensors under this key",
            found=f"the keys {', '.join(map(str, list(payload)[:5])) or '(none)'}",
        )
    wrong = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        raise BadInput("the checkpoint's state dict holds what is no tensor", key=wrong[0], expected="a tensor")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


class AutoencoderSizes(NamedTuple):
    """What the shapes of a masked autoencoder's state dict tell; ``inner`` is heads * head_dim."""

    dim: int
    bits: int
    width: int
    depth: int
    inner: int
    decoder_width: int
    decoder_depth: int


def autoencoder_sizes(state: Mapping[str, Tensor]) -> AutoencoderSizes:
    """Return the sizes; raises BadInput where a tensor that tells one is missing or of another rank."""
    width, dim = sizes(state, "encoder.patch_embed.weight")
    return AutoencoderSizes(
        dim=dim,
        bits=sizes(state, "binary.weight")[0],
        width=width,
        depth=depth(state, "encoder.blocks"),
        inner=sizes(state, "encoder.blocks.0.attn.qkv.weight")[0] // 3,
        decoder_width=sizes(state, "encoder_to_decoder.weight")[0],
        decoder_depth=depth(state, "decoder.blocks"),
    )


def sizes(state: Mapping[str, Tensor], key: str, rank: int = 2) -> tuple[int, ...]:
    """Return the shape of a tensor; raises BadInput where it is missing or has another number of axes."""
    value = state.get(key)
    if value is None or value.ndim != rank:
        found = "nothing" if value is None else f"shape {tuple(value.shape)}"
        raise BadInput("the checkpoint is of another network", key=key, expected=f"{rank} axes", found=found)
    return tuple(value.shape)


def depth(state: Mapping[str, Tensor], blocks: str) -> int:
    """Return how many blocks the state holds under ``<blocks>.0.``, ``<blocks>.1.`` and so on."""
    found = [re.match(rf"{re.escape(blocks)}\.(\d+)\.", key) for key in state]
    return 1 + max((int(match[1]) for match in found if match), default=-1)
