"""Backbones through timm: ``timm:NAME``, with a tag (``resnet50.a1_in1k``) or not, or ``timm:hf-hub:OWNER/MODEL``.

Features are what the model's classifier would see; the preprocessing is that of its pretrained configuration.
"""

from __future__ import annotations

from typing import Any

import timm
import torch

from benchmark.errors import BadInput
from benchmark.extraction.backbones import (
    NetworkBackbone,
    Spec,
    digest_of_weights,
    first_line,
    only_tensors,
    refuse_pooling,
)
from benchmark.extraction.preprocessing import Interpolation, Preprocessing

INTERPOLATIONS: dict[str, Interpolation] = {
    "bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest-exact", "lanczos": "lanczos",
}  # fmt: skip


def open_source(spec: Spec, device: torch.device, precision: str) -> NetworkBackbone:
    """Open a pretrained model of timm; raises BadInput where there is none of this name or it cannot be had."""
    refuse_pooling(spec)
    name = spec.name if spec.revision is None else f"{spec.name}@{spec.revision}"
    try:
        with only_tensors():
            network = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:
        raise BadInput(
            f"backbone '{spec.text}': timm cannot make it ({first_line(error)})",
            next_step="look its name up with timm.list_pretrained()",
        ) from error
    preprocessing = _preprocessing(spec, timm.data.resolve_model_data_config(network))
    identity = {
        "name": name,
        "revision": digest_of_weights(network),
        "pooling": "what the classifier sees",
        "timm": timm.__version__,
    }
    return NetworkBackbone(spec, network, preprocessing, device, precision, identity)


def _preprocessing(spec: Spec, config: dict[str, Any]) -> Preprocessing:
    """Return timm's evaluation transform: the crop's size over ``crop_pct``, then the crop of the centre."""
    channels, height, width = config["input_size"]
    mode, interpolation = config.get("crop_mode", "center"), INTERPOLATIONS.get(config["interpolation"])
    if channels != 3 or mode not in ("center", "squash") or interpolation is None:
        raise BadInput(f"backbone '{spec.text}': its preprocessing is none that is known", found=config)
    share = config["crop_pct"]
    enlarged = (int(height / share), int(width / share))
    resize = enlarged[0] if mode == "center" and height == width else enlarged
    return Preprocessing(
        resize, (height, width), interpolation, mean=tuple(config["mean"]), std=tuple(config["std"]),
        nearest_centre=True,
    )  # fmt: skip
