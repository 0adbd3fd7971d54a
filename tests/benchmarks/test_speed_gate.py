"""The speed gate itself: a planted slowdown trips it, noise does not."""

import itertools
import json

import pytest
import torch

from tests.benchmarks.speed_gate import THRESHOLD, TRIES, SpeedGate
from tests.benchmarks.timing import matmul_seconds, seconds

KIND = "this processor"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "reference.json").write_text(json.dumps({KIND: {"work": 2.0}, "another": {"work": 9.0}}))
    return tmp_path / "reference.json"


def never():
    raise AssertionError("measured again without need")


def test_a_ratio_inside_the_threshold_passes_at_once(path):
    SpeedGate(path, kind=KIND).hold("work", 2.0 * THRESHOLD - 0.01, never)


def test_a_slow_measurement_is_repeated_and_passes_if_one_is_fast(path):
    values = iter([7.0, 2.1])
    gate = SpeedGate(path, kind=KIND)
    gate.hold("work", 6.0, lambda: next(values))
    assert gate.found == {"work": 2.1}


@pytest.mark.parametrize("slower", [2, 3])
def test_a_work_that_stays_slow_fails_with_the_next_step(path, slower):
    calls = itertools.count(1)
    with pytest.raises(AssertionError, match=r"times the reference of 2 .*--update-speed"):
        SpeedGate(path, kind=KIND).hold("work", 2.0 * slower, lambda: 2.0 * slower + 0 * next(calls))
    assert next(calls) == TRIES


def test_an_unknown_processor_reports_only(path):
    gate = SpeedGate(path, kind="a new one")
    gate.hold("work", 100.0, never)
    assert "nothing fails" in gate.lines()[0] and "no reference" in gate.lines()[1]


def test_update_writes_this_processor_and_keeps_the_others(path):
    gate = SpeedGate(path, update=True, kind=KIND)
    gate.hold("work", 7.12345, never)
    gate.hold("new", 1.0, never)
    gate.write()
    assert json.loads(path.read_text()) == {KIND: {"work": 7.12, "new": 1.0}, "another": {"work": 9.0}}


@pytest.mark.benchmark
def test_a_planted_slowdown_trips_it_and_noise_does_not(tmp_path):
    """Real timings: a work of matrix products, held five times to its own reference, then done 2.5 times."""
    a = torch.randn(768, 768)

    def ratio(times=2):
        def work():
            for _ in range(times):
                a @ a

        return min(seconds(work) for _ in range(5)) / matmul_seconds(size=1024)

    ratio()
    path = tmp_path / "reference.json"
    first = SpeedGate(path, update=True, kind=KIND)
    first.hold("work", ratio(), ratio)
    first.write()
    gate = SpeedGate(path, kind=KIND)
    for _ in range(5):
        gate.hold("work", ratio(), ratio)
    with pytest.raises(AssertionError, match="times its kernel"):
        gate.hold("work", ratio(5), lambda: ratio(5))
