"""What every method of the checkout owes its users, at two code lengths, on small data that resemble frame features."""

from functools import cache

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method, resolve_config
from benchmark.compute.encoding import encode_reals
from benchmark.errors import BadInput
from benchmark.interfaces.method import Method
from benchmark.records.options import RunOptions
from benchmark.training.session import Session
from tests.support.guests import QUERIES, TRAIN, data, fit, fresh

BITS = (16, 32)
EPOCHS = 15
NAMES = list(registry.methods())
FLOOR = "random"

ran: set[str] = set()


@cache
def fitted(name, bits, seed=0, epochs=EPOCHS, again=False):
    """Return a fitted method; ``again`` tells two runs with one seed apart."""
    ran.add(name)
    return fit(fresh(name, bits, seed), Session(options=RunOptions(epochs=epochs)))


def signs(method, videos, batch=64):
    return encode_reals(method, videos, batch=batch) > 0


def mean_precision(query, database, query_labels, database_labels, k=20):
    """Return mAP@k with the average over k (the field's reading), ties by database row."""
    distance = (query[:, None] != database[None]).sum(2)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    hits = database_labels[order] == query_labels[:, None]
    precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    return float((precision * hits).sum(1).mean() / k)


every = pytest.mark.parametrize("name", NAMES)
lengths = pytest.mark.parametrize("bits", BITS)


@every
@lengths
def test_reals_have_the_right_shape_and_are_finite(name, bits):
    reals = fitted(name, bits).encode(data()[1].take(np.arange(5)))
    assert reals.shape == (5, bits)
    assert reals.dtype in (torch.float32, torch.float64)
    assert torch.isfinite(reals).all()
    assert encode_reals(fitted(name, bits), data()[1]).shape == (QUERIES, bits)


@every
@lengths
def test_batch_size_does_not_change_codes(name, bits):
    method = fitted(name, bits)
    whole = signs(method, data()[1], QUERIES)
    for batch in (1, 7):
        assert np.array_equal(signs(method, data()[1], batch), whole)


@every
@lengths
def test_state_load_encode_is_equal(name, bits, tmp_path):
    method = fitted(name, bits)
    state = method.state()
    assert state
    assert all(isinstance(value, torch.Tensor) and value.device.type == "cpu" for value in state.values())
    torch.save(state, tmp_path / "state.pt")
    other = fresh(name, bits, seed=99)
    other.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert np.array_equal(encode_reals(other, data()[1]), encode_reals(method, data()[1]))


@every
def test_the_same_seed_gives_the_same_codes(name):
    one, two = (fitted(name, BITS[0], epochs=2, again=again) for again in (False, True))
    assert one is not two
    assert np.array_equal(encode_reals(one, data()[1]), encode_reals(two, data()[1]))


@every
def test_another_seed_gives_other_codes_unless_the_method_says_that_it_has_none(name):
    one, two = (signs(fitted(name, BITS[0], seed, epochs=2), data()[1]) for seed in (0, 1))
    assert np.array_equal(one, two) == (not registry.load_method(name).seeded)


@every
@lengths
def test_no_bit_is_constant(name, bits):
    codes = signs(fitted(name, bits), data()[0])
    constant = np.flatnonzero(codes.all(0) | ~codes.any(0))
    assert not len(constant), f"bits {constant.tolist()} say the same of all {TRAIN} training videos"


@every
@lengths
def test_codes_beat_random(name, bits):
    train, query, train_labels, query_labels = data()
    method = fitted(name, bits)
    reached = mean_precision(signs(method, query), signs(method, train), query_labels, train_labels)
    floor = fitted(FLOOR, bits)
    chance = mean_precision(signs(floor, query), signs(floor, train), query_labels, train_labels)
    assert chance < 0.08
    if name != FLOOR:
        assert reached > 0.25 > 3 * chance


@every
def test_describes_itself(name):
    cls = registry.load_method(name)
    assert cls.title and cls.paper
    for key, field in cls.Config.model_fields.items():
        assert field.description and ";" in field.description, f"{key} says what it is; where its default comes from"
    assert issubclass(cls, Method)


@every
def test_configuration_is_closed_and_frozen(name):
    cls = registry.load_method(name)
    with pytest.raises(ValidationError):
        cls.Config(no_such_setting=1)
    config = cls.Config()
    with pytest.raises(ValidationError):
        setattr(config, next(iter(cls.Config.model_fields), "any"), 1)
    with pytest.raises(BadInput, match=f"method '{name}' has no setting 'no_such_setting'"):
        resolve_config(choose_method(name), "", {"no_such_setting": 1})


@every
def test_presets_and_variants_resolve(name):
    cls = registry.load_method(name)
    assert cls.variants
    assert set(cls.presets) <= set(registry.datasets())
    for dataset in ("", *cls.presets):
        for variant in cls.variants:
            config = resolve_config(choose_method(f"{name}:{variant}"), dataset, {})
            for key, value in cls.presets.get(dataset, {}).items():
                assert getattr(config, key) == cls.variants[variant].get(key, value)


def test_every_method_ran():
    """A suite in which everything was skipped has shown nothing."""
    for name in NAMES:
        fitted(name, BITS[0])
    assert ran == set(NAMES)
    assert len(NAMES) >= 6
