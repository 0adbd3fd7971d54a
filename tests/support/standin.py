"""A stand-in for the backbones' and views' modules: tiny, deterministic, and without a download.

Run as a script it is ``python -m benchmark`` with the stand-in: ``python tests/support/standin.py extract ...``.
"""

import hashlib
import os
import sys
import time
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
SIDE, DIM = 16, 24


class TinyBackbone:
    """Random convolutions of the frame reduced to 16 x 16, averaged in quarters."""

    def __init__(self, spec, seed=0):
        self.spec, self.dim = spec, DIM
        self.identity = {"source": "stand-in", "name": spec, "precision": "fp32"}
        self.kernels = torch.randn(DIM // 4, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
        self.batch, self.calls = 1, []

    def prepare(self, frames):
        assert frames.dtype == torch.uint8 and frames.shape[1] == 3
        return torch.nn.functional.interpolate(frames.float() / 255, (SIDE, SIDE), mode="area")

    def features(self, inputs):
        assert len(inputs) <= self.batch
        self.calls.append(len(inputs))
        time.sleep(float(os.environ.get("STANDIN_SECONDS", "0")))
        with torch.no_grad():
            values = torch.nn.functional.conv2d(inputs, self.kernels, padding=2).relu()
            return torch.nn.functional.adaptive_avg_pool2d(values, 2).flatten(1)


def open_backbone(spec, device, precision):
    return TinyBackbone(spec)


def augmented(frames, seed, name, view):
    """Return view 0 as it is, and others rolled by a draw from (seed, name, view)."""
    if view == 0:
        return frames
    step = hashlib.sha256(f"{seed}/{name}/{view}".encode()).digest()[0] % 7 + 1
    return frames.roll(step, dims=-1)


def install():
    """Put the stand-in where the command looks for backbones and views."""
    backbones = types.ModuleType("benchmark.extraction.backbones")
    backbones.open_backbone = open_backbone
    views = types.ModuleType("benchmark.extraction.views")
    views.augmented, views.VIEWS_VERSION = augmented, "stand-in 1"
    sys.modules.update({module.__name__: module for module in (backbones, views)})


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    install()
    from benchmark.cli import main
    from benchmark.extraction import job

    job.SHARD_SECONDS = float(os.environ.get("STANDIN_SHARD_SECONDS", job.SHARD_SECONDS))
    sys.exit(main(sys.argv[1:]))
