"""Checkpoints of BTH's authors, under the key names of before and after April 2021."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmark.errors import BadInput
from benchmark.interfaces.method import FrameShape, Imported
from methods.parts.bert import position_table
from methods.parts.checkpoints import authors_state, depth, sizes

UNUSED = ("bert.embedding.token.", "bert.embedding.segment.", "bert2.", "project.")
"""What no computation reads: two embeddings, and a second encoder and a layer of the older class."""
POSITIONS = "bert.embedding.position.pe"


def translate(payload: Mapping[str, Any]) -> Imported:
    """Return sizes and state of a checkpoint of the authors' code, in any layout of ``authors_state``."""
    named = {re.sub(r"^bert1\.", "bert.", name): value for name, value in authors_state(payload).items()}
    state = {name: value for name, value in named.items() if not name.startswith(UNUSED)}
    width, dim = sizes(state, "bert.embedding.frame_map.weight")
    bits, _ = sizes(state, "binary.weight")
    _check_positions(state.pop(POSITIONS, None), width)
    layers = depth(state, "bert.transformer_blocks")
    return Imported(bits, FrameShape(0, dim), {"width": width, "layers": layers}, state)


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
