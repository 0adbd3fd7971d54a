"""Affinity propagation of many videos at once against scikit-learn, and what becomes of its clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import MemoryVideos
from methods.parts.affinity import affinity_propagation, negative_squared_distances
from methods.parts.scenes import cluster_frames, merge_smallest, number_by_appearance, scenes
from tests.reference.scenes import reference_labels


def videos_with_cuts(n: int, frames: int, dim: int, noise: float) -> np.ndarray:
    """Videos of one to five shots that drift, as a CNN's non-negative features; every fifth repeats frames."""
    rng = np.random.default_rng(int(noise * 100))
    out = np.empty((n, frames, dim), np.float32)
    for row in range(n):
        shots = int(rng.integers(1, 6))
        cuts = np.sort(rng.choice(np.arange(1, frames), shots - 1, replace=False))
        shot = np.searchsorted(cuts, np.arange(frames), side="right")
        drift = np.cumsum(rng.normal(size=(frames, dim)), axis=0) * noise / 3
        out[row] = np.maximum(rng.normal(size=(shots, dim))[shot] + drift + noise * rng.normal(size=(frames, dim)), 0)
        if row % 5 == 0:
            out[row, 3], out[row, -2] = out[row, 2], out[row, -3]
    return out


@pytest.mark.parametrize("damping", [0.5, 0.9])
@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_the_batched_version_agrees_with_the_library(noise: float, damping: float) -> None:
    frames = videos_with_cuts(80, 25, 128, noise)
    found = affinity_propagation(negative_squared_distances(torch.from_numpy(frames)), damping)
    reference = [reference_labels(video, damping) for video in frames]
    scores = [
        adjusted_rand_score(expected, labels)
        for expected, labels, converged in zip(reference, found.labels.numpy(), found.converged, strict=True)
        if expected is not None and converged
    ]
    assert len(scores) > 64
    assert np.mean(scores) >= 0.95
    disagreements = sum(
        (expected is None) == bool(converged) for expected, converged in zip(reference, found.converged, strict=True)
    )
    assert disagreements <= 5


def test_in_float64_the_batched_version_equals_the_library() -> None:
    frames = videos_with_cuts(40, 12, 32, 0.5).astype(np.float64)
    frames += np.random.default_rng(0).normal(size=frames.shape) * 1e-3
    found = affinity_propagation(negative_squared_distances(torch.from_numpy(frames)))
    for video, labels, converged in zip(frames, found.labels.numpy(), found.converged, strict=True):
        expected = reference_labels(video)
        assert (expected is not None) == bool(converged)
        if expected is not None:
            assert adjusted_rand_score(expected, labels) == 1


def test_a_static_video_is_one_scene() -> None:
    frames = torch.rand(3, 1, 40).expand(3, 10, 40).contiguous()
    found = cluster_frames(frames, 8)
    assert found.converged.all()
    assert not found.labels.any()


def test_frames_of_zeros_are_finite_and_equal_to_each_other() -> None:
    frames = torch.zeros(1, 6, 4)
    frames[0, 3:, 0] = 1
    assert negative_squared_distances(frames)[0, 0].tolist() == [0, 0, 0, -1, -1, -1]
    assert cluster_frames(frames, 8).labels.tolist() == [[0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_videos(frames: int) -> None:
    found = cluster_frames(torch.eye(frames, 5)[None], 8)
    assert found.converged.all()
    assert found.labels.shape == (1, frames)
    assert found.labels[0, 0] == 0


def test_scenes_are_numbered_by_first_appearance() -> None:
    labels = torch.tensor([[7, 7, 2, 7, 0], [3, 3, 3, 3, 3], [4, 3, 2, 1, 0]])
    assert number_by_appearance(labels).tolist() == [[0, 0, 1, 0, 2], [0, 0, 0, 0, 0], [0, 1, 2, 3, 4]]


def test_the_smallest_scene_is_merged_into_the_one_with_the_nearest_exemplar() -> None:
    """Exemplars 0, 4, 7 and 10 with 4, 3, 3 and 2 frames; 10 lies nearest to 7, and 7 nearest to 4."""
    labels = torch.tensor([[0, 0, 0, 0, 4, 4, 4, 7, 7, 7, 10, 10]])
    place = torch.zeros(12)
    place[[0, 4, 7, 10]] = torch.tensor([0.0, 9.0, 15.0, 20.0])
    similarity = -((place[:, None] - place) ** 2)[None]
    assert torch.equal(merge_smallest(labels, similarity, 4), labels)
    assert merge_smallest(labels, similarity, 3).tolist() == [[0, 0, 0, 0, 4, 4, 4, 7, 7, 7, 7, 7]]
    assert merge_smallest(labels, similarity, 2).tolist() == [[0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]]


def test_the_scenes_are_made_once_and_shared_between_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.parts import scenes as module

    monkeypatch.setattr(module, "BLOCK", 16)
    videos = MemoryVideos(videos_with_cuts(40, 8, 16, 0.3))
    store = ArtefactStore(tmp_path)
    made = scenes(Run(0, torch.device("cpu"), artefacts=store), videos, 8)
    assert made.labels.dtype == np.int8
    np.testing.assert_array_equal(made.labels, cluster_frames(videos.take(np.arange(40)), 8).labels)
    monkeypatch.setattr(module, "cluster_frames", lambda *_: pytest.fail("made again"))
    again = scenes(Run(5, torch.device("cpu"), artefacts=store), videos, 8)
    np.testing.assert_array_equal(made.labels, again.labels)
    np.testing.assert_array_equal(made.counts(), [len(set(row)) for row in made.labels.tolist()])
