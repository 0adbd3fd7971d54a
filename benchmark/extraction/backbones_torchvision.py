"""Backbones through torchvision: ``torchvision:NAME@WEIGHTS`` (``resnet50@IMAGENET1K_V2``; by default the newest).

Features are what the last linear layer would see; the preprocessing is that of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import nn

from benchmark.errors import BadInput
from benchmark.extraction.backbones import NetworkBackbone, Spec, first_line, only_tensors, refuse_pooling
from benchmark.extraction.preprocessing import Interpolation, Preprocessing

HEADS = ("fc", "classifier", "heads", "head")
"""Attributes of torchvision's classifiers that hold their last layers."""
INTERPOLATIONS: dict[str, Interpolation] = {
    "bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest-exact", "nearest-exact": "nearest-exact",
}  # fmt: skip


def open_source(spec: Spec, device: torch.device, precision: str) -> NetworkBackbone:
    """Open a pretrained classifier of torchvision; raises BadInput where there is none of this name."""
    refuse_pooling(spec)
    try:
        weights = torchvision.models.get_model_weights(spec.name)[spec.revision or "DEFAULT"]
        with only_tensors():
            network = torchvision.models.get_model(spec.name, weights=weights)
    except Exception as error:
        raise BadInput(
            f"backbone '{spec.text}': torchvision cannot make it ({first_line(error)})",
            next_step="look its name up with torchvision.models.list_models(), and its weights on its page",
        ) from error
    preprocessing = _preprocessing(spec, weights.transforms())
    without_last_layer(spec, network)
    identity = {
        "name": spec.name,
        "revision": weights.url.rpartition("/")[2],  # ends in a part of the file's SHA-256, which torch checks
        "weights": str(weights),
        "pooling": "what the last linear layer sees",
        "torchvision": torchvision.__version__,
    }
    return NetworkBackbone(spec, network, preprocessing, device, precision, identity)


def without_last_layer(spec: Spec, network: nn.Module) -> None:
    """Replace the last linear layer of a classifier by the identity; raises BadInput where there is none."""
    for name in HEADS:
        head = getattr(network, name, None)
        if isinstance(head, nn.Linear):
            setattr(network, name, nn.Identity())
            return
        if isinstance(head, nn.Sequential) and isinstance(head[-1], nn.Linear):
            head[-1] = nn.Identity()
            return
    raise BadInput(f"backbone '{spec.text}' does not end in a linear layer", next_step="use py: with your own module")


def _preprocessing(spec: Spec, transforms: Any) -> Preprocessing:
    """Return what torchvision's ``ImageClassification`` preset does."""
    try:
        (resize,), (crop,) = transforms.resize_size, transforms.crop_size
        interpolation = INTERPOLATIONS[transforms.interpolation.value]
        mean, std = tuple(transforms.mean), tuple(transforms.std)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"backbone '{spec.text}': its preprocessing is none that is known", found=transforms) from error
    return Preprocessing(resize, (crop, crop), interpolation, mean=mean, std=std, nearest_centre=True)
