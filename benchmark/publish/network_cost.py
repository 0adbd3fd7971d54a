"""What a method costs at the field's usual size: parameters, and operations to encode one video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.interfaces.videos import FrameShape

if TYPE_CHECKING:
    from benchmark.interfaces.method import Method

BITS, SHAPE = 64, FrameShape(25, 4096)
"""The size at which costs are counted: FCVID's features and the field's longest codes."""


def network_cost(cls: type[Method]) -> dict[str, float] | None:
    """Return ``parameters`` and ``encode_gflop`` (1e9 multiplications and additions) of a trained method, else None.

    Counted for the default configuration, ``BITS`` and ``SHAPE``: trained values, and what torch's counter finds in
    matrix products, convolutions and attention of one video's encoding.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmark.interfaces.run import Run
    from benchmark.training.trained_method import TrainedMethod

    if not issubclass(cls, TrainedMethod):
        return None
    method = cls(BITS, SHAPE, cls.Config(), Run(seed=0, device=torch.device("cpu")))
    method.module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method.encode(torch.zeros(1, *SHAPE))
    return {
        "parameters": sum(tensor.numel() for tensor in method.module.parameters()),
        "encode_gflop": counter.get_total_flops() / 1e9,
    }
