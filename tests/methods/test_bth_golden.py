"""BTH against numbers of the authors' code (golden_bth.npz): in float64 to 1e-9, in float32 to 1e-4."""

import numpy as np
import pytest
import torch

from benchmark.interfaces.method import FrameShape
from benchmark.interfaces.run import Run
from methods.bth import BTH, BTHConfig
from methods.parts.bert import position_table
from methods.parts.binarize import binarize

TERMS = ("reconstruction", "neighbour", "anchor", "total")
DEAD = ("bert.embedding.token.weight", "bert.embedding.segment.weight")
TABLE = "bert.embedding.position.pe"


@pytest.fixture(scope="module")
def numbers(golden):
    with np.load(golden / "golden_bth.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def both(array):
    """The first videos of all pairs, then the second."""
    return torch.from_numpy(np.concatenate(np.split(array, 2, axis=1)))


def restored(numbers, dtype=torch.float64):
    method = BTH(16, FrameShape(9, 48), BTHConfig(width=24), Run(seed=0, device=torch.device("cpu")))
    state = {name[6:]: torch.from_numpy(v) for name, v in numbers.items() if name.startswith("state/")}
    method.load({name: value for name, value in state.items() if name not in (*DEAD, TABLE)})
    method.module.to(dtype).eval()
    batch = {
        "frames": both(numbers["mask_input"]).to(dtype),
        "target": both(numbers["visual_word"]).to(dtype),
        "latent": torch.from_numpy(np.concatenate([numbers["n1"], numbers["n2"]])).to(dtype),
        "sign": torch.from_numpy(numbers["is_similar"]).to(dtype),
    }
    return method, batch


def close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_forward(numbers, dtype, rtol):
    method, batch = restored(numbers, dtype)
    codes, frames, hidden = method.module(batch["frames"])
    means = method.encode(batch["frames"])
    for video, part in ((1, slice(0, 6)), (2, slice(6, 12))):
        assert np.array_equal(codes[part].detach().numpy(), numbers[f"bb{video}"])
        assert np.array_equal(means[part].sign().detach().numpy(), numbers[f"video_code{video}"])
        close(method.module.binary(hidden[part]), numbers[f"f64/pre_sign{video}"], rtol)
        close(frames[part], numbers[f"f64/frame{video}"], rtol)
        close(hidden[part], numbers[f"f64/hid{video}"], rtol)
        close(means[part], numbers[f"f64/code_mean{video}"], rtol)
    close((means[:6] * means[6:]).mean(1), numbers["f64/sim"], rtol)


@pytest.mark.parametrize(("dtype", "run", "rtol"), [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-4)])
def test_losses(numbers, dtype, run, rtol):
    method, batch = restored(numbers, dtype)
    losses = method.loss(batch, method.stages()[1])
    close(torch.stack([losses[term] for term in TERMS]), numbers[f"{run}/losses"], rtol)
    assert list(method.loss(batch, method.stages()[0])) == ["reconstruction", "total"]


def test_every_gradient(numbers):
    method, batch = restored(numbers)
    method.loss(batch, method.stages()[1])["total"].backward()
    norms = {name: value.grad.norm().item() for name, value in method.module.named_parameters()}
    expected = dict(zip(numbers["grad_norm_names"].tolist(), numbers["grad_norms"].tolist(), strict=True))
    assert {name for name, norm in expected.items() if np.isnan(norm)} == set(DEAD)
    assert sorted(norms) == sorted(set(expected) - set(DEAD))
    for name, norm in norms.items():
        # The key's bias shifts all scores of a query alike: its gradient is rounding noise, theirs and ours.
        assert norm == pytest.approx(expected[name], rel=1e-9, abs=1e-15), name
    named = dict(method.module.named_parameters())
    full = [name for name in numbers if name.startswith("f64/grad/")]
    assert len(full) == 15
    for name in full:
        expect = numbers[name]
        found = named[name.removeprefix("f64/grad/")].grad.numpy()
        np.testing.assert_allclose(found, expect, rtol=1e-9, atol=max(1e-9 * np.abs(expect).max(), 1e-15))


@pytest.mark.parametrize(("dtype", "run", "rtol"), [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-4)])
def test_three_steps_of_the_optimiser(numbers, dtype, run, rtol):
    method, batch = restored(numbers, dtype)
    stage = method.stages()[1]
    optimiser = stage.optimiser(method.module.parameters())
    optimiser.param_groups[0]["lr"] = 1e-3
    rows = []
    for _ in range(4):
        losses = method.loss(batch, stage)
        rows.append([losses[term].item() for term in ("total", "reconstruction", "neighbour", "anchor")])
        if len(rows) < 4:
            optimiser.zero_grad()
            losses["total"].backward()
            optimiser.step()
    np.testing.assert_allclose(rows, numbers[f"{run}/adam_losses"], rtol=rtol)
    final = dict(method.module.named_parameters())
    for name in ("binary.weight", "binary.bias"):
        close(final[name], numbers[f"f64/adam_final/{name}"], rtol)


def test_position_table_is_the_stored_one(numbers):
    stored = numbers[f"state/{TABLE}"][0]
    np.testing.assert_allclose(position_table(*stored.shape).numpy(), stored, rtol=0, atol=1e-7)


def test_codes_come_from_the_mean_over_frames(numbers):
    method, batch = restored(numbers)
    hidden = method.module.bert(batch["frames"])
    assert torch.equal(method.encode(batch["frames"]), binarize(method.module.binary(hidden)).mean(1))
