"""ConMH against numbers of the authors' code (golden_conmh.npz): in float64 to 1e-9, in float32 to 1e-4."""

import numpy as np
import pytest
import torch

from benchmark.interfaces.method import FrameShape
from benchmark.interfaces.run import Run
from methods.conmh import ConMH, ConMHConfig
from methods.parts.binarize import binarize
from methods.parts.contrast import debiased_contrast

SIZES = {
    "encoder_width": 24,
    "encoder_heads": 5,
    "encoder_depth": 2,
    "decoder_width": 18,
    "decoder_heads": 4,
    "decoder_depth": 2,
}
TERMS = ("reconstruction", "contrastive", "total")
DCL = [f"{case}_T{t}" for case in ("0_rand", "1_rand", "2_clamp", "3_pm") for t in ("0.5_tau0.1", "0.2_tau0.05")]


@pytest.fixture(scope="module")
def numbers(golden):
    with np.load(golden / "golden_conmh.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def restored(numbers, dtype=torch.float64):
    method = ConMH(16, FrameShape(9, 48), ConMHConfig(**SIZES), Run(seed=0, device=torch.device("cpu")))
    method.load({name[6:]: torch.from_numpy(v) for name, v in numbers.items() if name.startswith("state/")})
    method.module.to(dtype)
    masks = np.stack([numbers["mask1"], numbers["mask2"]], axis=1)
    batch = {
        "frames": torch.from_numpy(numbers["x"]).to(dtype),
        "visible": torch.from_numpy(np.nonzero(~masks)[2].reshape(6, 2, 3)),
        "hidden": torch.from_numpy(np.nonzero(masks)[2].reshape(6, 2, 6)),
    }
    return method, batch


def close(found, expected, rtol=1e-9):
    scale = max(np.abs(expected).max(), 1e-6)  # the gradient of a saturated case is rounding noise of 1e-19
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("view", [1, 2])
def test_forward(numbers, view):
    method, batch = restored(numbers)
    visible, hidden = batch["visible"][:, view - 1], batch["hidden"][:, view - 1]
    pre_sign = method.module.encode_views(batch["frames"], visible)
    close(pre_sign, numbers[f"f64/pre_sign{view}"])
    codes = binarize(pre_sign)
    assert np.array_equal(codes.detach().numpy(), numbers[f"hash{view}"])
    close(codes.mean(1), numbers[f"f64/code_mean{view}"])
    close(method.module.reconstruct(codes, visible, hidden), numbers[f"f64/recon{view}"])


def test_losses_and_every_gradient(numbers):
    method, batch = restored(numbers)
    losses = method.loss(batch, method.stages()[0])
    close(torch.stack([losses[term] for term in TERMS]), numbers["f64/losses"])
    losses["total"].backward()
    named = dict(method.module.named_parameters())
    assert list(named) == list(numbers["grad_norm_names"])
    norms = [float("nan") if p.grad is None else p.grad.norm().item() for p in named.values()]
    np.testing.assert_allclose(norms, numbers["grad_norms"], rtol=1e-9, equal_nan=True)
    full = [name for name in numbers if name.startswith("f64/grad/")]
    assert len(full) == 19
    for name in full:
        close(named[name.removeprefix("f64/grad/")].grad, numbers[name])


@pytest.mark.parametrize(("dtype", "run", "rtol"), [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-4)])
def test_three_steps_of_the_optimiser(numbers, dtype, run, rtol):
    method, batch = restored(numbers, dtype)
    optimiser = method.stages()[0].optimiser(method.module.parameters())
    optimiser.param_groups[0]["lr"] = 1e-3
    rows = []
    for _ in range(4):
        losses = method.loss(batch, method.stages()[0])
        rows.append([losses[term].item() for term in ("total", "reconstruction", "contrastive")])
        if len(rows) < 4:
            optimiser.zero_grad()
            losses["total"].backward()
            optimiser.step()
    np.testing.assert_allclose(rows, numbers[f"{run}/adam_losses"], rtol=rtol)
    final = dict(method.module.named_parameters())
    for name in ("mask_token", "binary.weight"):
        close(final[name], numbers[f"f64/adam_final/{name}"], rtol)


def test_float32(numbers):
    method, batch = restored(numbers, torch.float32)
    losses = method.loss(batch, method.stages()[0])
    close(torch.stack([losses[term] for term in TERMS]), numbers["f32/losses"], 1e-4)
    visible, hidden = batch["visible"][:, 0], batch["hidden"][:, 0]
    codes = binarize(method.module.encode_views(batch["frames"], visible))
    assert np.array_equal(codes.detach().numpy(), numbers["hash1"])
    close(method.module.reconstruct(codes, visible, hidden)[:2], numbers["f32/recon1"], 1e-4)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_inference(numbers, dtype, rtol):
    method, batch = restored(numbers, dtype)
    pre_sign = method.module.pre_sign(batch["frames"])
    close(pre_sign, numbers["f64/inf_pre_sign"], rtol)
    assert np.array_equal(binarize(pre_sign).detach().numpy(), numbers["inf_frame_codes"])
    reals = method.encode(batch["frames"])
    close(reals, numbers["f64/inf_mean"], rtol)
    assert np.array_equal(reals.sign().detach().numpy(), numbers["inf_sign"])


def test_position_tables(numbers):
    method, _ = restored(numbers, torch.float32)
    for part in ("encoder", "decoder"):
        table = getattr(method.module, f"{part}_positions").numpy()
        np.testing.assert_allclose(table, numbers[f"{part}_pos_embed"][0], rtol=0, atol=1e-7)


@pytest.mark.parametrize("case", DCL)
def test_debiased_contrast(numbers, case):
    first, second = (torch.from_numpy(numbers[f"dcl/{case}/out{i}"]) for i in (1, 2))
    first.requires_grad_()
    temperature, prior = (0.5, 0.1) if case.endswith("tau0.1") else (0.2, 0.05)
    loss = debiased_contrast(first, second, temperature, prior)
    np.testing.assert_allclose(loss.item(), numbers[f"dcl/{case}/loss"], rtol=1e-9)
    loss.backward()
    close(first.grad, numbers[f"dcl/{case}/grad1"])


def test_every_debiased_case_of_the_file_is_run(numbers):
    assert {name.split("/")[1] for name in numbers if name.startswith("dcl/")} == set(DCL)
