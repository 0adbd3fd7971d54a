"""A loss as one compiled graph, on request: torch.compile, with CUDA graphs on a GPU."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmark.errors import BadInput

if TYPE_CHECKING:
    import torch

Loss = Callable[..., "dict[str, torch.Tensor]"]


def loss_of(loss: Loss, device: torch.device, compiled: bool) -> Loss:
    """Return the loss itself, or where ``compiled`` the loss and its gradient as one graph.

    Random numbers inside are drawn as without compilation. On a GPU the step is replayed as a CUDA graph, whose outputs
    live until the next replay; so its terms are copied.
    """
    if not compiled:
        return loss
    import torch
    from torch._inductor import config

    config.fallback_random = True
    if device.type != "cuda":
        return torch.compile(loss, dynamic=False)
    replayed = torch.compile(loss, dynamic=False, mode="reduce-overhead")

    def fresh(*arguments: Any) -> dict[str, torch.Tensor]:
        torch.compiler.cudagraph_mark_step_begin()
        return {name: value.clone() for name, value in replayed(*arguments).items()}

    return fresh


def check_compiler(device: torch.device) -> None:
    """Raise BadInput where there is nothing to compile with: a C++ compiler for the CPU."""
    if device.type == "cpu" and not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
        raise BadInput("--compile needs a C++ compiler", expected="g++ or clang++", next_step="leave --compile out")
