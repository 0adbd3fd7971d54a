"""MCMSH against numbers of the authors' code (golden_mcmsh.npz): in float64 to 1e-9, in float32 to 1e-4."""

import numpy as np
import pytest
import torch

from benchmark.interfaces.method import FrameShape
from benchmark.interfaces.run import Run
from methods.mcmsh import MCMSH, MCMSHConfig

SIZES = {"width": 32, "frame_reduction": 4, "channel_reduction": 16, "expansion": 2, "dropout": 0.0}
TERMS = ("cluster", "pair", "quantisation", "quadruplet", "total")
PASSES = ("d1", "d2", "pos", "neg1", "neg2")
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
both = pytest.mark.parametrize("mode", ["train", "eval"])


@pytest.fixture(scope="module")
def numbers(golden):
    with np.load(golden / "golden_mcmsh.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def restored(numbers, dtype=torch.float64, mode="train"):
    torch.set_default_dtype(dtype)  # a cast afterwards would keep the float32 rounding of the constant averages
    try:
        method = MCMSH(16, FrameShape(9, 48), MCMSHConfig(**SIZES), Run(seed=0, device=torch.device("cpu")))
    finally:
        torch.set_default_dtype(torch.float32)
    state = {name[6:]: torch.from_numpy(v) for name, v in numbers.items() if name.startswith("state/")}
    method.load({**state, "alpha": torch.tensor(float(numbers["alpha"]))})
    method.module.train(mode == "train")
    frames = np.concatenate([numbers["double_video_feat"], numbers["triple_video_feat"]], axis=1)
    batch = {
        "frames": torch.from_numpy(frames.reshape(6, 5, 9, 48)).to(dtype),
        "similar": torch.from_numpy(numbers["is_similar"]).to(dtype),
        "targets": torch.from_numpy(np.stack([numbers["n1"], numbers["n2"]], axis=1)).to(dtype),
    }
    return method, batch


def close(found, expected, rtol=1e-9):
    scale = max(np.abs(expected).max(), 1e-6)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=rtol * scale)


def losses(method, batch):
    return torch.stack([method.loss(batch, None)[term] for term in TERMS])


@both
def test_the_five_passes(numbers, mode):
    method, batch = restored(numbers, mode=mode)
    with torch.no_grad():
        codes, _ = method.module(batch["frames"].flatten(0, 1), 5)
        hidden = restored(numbers, mode=mode)[0].module.mc_mlp(batch["frames"].flatten(0, 1), 5)
    for place, name in enumerate(PASSES):
        close(codes[place::5], numbers[f"f64/{mode}/{name}/h"])
        assert np.array_equal(codes[place::5].sign().numpy(), numbers[f"{mode}/{name}/b"])
    close(hidden[0::5].transpose(1, 2), numbers[f"f64/{mode}/d1/e"])


def test_encode_is_the_pass_in_eval_mode(numbers):
    method, batch = restored(numbers, mode="train")
    with torch.no_grad():
        close(method.encode(batch["frames"][:, 0]), numbers["f64/eval/d1/h"])


@both
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_loss_term(numbers, mode, dtype):
    method, batch = restored(numbers, dtype, mode)
    close(losses(method, batch).detach(), numbers[f"f64/{mode}/losses"], TOLERANCE[dtype])


def test_every_gradient(numbers):
    method, batch = restored(numbers)
    method.loss(batch, None)["total"].backward()
    gradients = {name: parameter.grad for name, parameter in method.module.named_parameters()}
    assert set(gradients) == set(numbers["train/grad_norm_names"])
    for name, norm in zip(numbers["train/grad_norm_names"], numbers["train/grad_norms"], strict=True):
        close(gradients[name].norm(), norm)
    full = [name for name in numbers if name.startswith("f64/train/grad/")]
    assert len(full) == 14
    for name in full:
        close(gradients[name.removeprefix("f64/train/grad/")], numbers[name])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_running_statistics_after_the_five_passes_of_one_step(numbers, dtype):
    method, batch = restored(numbers, dtype)
    method.loss(batch, None)
    state = method.state()
    stored = [name for name in numbers if "buffers_after5" in name]
    assert len(stored) == 54
    for name in stored:
        close(state[name.removeprefix("f64/train/buffers_after5/")], numbers[name], TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_three_adam_steps(numbers, dtype):
    method, batch = restored(numbers, dtype)
    optimiser = torch.optim.Adam(method.module.parameters(), lr=1e-3)
    expected = numbers["f64/adam_losses"]
    for step in range(4):
        terms = method.loss(batch, None)
        found = [terms[name].item() for name in ("total", "cluster", "pair", "quantisation", "quadruplet")]
        close(found, expected[step], TOLERANCE[dtype])
        if step < 3:
            optimiser.zero_grad()
            terms["total"].backward()
            optimiser.step()
    close(method.state()["binary.weight"], numbers["f64/adam_final/binary.weight"], TOLERANCE[dtype])
