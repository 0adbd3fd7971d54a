"""``--compile``: the same losses from a compiled step, in a cell of its own."""

import shutil

import numpy as np
import pytest
import torch

from benchmark.catalogue.choice import choose_method
from benchmark.cells import plan
from benchmark.compute.compiled import check_compiler, loss_of
from benchmark.errors import BadInput
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records.options import RunOptions
from benchmark.training import loop
from benchmark.training.session import Session
from methods.conmh import ConMH, ConMHConfig
from tests.support.plans import dataset
from tests.support.toys import toy, toy_videos

CPU = torch.device("cpu")
compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


def assert_equal_training(make):
    plain, compiled = make(False), make(True)
    for stage, other in zip(plain.history, compiled.history, strict=True):
        for name, values in stage.losses.items():
            np.testing.assert_allclose(other.losses[name], values, rtol=1e-5, err_msg=name)


@compiler
def test_a_compiled_step_trains_as_the_plain_one_random_numbers_included():
    def trained(compiled):
        method, session = toy(epochs=2, warm_up=1), Session(options=RunOptions(compiled=compiled))
        loop.train(method, toy_videos(32), session)
        return session

    assert_equal_training(trained)


@compiler
@pytest.mark.slow
def test_a_compiled_step_of_a_transformer_trains_as_the_plain_one():
    def trained(compiled):
        rng = np.random.default_rng(0)
        data = MemoryVideos(rng.standard_normal((24, 6, 10), dtype=np.float32))
        config = ConMHConfig(size="mini", decoder_depth=1, batch_size=12, mask_ratio=0.5, learning_rate=1e-3)
        method = ConMH(8, FrameShape(6, 10), config, Run(seed=0, device=CPU))
        session = Session(options=RunOptions(epochs=2, compiled=compiled))
        loop.train(method, data, session)
        return session

    assert_equal_training(trained)


def test_it_is_a_cell_of_its_own():
    choice, data = choose_method("conmh"), [("d", dataset())]
    (plain,) = plan.cells([choice], data, [16], [0], {})
    (compiled,) = plan.cells([choice], data, [16], [0], {}, RunOptions(compiled=True))
    (untrained,) = plan.cells([choose_method("lsh")], data, [16], [0], {}, RunOptions(compiled=True))
    assert plain.key != compiled.key and compiled.label().endswith("seed 0, compiled")
    assert compiled.options.words() == ["--compile"]
    assert not untrained.options.compiled


def test_without_the_flag_nothing_is_compiled():
    def loss():
        pytest.fail("it is not called")

    assert loss_of(loss, CPU, compiled=False) is loss


def test_a_missing_compiler_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BadInput, match=r"--compile needs a C\+\+ compiler"):
        check_compiler(CPU)
    check_compiler(torch.device("cuda"))
