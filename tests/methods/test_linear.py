"""The linear layer that is one product with what follows it, against the separate operations."""

import copy

import pytest
import torch

from methods.parts.linear import ACTIVATIONS, Linear, fuses

cpu = torch.device("cpu")


def layer_and_input(bias=True, rows=6):
    torch.manual_seed(0)
    return Linear(40, 24, bias), torch.randn(3, rows, 40), torch.randn(3, rows, 24)


def separate(layer, x, then, residual):
    out = ACTIVATIONS[then](torch.nn.functional.linear(x, layer.weight, layer.bias))
    return out if residual is None else residual + out


@pytest.mark.parametrize("then", list(ACTIVATIONS))
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_one_product_equals_the_separate_operations(then, added, bias):
    layer, x, residual = layer_and_input(bias)
    beside = residual if added else None
    expected = separate(layer, x, then, beside)
    torch.testing.assert_close(layer(x, then, beside), expected, rtol=1e-6, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x, then, beside), expected.detach(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("then", list(ACTIVATIONS))
def test_under_autocast_products_are_bfloat16_and_the_residual_stays_float32(then):
    layer, x, residual = layer_and_input()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        if not fuses(x):
            pytest.skip("this processor has no products of bfloat16")
        alone, added = layer(x, then), layer(x, then, residual)
    expected = separate(layer, x, then, None)
    assert alone.dtype == torch.bfloat16 and added.dtype == torch.float32
    torch.testing.assert_close(alone.float(), expected, rtol=2e-2, atol=2e-2)
    assert torch.equal(added, residual + alone)


def test_a_weight_that_has_changed_is_seen():
    layer, x, _ = layer_and_input()
    with torch.inference_mode():
        layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    state = {name: tensor + 1 for name, tensor in layer.state_dict().items()}
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), separate(layer, x, "none", None), rtol=1e-5, atol=2e-6)
    layer.load_state_dict(state)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), separate(layer, x, "none", None), rtol=1e-5, atol=2e-6)
        other = torch.randn(7, 11, 40)
        torch.testing.assert_close(layer(other), separate(layer, other, "none", None), rtol=1e-5, atol=2e-6)


def test_a_step_of_the_fused_optimiser_is_seen():
    layer, x, _ = layer_and_input()
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        layer.train()
        layer(x).square().sum().backward()
        optimiser.step()
        with torch.inference_mode():
            torch.testing.assert_close(layer(x), separate(layer, x, "none", None), rtol=1e-5, atol=2e-6)


def test_a_copy_has_weights_of_its_own():
    layer, x, _ = layer_and_input()
    with torch.inference_mode():
        before = layer(x)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.zero_()
    with torch.inference_mode():
        assert torch.equal(layer(x), before)
        torch.testing.assert_close(twin(x), layer.bias.expand_as(before))
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_gradients_and_float64_take_the_separate_operations():
    layer, x, _ = layer_and_input()
    assert not fuses(x)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.inference_mode():
        assert not fuses(x.double())
        assert layer.double()(x.double()).dtype == torch.float64
