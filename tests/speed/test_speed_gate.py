"""The speed gate itself: a planted slowdown trips it, noise does not."""

import itertools
import json

import pytest
import torch

from tests.speed.speed_gate import THRESHOLD, TRIES, SpeedGate
from tests.speed.timing import over_kernel, product

KIND = "this processor"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "reference.json").write_text(json.dumps({KIND: {"work": 2.0}, "another": {"work": 9.0}}))
    return tmp_path / "reference.json"


def in_turn(*values):
    """Return a measurement that gives these ratios, and fails if it is asked for more."""
    left = iter(values)
    return lambda: next(left)


def test_a_ratio_inside_the_threshold_passes_at_once(path):
    SpeedGate(path, kind=KIND).hold("work", in_turn(2.0 * THRESHOLD - 0.01))


def test_a_slow_measurement_is_repeated_and_passes_if_one_is_fast(path):
    gate = SpeedGate(path, kind=KIND)
    gate.hold("work", in_turn(6.0, 7.0, 2.1))
    assert gate.found == {"work": 2.1}


@pytest.mark.parametrize("slower", [2, 3])
def test_a_work_that_stays_slow_fails_with_the_next_step(path, slower):
    calls = itertools.count(1)
    with pytest.raises(AssertionError, match=r"times the reference of 2 .*--update-speed"):
        SpeedGate(path, kind=KIND).hold("work", lambda: 2.0 * slower + 0 * next(calls))
    assert next(calls) == TRIES + 1


def test_an_unknown_processor_reports_only(path):
    gate = SpeedGate(path, kind="a new one")
    gate.hold("work", in_turn(100.0))
    assert "nothing fails" in gate.lines()[0] and "no reference" in gate.lines()[1]


def test_update_writes_this_processor_and_keeps_the_others(path):
    gate = SpeedGate(path, update=True, kind=KIND)
    gate.hold("work", in_turn(7.12345))
    gate.hold("new", in_turn(1.0))
    gate.write()
    assert json.loads(path.read_text()) == {KIND: {"work": 7.12, "new": 1.0}, "another": {"work": 9.0}}


@pytest.mark.benchmark
def test_a_planted_slowdown_trips_it_and_noise_does_not(tmp_path):
    """Real timings: a work of matrix products, held five times to its own reference, then done 2.5 times."""
    a = torch.randn(768, 768)

    def ratio(times=2):
        return over_kernel(lambda: [a @ a for _ in range(times)], product(size=1024))

    path = tmp_path / "reference.json"
    first = SpeedGate(path, update=True, kind=KIND)
    first.hold("work", ratio)
    first.write()
    gate = SpeedGate(path, kind=KIND)
    for _ in range(5):
        gate.hold("work", ratio)
    with pytest.raises(AssertionError, match="times its kernel"):
        gate.hold("work", lambda: ratio(5))
