"""Tiny models with random weights, saved as their authors would save them: folders that transformers reads."""

from __future__ import annotations

from pathlib import Path

import torch

SIDE = 32
VIT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "image_size": SIDE, "patch_size": 8,
}  # fmt: skip


def save(folder: Path, kind: str) -> Path:
    """Write a model of a kind, with weights and preprocessing, and return its folder."""
    import transformers as t

    square = {"size": {"height": SIDE, "width": SIDE}}
    plain = t.ViTImageProcessorPil(**square)
    makers = {
        "vit": lambda: (t.ViTModel(t.ViTConfig(**VIT)), plain),
        "vit without pooler": lambda: (t.ViTForImageClassification(t.ViTConfig(**VIT, num_labels=3)), plain),
        "deit": lambda: (t.DeiTModel(t.DeiTConfig(**VIT), add_pooling_layer=False), t.DeiTImageProcessorPil(
            size={"height": 40, "width": 40}, crop_size=square["size"])),
        "dinov2": lambda: (t.Dinov2Model(t.Dinov2Config(**VIT)), t.BitImageProcessorPil(
            size={"shortest_edge": 36}, crop_size=square["size"])),
        "registers": lambda: (t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(
            **VIT, num_register_tokens=3)), plain),
        "clip": lambda: (t.CLIPModel(t.CLIPConfig(text_config={"hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}, vision_config=VIT,
            projection_dim=12)), t.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square["size"])),
        "siglip": lambda: (t.SiglipModel(t.SiglipConfig(text_config={"hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}, vision_config=VIT)),
            t.SiglipImageProcessorPil(**square)),
        "resnet": lambda: (t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1],
            layer_type="basic")), t.ConvNextImageProcessorPil(size={"shortest_edge": SIDE})),
        "convnext": lambda: (t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 8, 16, 20], depths=[1, 1, 1, 1])),
            t.ConvNextImageProcessorPil(size={"shortest_edge": 64})),
        "mae": lambda: (t.ViTMAEModel(t.ViTMAEConfig(**VIT)), plain),
        "bert": lambda: (t.BertModel(t.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, vocab_size=50)), plain),
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, processor = makers[kind]()
        for parameter in model.parameters():  # unlike a fresh model's: nothing is zero, so nothing hides
            torch.nn.init.normal_(parameter, std=0.2)
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def clip(frames: int = 5, height: int = 48, width: int = 60, seed: int = 0) -> torch.Tensor:
    """Return uint8 frames ``(T, 3, H, W)``: smooth pictures that change with time."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, 6, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return smooth.clamp(0, 1).mul(255).round().to(torch.uint8)
