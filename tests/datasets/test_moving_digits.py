"""The embedded dataset is what its docstring says: measured here, with bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.interfaces.dataset import SPLITS
from benchmark.paths import Roots
from datasets import moving_digits
from datasets.moving_digits import IMAGE_SHARES, PER_CLASS, VERSION, MovingDigits, class_of_rows, draw
from datasets.parts import frame_features
from datasets.parts.motion import FRAMES, KINDS, ORDER_PAIRS, SIZE, scenes
from datasets.parts.rendering import digit_images

PAIRED = 2 * len(ORDER_PAIRS)
FINGERPRINT = "d0cc082cf69b3ed9d57cc65754473d38"


@pytest.fixture(scope="module")
def dataset(cache_root: Path) -> MovingDigits:
    return MovingDigits(Roots(Path("nowhere"), cache_root))


@pytest.fixture(scope="module")
def frames(dataset) -> dict[str, np.ndarray]:
    return {split: dataset.split(split).take(np.arange(len(dataset.split(split)))).numpy() for split in SPLITS}


@pytest.fixture(scope="module")
def pooled(frames) -> dict[str, np.ndarray]:
    return {split: values.mean(axis=1) for split, values in frames.items()}


def average_precision(query: np.ndarray, database: np.ndarray, k: int = 20) -> np.ndarray:
    """AP@20 of every query as the field defines it: the sum of the precisions at the hits, over K."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, database)]
    order = np.argsort(-unit[0] @ unit[1].T, axis=1, kind="stable")[:, :k]
    hits = class_of_rows("database")[order] == class_of_rows("query")[:, None]
    return (hits * np.cumsum(hits, axis=1) / np.arange(1, k + 1)).sum(axis=1) / k


def accuracy(classifier, values: dict[str, np.ndarray], classes: range) -> float:
    """Learn from the training videos of some classes, and test on their database and query videos."""
    truth = {split: class_of_rows(split) for split in SPLITS}
    mine = {split: np.isin(truth[split], classes) for split in SPLITS}
    classifier.fit(values["train"][mine["train"]], truth["train"][mine["train"]])
    held_out = [(values[split][mine[split]], truth[split][mine[split]]) for split in ("database", "query")]
    return float(np.mean(np.concatenate([classifier.predict(x) == y for x, y in held_out])))


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))


def test_sizes(dataset):
    assert {split: len(dataset.split(split)) for split in SPLITS} == {"train": 2400, "database": 1200, "query": 360}
    assert dataset.shape == (25, 512) and len(dataset.classes) == 24 and not dataset.subset()
    assert 0.3 <= PAIRED / len(KINDS) <= 0.4
    for split in SPLITS:
        labels = dataset.labels(split)
        assert labels.dtype == np.uint8 and (labels.sum(axis=1) == 1).all()
        assert (labels.sum(axis=0) == PER_CLASS[split]).all()


def test_mean_pooled_features_leave_headroom(pooled):
    centre = pooled["train"].mean(axis=0)
    ap = average_precision(pooled["query"] - centre, pooled["database"] - centre)
    paired = class_of_rows("query") < PAIRED
    assert 0.48 < ap.mean() < 0.60
    assert 0.6 < ap[~paired].mean() < 0.8 and 0.15 < ap[paired].mean() < 0.35


def test_random_codes_are_at_chance():
    rng = np.random.default_rng(0)
    ap = average_precision(rng.choice([-1.0, 1.0], (360, 64)), rng.choice([-1.0, 1.0], (1200, 64)))
    assert ap.mean() < 0.02


@pytest.mark.parametrize("pair", range(len(ORDER_PAIRS)), ids=[forward.name for forward, _ in ORDER_PAIRS])
def test_only_the_order_of_frames_tells_a_pair_apart(frames, pooled, pair):
    classes = range(2 * pair, 2 * pair + 2)
    multiset = {s: np.concatenate([x.mean(axis=1), x.std(axis=1), x.max(axis=1)], axis=1) for s, x in frames.items()}
    halves = {s: x[:, : FRAMES // 2].mean(axis=1) - x[:, FRAMES // 2 + 1 :].mean(axis=1) for s, x in frames.items()}
    assert accuracy(linear(), pooled, classes) <= 0.6
    assert accuracy(linear(), multiset, classes) <= 0.6
    assert accuracy(KNeighborsClassifier(5), pooled, classes) <= 0.6
    assert accuracy(linear(), halves, classes) > 0.95


def test_a_backward_class_has_the_frames_of_its_forward_class():
    """The pair's distributions are equal by construction: one generator, drawn once each way."""
    images = digit_images("query", IMAGE_SHARES, (VERSION,))
    for forward, backward in ORDER_PAIRS:
        drawn = [
            moving_digits.draw_video(kind, images, np.random.Generator(np.random.Philox(7)))
            for kind in (forward, backward)
        ]
        np.testing.assert_array_equal(drawn[0], drawn[1][::-1])


def test_one_to_four_scenes_and_a_cut_between_two_digits():
    rng = np.random.default_rng(0)
    for kind in KINDS:
        drawn = [scenes(kind, rng) for _ in range(200)]
        assert {len(found) for found in drawn} == set(range(2 if kind.first != kind.second else 1, 5))
        for found in drawn:
            assert found[0].start == 0 and found[-1].stop == FRAMES
            assert all(scene.stop - scene.start >= 3 for scene in found)
            digits = [scene.digit for scene in found]
            assert digits[0] == kind.first and digits[-1] == kind.second and digits == sorted(digits)


def test_digit_images_never_cross_splits():
    seen: list[bytes] = []
    for split in SPLITS:
        images = digit_images(split, IMAGE_SHARES, (VERSION,))
        seen.append({image.tobytes() for stack in images.values() for image in stack})
        assert min(len(stack) for stack in images.values()) >= 25
    assert sum(map(len, seen)) == len(set.union(*seen)) == 1797


def test_features_are_those_of_the_stored_pixels(dataset):
    rows = np.array([0, 59, 359])
    drawn = draw("query", rows)
    for row, video in zip(rows, drawn, strict=True):
        np.testing.assert_array_equal(dataset.preview("query", int(row)), video * 17)
    values = frame_features.frame_features(drawn.reshape(-1, SIZE, SIZE)).reshape(3, FRAMES, 512)
    np.testing.assert_array_equal(dataset.split("query").take(rows).numpy(), values.astype(np.float32))
    assert values.min() == 0.0 and 0.2 < (values == 0).mean() < 0.5


def test_network_sums_are_integers_that_float32_holds_exactly():
    drawn = draw("query", np.arange(4)).reshape(-1, SIZE, SIZE)
    for layer, kernel in zip(frame_features._LAYERS, frame_features.weights(), strict=True):
        largest_input = 15 if layer.inputs == 1 else 255
        assert (kernel == np.rint(kernel)).all()
        assert np.abs(kernel).sum(axis=(1, 2, 3)).max() * largest_input < 2**24
    threads = torch.get_num_threads()
    try:
        made = []
        for count in (1, 2):
            torch.set_num_threads(count)
            made.append(frame_features.frame_features(drawn))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*made)


def test_fingerprint_is_the_same_everywhere(dataset):
    assert dataset.fingerprint == FINGERPRINT


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(moving_digits, "PER_CLASS", {"train": 2, "database": 1, "query": 1})
    return tmp_path


def test_two_builds_give_the_same_bytes_and_a_half_built_folder_is_completed(small):
    for name in ("a", "b"):
        moving_digits.build(small / name)
    (small / "b" / "train_pixels.h5").unlink()
    (small / "b" / "query.h5").unlink()
    moving_digits.build(small / "b")
    for split in SPLITS:
        for kind in ("", "_pixels"):
            assert (small / "a" / f"{split}{kind}.h5").read_bytes() == (small / "b" / f"{split}{kind}.h5").read_bytes()
        with h5py.File(small / "a" / f"{split}.h5", "r") as file:
            assert file["feats"].chunks is None and file["feats"].dtype == np.float16


BUILD = """
import sys
from pathlib import Path
from datasets import moving_digits
moving_digits.PER_CLASS = {"train": 2, "database": 1, "query": 1}
moving_digits.build(Path(sys.argv[1]))
"""


def test_two_processes_that_build_at_once_do_no_harm(small, root):
    moving_digits.build(small / "alone")
    command = [sys.executable, "-c", BUILD, str(small / "shared")]
    running = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    for split in SPLITS:
        assert (small / "shared" / f"{split}.h5").read_bytes() == (small / "alone" / f"{split}.h5").read_bytes()
    assert not list((small / "shared").glob("*.tmp"))
