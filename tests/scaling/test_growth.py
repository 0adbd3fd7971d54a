"""Laws of growth: exact laws come back, a fit never falls, and what cannot be fitted is said."""

import math

import numpy as np
import pytest

from benchmark.scaling.growth import fit_line, fit_power, grows
from benchmark.scaling.laws import laws
from benchmark.scaling.table import notes, seconds, size

SIZES = [6400, 25_600, 102_400, 409_788]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("factor", [1e-6, 3.0])
def test_an_exact_power_law_comes_back(exponent, factor):
    law = fit_power(SIZES, [factor * n**exponent for n in SIZES])
    assert law.a == pytest.approx(factor, rel=1e-9)
    assert law.b == pytest.approx(exponent, abs=1e-12)
    assert law.spread == pytest.approx(1)
    assert law.at(10_000_000) == pytest.approx(factor * 1e7**exponent, rel=1e-9)


def test_the_spread_is_the_typical_factor_from_the_law():
    off = np.array([1.1, 1 / 1.1, 1 / 1.1, 1.1])
    law = fit_power([1, 2, 4, 8], off * np.array([1, 2, 4, 8]) * 5)
    assert (law.a, law.b, law.spread) == pytest.approx((5, 1, 1.1))


def test_an_exact_line_comes_back():
    law = fit_line(SIZES, [2**29 + 40 * n for n in SIZES])
    assert (law.m0, law.m1) == pytest.approx((2**29, 40))
    assert law.spread == pytest.approx(0, abs=1e-3)
    assert law.at(10_000_000) == pytest.approx(2**29 + 4e8)


def test_no_law_falls():
    power, line = fit_power([1, 10], [4.0, 1.0]), fit_line([1, 3], [4.0, 2.0])
    assert (power.b, power.a) == (0, pytest.approx(2))
    assert (line.m0, line.m1, line.spread) == (3, 0, 1)


@pytest.mark.parametrize("fit", [fit_power, fit_line])
@pytest.mark.parametrize(("sizes", "values"), [([5], [1]), ([5, 5], [1, 2]), ([1, 2], [1]), ([1, 2], [1, math.nan])])
def test_what_cannot_be_fitted_is_refused(fit, sizes, values):
    with pytest.raises(ValueError, match="a fit needs"):
        fit(sizes, values)


def test_a_power_needs_positive_values():
    with pytest.raises(ValueError, match="positive"):
        fit_power([1, 2], [0, 1])


def measured(n, method="m", scale=1.0):
    memory = {"reading": 0.0, "resident": 2**20 * n, "anonymous": None, "device": None}
    times = {"prepare": 1e-6, "training": scale * 0.01 * n, "encode": 0.02 * n / 4, "evaluate": 0.1 + 0.01 * n / 4}
    return {
        "identity": {"method": method, "train": n, "database": n // 4, "query": 10},
        "phases": {phase: {"seconds": value, **memory} for phase, value in times.items()},
        "schedule_seconds": 7 * scale * 0.01 * n,
    }


def test_laws_are_of_one_method_each_and_in_the_videos_that_a_phase_handles():
    found = laws([measured(n, name) for name in "ab" for n in (400, 800, 1600)], target=10_000)
    assert [law["identity"] for law in found] == [{"method": "a"}, {"method": "b"}]
    phases = found[0]["phases"]
    assert phases["prepare"]["seconds"] is None
    assert phases["training"]["anonymous"] is None
    assert phases["training"]["seconds"]["at_target"] == pytest.approx(100)
    assert phases["encode"]["seconds"]["at_target"] == pytest.approx(200)
    assert found[0]["schedule"]["at_target"] == pytest.approx(700)
    assert phases["prepare"]["resident"]["at_target"] == pytest.approx(2**20 * 10_000)


def test_peaks_of_memory_that_hardly_differ_are_flat():
    pair = [measured(400), measured(464)]
    assert laws(pair, target=10_000)[0]["phases"]["training"]["resident"]["m1"] == 0
    assert laws([*pair, measured(465)], target=10_000)[0]["phases"]["training"]["resident"]["m1"] > 0


def test_what_does_not_grow_makes_the_two_largest_sizes_say_more():
    (law,) = laws([measured(n) for n in (40, 160, 640, 2560)], target=100_000)
    found = law["phases"]["evaluate"]["seconds"]
    assert found["at_target"] < found["last_two"] < 0.1 + 0.01 * 100_000


def test_one_size_has_no_law():
    (law,) = laws([measured(400)], target=10_000)
    assert law["schedule"] is None
    assert all(value is None for phase in law["phases"].values() for value in phase.values())


def test_a_far_target_is_warned_of():
    pair = [measured(400), measured(800)]
    assert "125 times" in notes(pair, 100_000)[-1]
    assert not any("times the largest" in line for line in notes(pair, 80_000))


def test_units():
    shown = [seconds(value) for value in (1e-4, 0.02, 3, 150, 9000, 86400 * 30)]
    assert shown == ["< 1 ms", "20.0 ms", "3.0 s", "2.5 min", "2.5 h", "30.0 days"]
    assert [size(value) for value in (2**20 * 5, 2**30 * 1.5, 2**40)] == ["5 MiB", "1.50 GiB", "1.00 TiB"]


def test_growth_is_told_from_scatter():
    sizes = [1_581, 6_326, 25_302, 101_256]
    assert not grows(sizes, [742, 697, 731, 774])
    assert not grows(sizes, [700, 700, 700, 700])
    assert grows(sizes, [700 + 0.01 * n + wobble for n, wobble in zip(sizes, (20, -20, 10, 0), strict=True)])
    assert not grows(sizes, [900, 800, 700, 600])
    assert grows([1, 2], [1.0, 1.1])
