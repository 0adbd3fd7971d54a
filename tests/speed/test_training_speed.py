"""Training steps at FCVID's sizes, data included, against the steps as one would first write them and the machine.

The batch is an eighth of the published one; VIDEO_HASHING_FULL_SIZE=1 takes the whole, and all cores.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.catalogue.registry import load_method
from benchmark.compute import machine
from benchmark.compute.encoding import encode_reals
from benchmark.compute.memory import keep_freed_memory
from benchmark.compute.prefetch import Ahead
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape
from benchmark.seeds import Draws
from tests.reference import plain_steps
from tests.speed.timing import ROUNDS, as_torch_comes, matmul_rate, over_kernel, pairs, product, seconds

pytestmark = pytest.mark.benchmark

SHAPE, BITS = FrameShape(25, 4096), 64
FULL = bool(os.environ.get("VIDEO_HASHING_FULL_SIZE"))
VIDEOS, STEPS = (1200, ROUNDS) if FULL else (600, 3)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
NOISE = 0.1
"""What a shared machine may take from a median of pairs."""


@dataclass(frozen=True)
class Case:
    """A method, the published batch, settings for the trial, and how its straightforward step is called."""

    name: str
    published: int
    settings: dict
    still: dict

    @property
    def batch(self):
        return self.published if FULL else self.published // 8


CASES = {
    "conmh": Case("conmh", 512, {}, {}),
    "bth": Case("bth", 256, {"anchors": 80}, {"dropout": 0.0}),
    "mcmsh": Case("mcmsh", 256, {"anchors": 80}, {"dropout": 0.0}),
    "chain": Case("chain", 512, {}, {}),
}


@pytest.fixture(autouse=True)
def threads():
    """One thread, so that other load on the machine counts little; all cores at full size."""
    before = torch.get_num_threads()
    torch.set_num_threads((os.cpu_count() or 1) if FULL else 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A contiguous float32 file of videos that gather around sixty points."""
    path = tmp_path_factory.mktemp("features") / "train.h5"
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 1, SHAPE.dim), dtype=np.float32)
    with h5py.File(path, "w") as opened:
        feats = opened.create_dataset("feats", (VIDEOS, *SHAPE), np.float32)
        for start in range(0, VIDEOS, 100):
            noise = rng.standard_normal((100, *SHAPE), dtype=np.float32)
            feats[start : start + 100] = np.maximum(centres[rng.integers(0, 60, 100)] + 0.7 * noise, 0)
    return path


class Trainer:
    """A method set up on the file as in its last stage, and one step of it."""

    def __init__(self, case, file, precision="fp32", **settings):
        cls = load_method(case.name)
        config = cls.Config(**{**cls.presets["fcvid"], "batch_size": case.batch, **case.settings, **settings})
        self.videos = ShardedVideos.open([file])
        self.method = cls(BITS, SHAPE, config, Run(seed=0, device=torch.device("cpu"), precision=precision))
        self.method.prepare(self.videos)
        self.stage = self.method.stages()[-1]
        self.method.begin_stage(self.stage, self.videos)
        self.method.begin_epoch(self.stage, 0)
        self.method.module.train()
        self.optimiser = self.stage.optimiser(self.method.module.parameters())
        self.rng = np.random.default_rng(1)
        self.rows = [self.rng.permutation(VIDEOS)[: case.batch] for _ in range(STEPS + 1)]

    def batch(self, rows):
        return self.method.batch(self.videos, rows, self.stage, Draws(0, self.stage.name, 0))

    def loss(self, batch):
        with machine.autocast(self.method.run.device, self.method.run.precision):
            return self.method.loss(batch, self.stage)["total"]

    def step(self, batch):
        self.optimiser.zero_grad(set_to_none=True)
        self.loss(batch).backward()
        self.optimiser.step()

    def streamed(self):
        """Return the median seconds of a step whose batch is made while the step before runs, and the share waited."""
        gathered = Ahead(self.batch, self.rows)
        ends, first = [], 0.0
        for batch in gathered:
            first = first or gathered.waited  # nothing runs while an epoch's first batch is made
            self.step(batch)
            ends.append(time.perf_counter())
        return float(np.median(np.diff(ends))), (gathered.waited - first) / (ends[-1] - ends[0])


def straightforward(case, trainer, batch, rate):
    network = trainer.method.module
    if case.name == "conmh":
        masks = torch.ones(2, len(batch["frames"]), SHAPE.frames, dtype=torch.bool)
        return plain_steps.conmh(network, batch["frames"], masks.scatter_(2, batch["visible"].transpose(0, 1), False))
    if case.name == "bth":
        return plain_steps.bth(network, batch["frames"], batch["latent"], batch["sign"], rate)
    return plain_steps.mcmsh(network, batch["frames"], batch["similar"], batch["targets"], rate)


def plain_batch(case, trainer, stored, rows):
    """Read as a loader does, item by item, and draw masks or damage item by item."""
    graph = {} if case.name == "conmh" else trainer.batch(rows)
    frames = plain_steps.read_one_by_one(stored, rows)
    if case.name == "conmh":
        masks = plain_steps.drawn_masks(len(rows), SHAPE.frames, 18)
        return {"frames": frames, "visible": torch.argsort(masks.int(), dim=2, stable=True)[:, :, :7].transpose(0, 1)}
    if case.name == "bth":
        frames = plain_steps.damage(torch.cat([frames, plain_steps.read_one_by_one(stored, rows[::-1])]), stored)
        return {**graph, "frames": frames}
    frames = [
        plain_steps.damage(frames, stored),
        plain_steps.damage(plain_steps.read_one_by_one(stored, rows[::-1]), stored),
    ]
    frames += [plain_steps.read_one_by_one(stored, np.roll(rows, shift)) for shift in (1, 2, 3)]
    return {**graph, "frames": torch.stack(frames, dim=1)}


def outcome(trainer, value):
    """Return a loss and all gradients it has."""
    trainer.optimiser.zero_grad()
    value.backward()
    return [value.detach(), *(p.grad.clone() for p in trainer.method.module.parameters())]


@pytest.mark.parametrize("products", ["default", "chosen"])
@pytest.mark.parametrize("name", ["conmh", "bth", "mcmsh"])
def test_a_step_is_worth_that_of_the_straightforward_version(name, products, file):
    """Without dropout: equal losses and gradients in float64, and the same to float32's rounding in float32.

    Sums in another order move a value next to a threshold across it, a bit of some ten thousand. That moves the loss
    by 1e-5 of itself, and more where few bits make up a term, so that float32 is asked for the loss alone.
    """
    case = CASES[name]
    machine.choose_products()
    trainer = Trainer(case, file, **case.still)
    batch = trainer.batch(trainer.rows[0][:32])
    with as_torch_comes() if products == "default" else nullcontext():
        ours, theirs = trainer.loss(batch), straightforward(case, trainer, batch, 0.0)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)
    trainer.method.module.double()
    batch = {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}
    mine, other = (
        outcome(trainer, value())
        for value in (lambda: trainer.loss(batch), lambda: straightforward(case, trainer, batch, 0.0))
    )
    torch.testing.assert_close(mine[0], other[0], rtol=1e-9, atol=0)
    for ours, theirs in zip(mine[1:], other[1:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8 * float(theirs.abs().max()) + 1e-12)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(CASES))
def test_a_training_step(benchmark, speed, name, precision, file):
    if precision == "bf16" and not machine.has_fast_bf16(torch.device("cpu")):
        pytest.skip("this processor has no instructions for products of bfloat16")
    case = CASES[name]
    machine.choose_products()
    keep_freed_memory()
    trainer = Trainer(case, file, precision)
    batch = trainer.batch(trainer.rows[0])
    trainer.step(batch)
    with FlopCounterMode(display=False) as counter:
        trainer.step(batch)
    flop = counter.get_total_flops()
    step, waited = trainer.streamed()
    dtype = DTYPES[precision]  # the rate of the other is not asked for: without instructions it takes minutes
    rate = matmul_rate(dtype)
    alone = float(np.median([seconds(lambda: trainer.step(batch)) for _ in range(STEPS)]))
    benchmark.extra_info |= {
        "batch": case.batch,
        "threads": torch.get_num_threads(),
        "seconds_data_included": step,
        "seconds_on_a_ready_batch": alone,
        "share_waited_for_data": waited,
        "gigaflop": flop / 1e9,
        "floor_seconds": flop / rate,
        "matmul_gigaflop_per_second": rate / 1e9,
        "share_of_matmul_rate": flop / alone / rate,
        "seconds_of_its_products": products(trainer, batch),
    }
    benchmark.extra_info["share_of_matmul_rate_in_products"] = (
        flop / benchmark.extra_info["seconds_of_its_products"] / rate
    )
    benchmark.pedantic(lambda: trainer.step(batch), rounds=1)
    if name != "chain":
        ratio = beside(benchmark, case, trainer, file)
        assert ratio > 1 - NOISE
    speed.hold(f"step of {name} {precision}", lambda: over_kernel(lambda: trainer.step(batch), product(dtype), STEPS))
    print(f"\n{name} {precision}", {key: round(value, 4) for key, value in benchmark.extra_info.items()})


def beside(benchmark, case, trainer, file):
    """Return how many times longer the straightforward step takes in float32, data included in both."""
    optimiser = torch.optim.Adam(trainer.method.module.parameters(), lr=1e-4)
    with h5py.File(file, "r") as opened:
        stored = opened["feats"]
        rate = {"bth": 0.1, "mcmsh": 0.5}.get(case.name, 0.0)

        def theirs():
            batch = plain_batch(case, trainer, stored, trainer.rows[0])
            optimiser.zero_grad()
            straightforward(case, trainer, batch, rate).backward()
            optimiser.step()

        _, other, _ = pairs(lambda: None, theirs, STEPS)
    ratio = other / benchmark.extra_info["seconds_data_included"]
    benchmark.extra_info |= {"straightforward_seconds": other, "straightforward_over_ours": ratio}
    return ratio


def products(trainer, batch):
    """Return the seconds that one step spends in matrix products, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        trainer.step(batch)
    names = {"aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm", "aten::_addmm_activation"}
    return sum(event.self_cpu_time_total for event in seen.key_averages() if event.key in names) / 1e6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_encoding(benchmark, speed, precision, file):
    """ConMH on all frames, reading included."""
    if precision == "bf16" and not machine.has_fast_bf16(torch.device("cpu")):
        pytest.skip("this processor has no instructions for products of bfloat16")
    machine.choose_products()
    trainer = Trainer(CASES["conmh"], file, precision)
    method, network, count = trainer.method, trainer.method.module.eval(), 1024 if FULL else 256
    videos = ShardedVideos.open([file])
    with h5py.File(file, "r") as opened, torch.inference_mode():
        stored = opened["feats"]

        def theirs():
            for start in range(0, count, 128):
                plain_steps.conmh_codes(network, plain_steps.read_one_by_one(stored, range(start, start + 128)))

        some = Some(videos, count)
        mine, other, ratio = pairs(lambda: encode_reals(method, some), theirs, STEPS)
        flop = 0.53e9 * count
        rate = matmul_rate(DTYPES[precision])
        expected = plain_steps.conmh_codes(network, videos.take(np.arange(64)))
        if precision == "fp32":
            found = encode_reals(method, Some(videos, 64), batch=64)
            assert (np.sign(found) == np.sign(expected.numpy())).mean() > 0.9995
    benchmark.extra_info |= {
        "videos_per_second": count / mine,
        "straightforward_videos_per_second": count / other,
        "straightforward_over_ours": ratio,
        "share_of_matmul_rate": flop / mine / rate,
    }
    benchmark.pedantic(lambda: encode_reals(method, some), rounds=1)
    kernel = product(DTYPES[precision])
    speed.hold(f"encoding {precision}", lambda: over_kernel(lambda: encode_reals(method, some), kernel, STEPS))
    print(f"\nencoding {precision}", {key: round(value, 4) for key, value in benchmark.extra_info.items()})
    assert ratio > 1 - NOISE


class Some(ShardedVideos):
    """The first videos of a split."""

    def __init__(self, videos, count):
        super().__init__(videos.files)
        self._count = count

    def __len__(self):
        return self._count
