"""Linear layers with what follows them in one pass over memory, where no gradient is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Then = Literal["none", "relu", "gelu", "gelu_tanh"]


def _gelu_tanh(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_tanh": _gelu_tanh,
}
_FUSED = {"none": ("none", ""), "relu": ("relu", ""), "gelu": ("gelu", "none"), "gelu_tanh": ("gelu", "tanh")}


def fuses(x: Tensor) -> bool:
    """Return whether ``Linear`` computes its layer and what follows in one product: on the CPU, in inference mode.

    Values are those of the separate operations to float32 rounding; in bfloat16 an activation is taken before its
    argument is rounded instead of after it.
    """
    if x.device.type != "cpu" or not torch.is_inference_mode_enabled() or not torch.backends.mkldnn.is_available():
        return False
    if _product_dtype(x) == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return _product_dtype(x) == torch.float32


def _product_dtype(x: Tensor) -> torch.dtype:
    """Return the precision that matrix products of ``x`` have here, autocast included."""
    if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


class FusedProduct(nn.Module):
    """``then(x weight^T + bias) + residual`` by one product of oneDNN, with the weight in the layout that it reads.

    The layout stays until the network is set to train or to evaluate. It is made again when the precision, the number
    of rows or the weight has changed. (torch's fused optimisers change a weight without counting it as a change. The
    training loop sets the network to train before its steps.) It takes as much memory as the weight and is in no state
    dict. Copies of a layer make their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._forget()

    def _forget(self) -> None:
        self._made_of: tuple[Any, ...] = ()
        self._weight = torch.empty(0)

    def train(self, mode: bool = True) -> FusedProduct:
        """Forget the layout: the weights may be about to change, or have changed."""
        self._forget()
        return super().train(mode)

    def __reduce__(self) -> tuple[type[FusedProduct], tuple[()]]:
        return FusedProduct, ()

    def forward(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, then: Then = "none", residual: Tensor | None = None
    ) -> Tensor:
        """Return (..., out) for x (..., in), weight (out, in), bias (out,), residual (..., out), where ``fuses(x)``."""
        rows = x.reshape(-1, x.shape[-1]).to(_product_dtype(x))
        made_of = (weight.data_ptr(), weight._version, rows.dtype, len(rows))
        if made_of != self._made_of:
            dense = weight.detach().to(rows.dtype).contiguous()
            self._weight, self._made_of = torch.ops.mkldnn._reorder_linear_weight(dense, len(rows)), made_of
        bias = None if bias is None else bias.to(rows.dtype)
        shape = (*x.shape[:-1], len(weight))
        if residual is not None and residual.dtype == rows.dtype and then == "none":
            beside = residual.reshape(len(rows), -1)
            return torch.ops.mkldnn._linear_pointwise.binary(rows, beside, self._weight, bias, "add").view(shape)
        name, algorithm = _FUSED[then]
        out = torch.ops.mkldnn._linear_pointwise(rows, self._weight, bias, name, [], algorithm).view(shape)
        return out if residual is None else residual + out


class Linear(nn.Linear):
    """torch's linear layer, with an activation after it or a tensor that is added on request."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self._fused = FusedProduct()

    def forward(self, x: Tensor, then: Then = "none", residual: Tensor | None = None) -> Tensor:
        """Return ``then(linear(x)) + residual``, (..., outputs) for x (..., inputs)."""
        if fuses(x):
            return self._fused(x, self.weight, self.bias, then, residual)
        out = ACTIVATIONS[then](functional.linear(x, self.weight, self.bias))
        return out if residual is None else residual + out
