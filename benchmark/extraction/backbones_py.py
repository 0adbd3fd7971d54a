"""A user's own backbone: ``py:PACKAGE.MODULE:FUNCTION``, a function without arguments that runs in this process.

It returns a Backbone, or a torch module, or a torch module and its preprocessing. A module takes float ``(n, 3, h, w)``
and returns ``(n, dim)``, or ``(n, dim, h', w')``, which is averaged over space; alone, it gets the usual pictures of
ImageNet: short edge 256, centre of 224 x 224, normalised.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmark.errors import BadInput
from benchmark.extraction.backbones import (
    Backbone,
    NetworkBackbone,
    Spec,
    digest_of_weights,
    first_line,
    refuse_pooling,
)
from benchmark.extraction.preprocessing import Preprocessing


def open_source(spec: Spec, device: torch.device, precision: str) -> Backbone:
    """Call the user's function; raises BadInput where it is not there or returns something else."""
    refuse_pooling(spec)
    made = _function(spec)()
    if isinstance(made, Backbone):
        return made
    network, preprocessing = made if isinstance(made, tuple) and len(made) == 2 else (made, Preprocessing())
    if not isinstance(network, nn.Module) or not callable(preprocessing):
        raise BadInput(
            f"backbone '{spec.text}' returns something else",
            expected="a Backbone, a torch.nn.Module, or (module, preprocessing)",
            found=type(made).__name__,
        )
    identity = {
        "name": spec.name,
        "revision": f"{digest_of_weights(network)} of weights, {_digest_of_source(network)} of source",
        "pooling": "the module's own",
    }
    return NetworkBackbone(spec, network, preprocessing, device, precision, identity)


def _function(spec: Spec) -> Callable[[], Any]:
    module, colon, name = spec.name.partition(":")
    if not colon or not name.isidentifier():
        raise BadInput(f"backbone '{spec.text}' names no function", expected="py:PACKAGE.MODULE:FUNCTION")
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise BadInput(
            f"backbone '{spec.text}': '{module}' cannot be imported ({first_line(error)})",
            next_step="start in the folder that holds it, or name it in PYTHONPATH",
        ) from error
    if not callable(function):
        raise BadInput(f"backbone '{spec.text}': '{module}' has no function '{name}'")
    return function


def _digest_of_source(network: nn.Module) -> str:
    """Return the hex digest of the file that defines the network's class, as far as there is one."""
    try:
        source = inspect.getsource(inspect.getmodule(type(network)) or type(network))
    except (OSError, TypeError):
        source = type(network).__qualname__
    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest()
