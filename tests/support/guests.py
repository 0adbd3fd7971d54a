"""Small data that resemble frame features, and methods of the checkout set up for them."""

from functools import cache

import numpy as np
import pytest
import torch

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method, resolve_config
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.training import loop
from benchmark.training.session import Session
from benchmark.training.trained_method import TrainedMethod

SHAPE = FrameShape(8, 48)
CLASSES = 10
TRAIN, QUERIES = 200, 60
SMALL = {
    "size": "mini",
    "batch_size": 50,
    "learning_rate": 1e-3,
    "width": 64,
    "depth": 1,
    "heads": 2,
    "centred_start": True,
}
"""Settings that a quick run has use for, where a configuration knows them. The centred start is a variant of BTH: its
released start leaves constant bits, which is a finding about the method and is stated on its card."""


@cache
def data():
    """Return training videos, query videos, and the labels of both: noisy classes in few dimensions, then ReLU."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, CLASSES, TRAIN + QUERIES)
    latent = rng.normal(size=(CLASSES, 12))[labels] + 0.45 * rng.normal(size=(len(labels), 12))
    frames = latent[:, None] + 0.4 * rng.normal(size=(len(labels), SHAPE.frames, 12))
    values = np.maximum(frames @ rng.normal(size=(12, SHAPE.dim)) / 2 + 0.3, 0).astype(np.float32)
    return MemoryVideos(values[:TRAIN]), MemoryVideos(values[TRAIN:]), labels[:TRAIN], labels[TRAIN:]


def settings(cls):
    return {key: value for key, value in SMALL.items() if key in cls.Config.model_fields}


def fresh(name, bits, seed=0, artefacts=None):
    cls = registry.load_method(name)
    config = resolve_config(choose_method(name), "", settings(cls))
    reason = cls.unsupported(bits, SHAPE, config)
    if reason:
        pytest.skip(f"{name} with {bits} bits: {reason}")
    return cls(bits, SHAPE, config, Run(seed, torch.device("cpu"), artefacts=artefacts))


def fit(method, session=None):
    """Prepare and fit as the engine does, and return the method."""
    train = data()[0]
    method.prepare(train)
    if isinstance(method, TrainedMethod):
        loop.train(method, train, session or Session())
    else:
        method.fit(train)
    return method
