"""Checkpoints of BTH's authors, under the key names of before and after April 2021."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmark.errors import BadInput
from benchmark.method import FrameShape, Imported
from methods.parts.bert import position_table
from methods.parts.checkpoints import authors_state

UNUSED = ("bert.embedding.token.", "bert.embedding.segment.", "bert2.", "project.")
"""What no computation reads: two embeddings, and a second encoder and a layer of the older class."""
POSITIONS = "bert.embedding.position.pe"
ENTRY = "model_state_dict"


def translate(payload: Mapping[str, Any]) -> Imported:
    """Return sizes and state of a state dict, given as such or under ``model_state_dict``; raises BadInput."""
    found = authors_state(payload if ENTRY in payload else {ENTRY: payload})
    named = {re.sub(r"^bert1\.", "bert.", name): value for name, value in found.items()}
    state = {name: value for name, value in named.items() if not name.startswith(UNUSED)}
    width, dim = _matrix(state, "bert.embedding.frame_map.weight")
    bits, _ = _matrix(state, "binary.weight")
    _check_positions(state.pop(POSITIONS, None), width)
    layers = {match[1] for name in state if (match := re.match(r"bert\.transformer_blocks\.(\d+)\.", name))}
    return Imported(bits, FrameShape(0, dim), {"width": width, "layers": len(layers)}, state)


def _matrix(state: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    value = state.get(key)
    if value is None or value.ndim != 2:
        found = "nothing" if value is None else f"shape {tuple(value.shape)}"
        raise BadInput("the checkpoint is of another network", key=key, expected="a matrix", found=found)
    return value.shape[0], value.shape[1]


def _check_positions(table: Tensor | None, width: int) -> None:
    """Raise BadInput where a stored position table is another than the one that the network computes."""
    if table is None:
        return
    if table.shape[0::2] != (1, width) or (table[0] - position_table(table.shape[1], width)).abs().max() > 1e-4:
        raise BadInput(
            "the checkpoint's table of positions is not the sinusoid of the authors' code",
            key=POSITIONS,
            expected=f"shape (1, frames, {width})",
            found=f"shape {tuple(table.shape)}",
        )
