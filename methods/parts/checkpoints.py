"""Reading of checkpoints that the authors' code wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from benchmark.errors import BadInput
from benchmark.files.tensors import as_tensors

ENTRIES = ("model_state_dict", "state_dict", "model", "net", "network")
"""Where trainers keep a network's state dict, beside the epoch and the optimiser's state."""

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name: training on several GPUs, torch.compile, a trainer's own module."""


def authors_state(payload: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint: one of ``ENTRIES``, or the payload itself; names without ``WRAPPERS``.

    Floats become float32, arrays of numpy tensors. Raises BadInput where there is none, and where it holds anything but
    named tensors of finite numbers.
    """
    tensors = as_tensors(_state_in(payload))
    return {name: value.float() if value.is_floating_point() else value for name, value in _bare(tensors).items()}


def _state_in(payload: Mapping[str, Any]) -> Mapping[Any, Any]:
    for entry in ENTRIES:
        state = payload.get(entry)
        if isinstance(state, Mapping) and state:
            return state
    if any(hasattr(value, "shape") for value in payload.values()):
        return payload
    entry = next((name for name in ENTRIES if name in payload), ENTRIES[0])
    raise BadInput(
        "the checkpoint is not laid out as the authors' code writes it",
        key=entry,
        expected="a dict of tensors under this key, or a state dict alone",
        found=f"the keys {', '.join(map(str, list(payload)[:5])) or '(none)'}",
    )


def _bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state without the prefixes that all names share, in any order, and without compiled modules' own."""
    bare = {re.sub(r"(^|\.)_orig_mod\.", r"\1", name): value for name, value in state.items()}
    while wrapper := next((prefix for prefix in WRAPPERS if all(name.startswith(prefix) for name in bare)), None):
        bare = {name.removeprefix(wrapper): value for name, value in bare.items()}
    if len(bare) < len(state):
        raise BadInput("the checkpoint holds a tensor twice, with and without a prefix", expected="one state dict")
    return bare


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
    if value is None or value.ndim != rank or 0 in value.shape:
        found = "nothing" if value is None else f"shape {tuple(value.shape)}"
        raise BadInput("the checkpoint is of another network", key=key, expected=f"{rank} axes", found=found)
    return tuple(value.shape)


def depth(state: Mapping[str, Tensor], blocks: str) -> int:
    """Return how many blocks the state holds under ``<blocks>.0.``, ``<blocks>.1.`` and so on."""
    found = [re.match(rf"{re.escape(blocks)}\.(\d+)\.", key) for key in state]
    return 1 + max((int(match[1]) for match in found if match), default=-1)
