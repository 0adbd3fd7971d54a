"""The classical baselines against their definitions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from benchmark.errors import BadInput
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from methods.itq import ITQ, random_rotation, rotate
from methods.lsh import LSH
from methods.parts.principal import principal, projections
from methods.pcah import PCAH
from methods.random import Random
from methods.sh import SH, smoothest

CPU = torch.device("cpu")


def clustered(n=400, frames=5, dim=40, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, dim)) * np.linspace(2, 0.3, dim)
    videos = centres[rng.integers(0, 12, n)] + rng.normal(size=(n, dim))
    return np.maximum(videos[:, None] + 0.5 * rng.normal(size=(n, frames, dim)), 0).astype(np.float32)


def fitted(cls, bits, values, seed=0, **config):
    method = cls(bits, FrameShape(*values.shape[1:]), cls.Config(**config), Run(seed=seed, device=CPU))
    method.fit(MemoryVideos(values))
    return method


def encoded(method, values):
    return method.encode(torch.from_numpy(values)).numpy()


def test_lsh_agrees_as_often_as_the_angle_says():
    values = clustered(300, dim=24)
    mean = values.mean((0, 1), dtype=np.float64)
    method = fitted(LSH, 4096, values)
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 6, 24))
    for mixture in (0.1, 0.5, 2.0):
        pair = np.stack([one, one + mixture * two])
        signs = encoded(method, (mean + pair.reshape(12, 1, 24)).astype(np.float32).repeat(5, axis=1)) > 0
        agree = (signs[:6] == signs[6:]).mean(1)
        cosine = (pair[0] * pair[1]).sum(1) / np.linalg.norm(pair[0], axis=1) / np.linalg.norm(pair[1], axis=1)
        # Five standard deviations of a share over 4,096 independent planes.
        np.testing.assert_allclose(agree, 1 - np.arccos(cosine) / np.pi, atol=5 * 0.5 / 64)


@pytest.mark.parametrize("n", [400, 30])
def test_pcah_has_the_signs_of_principal_components(n):
    values = clustered(n)
    pooled = values.mean(1, dtype=np.float64)
    expected = PCA(8, svd_solver="full").fit(pooled)
    theirs = expected.transform(pooled)
    ours = encoded(fitted(PCAH, 8, values), values)
    flip = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * flip, rtol=0, atol=1e-4)
    found = principal(Run(seed=0, device=CPU), MemoryVideos(values), 8)
    np.testing.assert_allclose(found.variances, expected.explained_variance_, rtol=1e-9)
    assert (found.axes[np.abs(found.axes).argmax(0), np.arange(8)] > 0).all()


def test_few_videos_of_many_dimensions_are_exact_and_fast():
    values = clustered(60, frames=3, dim=4096)
    found = principal(Run(seed=0, device=CPU), MemoryVideos(values), 64)
    assert found.axes.shape == (4096, 59)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(59), atol=1e-9)
    _, singular, _ = np.linalg.svd(values.mean(1, dtype=np.float64) - values.mean((0, 1), dtype=np.float64))
    np.testing.assert_allclose(found.variances, singular[:59] ** 2 / 59, rtol=1e-6)


@pytest.mark.parametrize("cls", [PCAH, ITQ])
def test_more_bits_than_directions_is_an_answer(cls):
    assert (
        cls.unsupported(41, FrameShape(5, 40), cls.Config()) == "40 dimensions have fewer than 41 principal directions"
    )
    assert cls.unsupported(40, FrameShape(5, 40), cls.Config()) is None
    with pytest.raises(
        BadInput, match="at least 32 directions in which the mean-pooled training videos vary, found 11"
    ):
        fitted(cls, 32, clustered(12))


def test_itq_rotates_and_never_loses():
    values = np.random.default_rng(0).normal(size=(500, 12)).astype(np.float32) * np.linspace(
        4, 1, 12, dtype=np.float32
    )
    start = random_rotation(np.random.default_rng(1), 12)
    rotation, errors = rotate(values, start, 50)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(12), atol=1e-10)
    assert len(errors) == 51
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(errors))
    assert errors[-1] < 0.97 * errors[0]
    codes = np.where(values @ rotation > 0, 1, -1)
    assert errors[-1] == pytest.approx(((codes - values @ rotation) ** 2).sum(1).mean(), rel=1e-4)


def test_one_step_of_itq_is_the_best_rotation_for_its_codes():
    values = np.random.default_rng(2).normal(size=(200, 2)).astype(np.float32)
    start = random_rotation(np.random.default_rng(3), 2)
    codes = np.where(values @ start > 0, 1, -1)
    rotation, _ = rotate(values, start, 1)

    def error(matrix):
        return ((codes - values @ matrix) ** 2).sum()

    angles = np.linspace(0, 2 * np.pi, 721)
    turns = [np.array([[np.cos(a), -np.sin(a) * s], [np.sin(a), np.cos(a) * s]]) for a in angles for s in (1, -1)]
    assert error(rotation) <= min(map(error, turns)) + 1e-3


def test_itq_encodes_as_its_rotation_says():
    values = clustered()
    method = fitted(ITQ, 8, values, iterations=3)
    run = Run(seed=0, device=CPU)
    along = projections(run, MemoryVideos(values), 8)
    rotation, _ = rotate(along, random_rotation(run.rng("rotation"), 8), 3)
    np.testing.assert_allclose(encoded(method, values), along @ rotation, atol=1e-4)
    assert method.run.scalars["quantisation_error_last"] <= method.run.scalars["quantisation_error_first"]


@pytest.mark.parametrize("bits", [6, 48])
def test_spectral_hashing_against_a_search_over_all_modes(bits):
    values = clustered(dim=20)
    pooled = values.mean(1, dtype=np.float64)
    along = PCA(min(bits, 20), svd_solver="full").fit_transform(pooled)
    low, high = along.min(0), along.max(0)
    modes = [(k * np.pi / (high[d] - low[d]), d) for d in range(along.shape[1]) for k in range(1, 200)]
    chosen = sorted(modes)[:bits]
    expected = np.stack([np.sin(np.pi / 2 + rate * (along[:, d] - low[d])) for rate, d in chosen], axis=1)
    ours = encoded(fitted(SH, bits, values), values)
    # A principal direction has no sign of its own: mirrored, an even mode keeps its values and an odd one their size.
    np.testing.assert_allclose(np.abs(ours), np.abs(expected), atol=2e-3)
    assert np.array_equal(np.abs((np.sign(ours) * np.sign(expected)).mean(0)) > 0.99, np.ones(bits, bool))


def test_smoothest_modes():
    direction, mode = smoothest(np.array([4.0, 1.0, 2.1]), 6)
    assert list(zip(direction.tolist(), mode.tolist(), strict=True)) == [(0, 1), (2, 1), (0, 2), (0, 3), (2, 2), (0, 4)]


def test_random_codes_depend_on_content_and_seed_only():
    values = clustered(200)
    method = fitted(Random, 64, values)
    codes = encoded(method, values)
    assert np.array_equal(codes[[7, 3]], encoded(method, values[[7, 3]]))
    assert abs(codes.mean()) < 5 / np.sqrt(codes.size)
    other = encoded(fitted(Random, 64, values, seed=1), values)
    assert abs((codes == other).mean() - 0.5) < 5 * 0.5 / np.sqrt(codes.size)
    nearly = values[:1].copy()
    nearly[0, 0, 0] += 1e-3
    assert 16 < (encoded(method, nearly) != codes[:1]).sum() < 48


def test_statistics_are_shared_between_lengths_seeds_and_methods(tmp_path):
    videos = MemoryVideos(clustered())
    reads = []
    videos.batches = lambda size, whole=videos.batches: (reads.append(size), whole(size))[1]
    for cls in (PCAH, ITQ, SH):
        for bits in (4, 8):
            run = Run(seed=bits, device=CPU, artefacts=ArtefactStore(tmp_path))
            method = cls(bits, videos.shape, cls.Config(), run)
            method.prepare(videos)
            method.fit(videos)
    assert len(reads) == 2
