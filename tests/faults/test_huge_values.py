"""Values whose sums do not fit float32 are refused with their range, or give the numbers of smaller ones."""

import h5py
import pytest

from tests.support.fault_inputs import QUERY_FRAMES, TRAIN_FRAMES, make_dataset, write_plain


def scaled(folder, scale, both=True):
    write_plain(folder, TRAIN_FRAMES.astype("f8") * scale if scale > 1e38 else (TRAIN_FRAMES * scale).astype("f4"))
    if both:
        with h5py.File(folder / "query.h5", "w") as file:
            file["feats"] = (QUERY_FRAMES * scale).astype("f4")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_usual_scales_give_one_number(bench, scale, whole_score):
    bench.run(make_dataset(bench.root / "scaled", lambda folder: scaled(folder, scale))).done()
    assert bench.map20() == whole_score


@pytest.mark.parametrize("method", ["lsh", "itq", "pcah", "sh"])
@pytest.mark.parametrize("scale", [1e18, 1e20, 1e30, 1e37])
def test_huge_scales_never_give_another_number(bench, method, scale):
    plain = make_dataset(bench.root / "plain")
    bench.run(plain, method=method, results=bench.root / "one").done()
    folder = make_dataset(bench.root / "huge", lambda place: scaled(place, scale))
    outcome = bench.run(folder, method=method)
    assert "RuntimeWarning" not in outcome.err
    if outcome.code == 0:
        assert bench.map20() == pytest.approx(bench.map20(bench.root / "one"), abs=1e-9)
    else:
        assert_range(outcome)


def test_huge_in_one_split_alone(bench):
    folder = make_dataset(bench.root / "huge", lambda place: scaled(place, 1e30, both=False))
    assert_range(bench.run(folder))


@pytest.mark.parametrize("scale", [1e-25, 1e-35])
def test_tiny_scales_never_give_another_number(bench, scale, whole_score):
    outcome = bench.run(make_dataset(bench.root / "tiny", lambda place: scaled(place, scale)))
    if outcome.code == 0:
        assert bench.map20() == pytest.approx(whole_score, abs=1e-9)
    else:
        assert_range(outcome)


def test_the_robustness_of_huge_values(bench):
    folder = make_dataset(bench.root / "huge", lambda place: scaled(place, 1e20))
    outcome = bench.run(folder, "--robustness")
    assert "nan" not in outcome.out.lower()
    if outcome.code:
        assert_range(outcome)


def assert_range(outcome):
    sentence = outcome.sentence()
    assert "train.h5" in sentence or "query.h5" in sentence
    assert "e+" in sentence or "e-" in sentence  # the range in numbers
