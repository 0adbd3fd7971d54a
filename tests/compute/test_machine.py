"""Precision and libraries of matrix products, batches made ahead, and features kept on a device."""

import threading

import numpy as np
import pytest
import torch

from benchmark.catalogue import registry
from benchmark.compute import machine
from benchmark.compute.prefetch import Ahead
from benchmark.data.resident_videos import ResidentVideos, resident, stored_bytes
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records.options import RunOptions
from benchmark.seeds import Draws
from benchmark.training import loop
from benchmark.training.session import Session
from methods.parts.precision import full_precision

CPU = torch.device("cpu")


def relative_error(found, expected):
    return float((found.double() - expected).abs().max() / expected.abs().max())


def small(name):
    """Return videos that gather around 40 points, a method's class and a small configuration without dropout."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 1, 96))[rng.integers(0, 40, 400)] + 0.5 * rng.normal(size=(400, 12, 96))
    cls = registry.load_method(name)
    known = {"width": 64, "dropout": 0.0, "anchors": 40, "size": "mini", "depth": 2, "heads": 2}
    config = cls.Config(batch_size=60, **{key: v for key, v in known.items() if key in cls.Config.model_fields})
    return MemoryVideos(np.maximum(values, 0).astype(np.float32)), cls, config


def test_float32_products_stay_float32_whatever_library_computes_them():
    machine.set_up()
    assert machine.float32_products() in ("oneDNN", "default")
    for rows, inner, columns in ((300, 4096, 64), (64, 1000, 300), (7, 7, 7)):
        a, b = torch.randn(rows, inner), torch.randn(inner, columns)
        assert relative_error(a @ b, a.double() @ b.double()) < machine.EXACT
    a, b = torch.randn(300, 512), torch.randn(512, 300)
    with machine.autocast(CPU, "bf16"):
        assert relative_error(a @ b, a.double() @ b.double()) > 10 * machine.EXACT
    with machine.autocast(CPU, "fp32"):
        assert (a @ b).dtype == torch.float32


def test_auto_takes_bf16_only_where_it_was_shown_and_is_fast(monkeypatch):
    for fast in (True, False):
        monkeypatch.setattr(machine, "has_fast_bf16", lambda device, fast=fast: fast)
        for proven in (True, False):
            expected = "bf16" if fast and proven else "fp32"
            assert machine.resolve_precision("auto", CPU, trained=True, proven=proven) == expected
            assert machine.resolve_precision("bf16", CPU, trained=True, proven=proven) == "bf16"
            assert machine.resolve_precision("bf16", CPU, trained=False, proven=proven) == "fp32"
            assert machine.resolve_precision("fp32", CPU, trained=True, proven=proven) == "fp32"


def test_full_precision_widens_narrow_floats_under_autocast_only():
    @full_precision
    def product(a, b, scale=None):
        return a @ b, a.dtype, None if scale is None else scale.dtype

    narrow, wide = torch.randn(4, 4).bfloat16(), torch.randn(4, 4)
    with machine.autocast(CPU, "bf16"):
        value, first, scale = product(narrow, wide, scale=narrow)
        assert (value.dtype, first, scale) == (torch.float32, torch.float32, torch.float32)
        assert (wide @ wide).dtype == torch.bfloat16
    assert product(narrow, narrow)[1] == torch.bfloat16


@pytest.mark.parametrize("name", ["conmh", "bth", "mcmsh", "chain"])
def test_bfloat16_changes_a_loss_little_and_no_gradient_is_lost(name):
    videos, cls, config = small(name)
    outcomes = {}
    for precision in ("fp32", "bf16"):
        method = cls(32, FrameShape(12, 96), config, Run(seed=0, device=CPU, precision=precision))
        method.prepare(videos)
        stage = method.stages()[-1]
        method.begin_stage(stage, videos)
        method.begin_epoch(stage, 0)
        batch = method.batch(videos, np.arange(60), stage, Draws(0, stage.name, 0))
        with machine.autocast(CPU, precision):
            terms = method.loss(batch, stage)
        terms["total"].backward()
        used = [p.grad for p in method.module.parameters() if p.grad is not None]
        assert all(value.dtype == torch.float32 for value in terms.values())
        assert all(torch.isfinite(grad).all() and grad.dtype == torch.float32 for grad in used)
        outcomes[precision] = terms["total"].item(), torch.cat([grad.flatten() for grad in used])
    (exact, straight), (lowered, bent) = outcomes["fp32"], outcomes["bf16"]
    assert lowered == pytest.approx(exact, rel=0.03) and lowered != exact
    assert torch.cosine_similarity(straight, bent, dim=0) > 0.95


def test_batches_come_in_order_from_another_thread_one_ahead():
    made = []

    def make(item):
        made.append((item, threading.current_thread().name))
        return item * 10

    ahead = Ahead(make, range(4))
    for place, value in enumerate(ahead):
        assert value == place * 10
    assert [item for item, _ in made] == [0, 1, 2, 3]
    assert all(name.startswith("prefetch") for _, name in made)
    assert ahead.waited > 0
    assert list(Ahead(make, [])) == []


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_resident_features_equal_those_of_the_split(dtype):
    videos = MemoryVideos(np.random.default_rng(0).random((300, 4, 6)).astype(dtype))
    kept = ResidentVideos(videos, CPU, block=128)
    rows = np.array([5, 299, 0, 5])
    assert torch.equal(kept.take(rows), videos.take(rows)) and kept.take(rows).dtype == torch.float32
    assert (len(kept), kept.shape, kept.fingerprint) == (300, videos.shape, videos.fingerprint)
    assert stored_bytes(videos) == 300 * 4 * 6 * np.dtype(dtype).itemsize
    assert resident(videos, CPU) is videos
    with pytest.raises(IndexError):
        kept.take(np.array([300]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible to torch")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["conmh", "bth", "mcmsh", "chain"])
def test_training_on_a_gpu_agrees_with_the_cpu(name, precision):
    """The first epoch's mean loss: the same draws, the same weights, other sums."""
    videos, cls, config = small(name)
    losses = []
    for device in ("cpu", "cuda"):
        method = cls(32, FrameShape(12, 96), config, Run(0, torch.device(device), precision=precision))
        method.prepare(videos)
        session = Session(options=RunOptions(epochs=1))
        loop.train(method, videos, session)
        losses.append(session.history[0].losses["total"][0])
    assert losses[1] == pytest.approx(losses[0], rel=0.05 if precision == "bf16" else 0.01)
