"""Where bfloat16 ends: losses and hash layers compute in float32 under autocast too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


def full_precision(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Return the function without autocast, its tensors of two-byte floats widened to float32 first.

    The first positional argument that is a tensor determines the device.
    """

    @functools.wraps(function)
    def wide(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        if not torch.is_autocast_enabled(device):
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            widened: Any = [_widened(value) for value in args]
            return function(*widened, **{name: _widened(value) for name, value in kwargs.items()})

    return wide


def _widened(value: Any) -> Any:
    narrow = isinstance(value, Tensor) and value.is_floating_point() and value.element_size() < 4
    return value.float() if narrow else value
