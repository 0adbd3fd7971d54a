"""CHAIN: what its batches hold, that its tasks are learnt, and its ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from benchmark.errors import BadInput
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records.options import RunOptions
from benchmark.seeds import Draws
from benchmark.training import loop
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from methods.chain import CHAIN, ChainConfig
from methods.parts.augment import channel_gains, principal_frames, two_of
from methods.parts.positions import sinusoid
from methods.parts.segments import frame_slots, sample_segments, segment_bounds, sinusoid_at

SMALL: dict[str, Any] = {"width": 32, "depth": 2, "heads": 2, "scene_dim": 16, "batch_size": 60}


class TwoViews(MemoryVideos):
    """Three views of each video: view v is the plain video plus v."""

    views = 3

    def _gather(self, rows: np.ndarray, views: np.ndarray | None) -> torch.Tensor:
        plain = super()._gather(rows, None)
        return plain if views is None else plain + torch.from_numpy(views).float()[:, None, None]


def ordered_videos(n: int = 240, frames: int = 8, dim: int = 24) -> MemoryVideos:
    """Videos of one to three shots whose last channels tell how much time has passed."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(6, dim))
    out = np.empty((n, frames, dim), np.float32)
    for row in range(n):
        shots = int(rng.integers(1, 4))
        cuts = np.sort(rng.choice(np.arange(1, frames), shots - 1, replace=False))
        shot = np.searchsorted(cuts, np.arange(frames), side="right")
        out[row] = rng.choice(kinds, shots)[shot] + 0.3 * rng.normal(size=(frames, dim))
        out[row, :, -4:] += np.linspace(0, 4, frames)[:, None]
    return MemoryVideos(np.maximum(out, 0))


def chain(videos: MemoryVideos, epochs: int = 1, bits: int = 16, **config: Any) -> CHAIN:
    run = Run(0, torch.device("cpu"))
    method = CHAIN(bits, videos.shape, ChainConfig(**{**SMALL, "epochs": epochs, **config}), run)
    method.prepare(videos)
    return method


def one_batch(method: CHAIN, videos: MemoryVideos, rows: np.ndarray, epoch: int = 0) -> dict[str, torch.Tensor]:
    stage = method.stages()[0]
    method.begin_stage(stage, videos)
    return method.batch(videos, rows, stage, Draws(0, stage.name, epoch))


@pytest.mark.parametrize(("frames", "segments"), [(25, 13), (30, 15), (8, 3), (7, 7), (10, 4), (2, 2)])
def test_segments_and_their_draws_against_brute_force(frames: int, segments: int) -> None:
    bounds = segment_bounds(frames, segments).tolist()
    members = [[t for t in range(frames) if bounds[k] <= t < bounds[k + 1]] for k in range(segments)]
    assert [t for part in members for t in part] == list(range(frames))
    assert {len(part) for part in members} <= {frames // segments, -(-frames // segments)}
    assert bounds == [k * frames // segments for k in range(segments + 1)]

    uniform = Draws(1, "train", 0).uniform("segments", np.arange(4000), segments)
    drawn = sample_segments(uniform, frames)
    assert (np.diff(drawn, axis=1) > 0).all()
    for k, part in enumerate(members):
        expected = [part[int(u * len(part))] for u in uniform[:, k]]
        assert drawn[:, k].tolist() == expected
        shares = [(drawn[:, k] == t).mean() for t in part]
        assert max(abs(share - 1 / len(part)) for share in shares) < 0.04
    largest = sample_segments(np.full(segments, np.nextafter(1, 0)), frames)
    assert largest.tolist() == [part[-1] for part in members]


def test_slot_positions_meet_the_table_of_whole_numbers() -> None:
    assert torch.equal(sinusoid_at(np.arange(13), 32), sinusoid(13, 32))
    np.testing.assert_allclose(frame_slots(25, 13), np.arange(25) * 12 / 24)
    assert frame_slots(7, 7).tolist() == list(range(7))


def test_channel_gains_drop_and_spread_as_asked() -> None:
    rows = np.arange(300)
    gains = channel_gains(Draws(0, "train", 0), rows, 2, 50, drop=0.1, spread=0.2).numpy()
    assert gains.shape == (300, 2, 50)
    assert (gains == 0).mean() == pytest.approx(0.1, abs=0.01)
    kept = (gains[gains != 0] * 0.9 - 1) / 0.2
    assert kstest(kept, norm.cdf).pvalue > 0.01
    part = channel_gains(Draws(0, "train", 0), rows[[7, 250]], 2, 50, drop=0.1, spread=0.2).numpy()
    np.testing.assert_array_equal(part, gains[[7, 250]])
    plain = channel_gains(Draws(0, "train", 0), rows, 2, 50, drop=0.0, spread=0.0)
    assert torch.equal(plain, torch.ones(300, 2, 50))


def test_principal_directions_are_those_of_the_frames() -> None:
    videos = ordered_videos()
    found = principal_frames(Run(0, torch.device("cpu")), videos, 6)
    frames = videos.take(np.arange(len(videos))).numpy()
    sampled = np.stack([frames[v, (v + t) % 8] for v in range(len(videos)) for t in (0, 2, 4, 6)])
    sampled -= sampled.mean(0)
    covariance = sampled.T @ sampled / (len(sampled) - 1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1) ** 2, np.linalg.eigvalsh(covariance)[:-7:-1], rtol=1e-3)
    np.testing.assert_allclose(found @ covariance, found * np.linalg.norm(found, axis=1)[:, None] ** 2, atol=1e-2)


def test_two_different_views_are_drawn_all_pairs_alike() -> None:
    pairs = two_of(np.random.default_rng(0).random((6000, 2)), 3)
    counts = np.bincount(pairs[:, 0] * 3 + pairs[:, 1], minlength=9).reshape(3, 3)
    assert not counts.diagonal().any()
    assert counts[~np.eye(3, dtype=bool)].min() > 900


def test_a_batch_holds_what_its_parts_say() -> None:
    videos = ordered_videos()
    method = chain(videos)
    rows = np.array([17, 3, 200])
    batch = one_batch(method, videos, rows)
    index, permutations = batch["index"], batch["permutations"]
    assert index.shape == permutations.shape == batch["scenes"].shape == (3, 2, 4)
    assert torch.equal(permutations.sort(2).values, torch.arange(4).expand(3, 2, 4))
    for i, row in enumerate(rows):
        for clip in (0, 1):
            np.testing.assert_array_equal(batch["scenes"][i, clip], method._scenes[row][index[i, clip]])
    alone = one_batch(method, videos, rows[1:2])
    for name, value in batch.items():
        assert torch.equal(value[1:2], alone[name]), name


def test_clips_are_the_frames_times_the_gain_plus_the_shift() -> None:
    videos = ordered_videos()
    method = chain(videos)
    batch = one_batch(method, videos, np.array([5, 9]))
    clips = method._clips(batch)
    for clip in (0, 1):
        for i in (0, 1):
            shift = batch["shift"][i, clip] @ method._feature_space.directions
            for j, t in enumerate(batch["index"][i, clip]):
                expected = batch["frames"][i, 0, t] * batch["channels"][i, clip] + shift
                torch.testing.assert_close(clips[2 * clip + i, j], expected)


def test_stored_views_are_used_where_the_data_have_them() -> None:
    plain = ordered_videos()
    videos = TwoViews(plain.take(np.arange(len(plain))).numpy())
    method = chain(videos)
    assert method.run.scalars["spatial_views"] == 1
    batch = one_batch(method, videos, np.arange(50))
    assert "channels" not in batch and "shift" not in batch
    view = (batch["frames"] - videos.take(np.arange(50))[:, None]).mean((2, 3)).round()
    assert (view[:, 0] != view[:, 1]).all()
    assert set(view.flatten().tolist()) == {0, 1, 2}
    clips = method._clips(batch)
    torch.testing.assert_close(clips[50 + 7], batch["frames"][7, 1, batch["index"][7, 1]])


def test_asking_for_views_that_are_not_there_is_a_mistake() -> None:
    with pytest.raises(BadInput, match="several views"):
        chain(ordered_videos(20), spatial="views")


def test_order_labels_are_the_positions_of_the_shuffled_frames() -> None:
    videos = ordered_videos()
    rows = np.arange(6)
    for target in ("slot", "frame"):
        method = chain(videos, order_target=target)
        batch = one_batch(method, videos, rows)
        labels = method._order_target(batch).unflatten(0, (2, 6)).transpose(0, 1)
        index = batch["index"]
        for i in range(6):
            for clip in (0, 1):
                shuffled = [int(index[i, clip, p]) for p in batch["permutations"][i, clip]]
                expected = [sorted(shuffled).index(t) for t in shuffled] if target == "slot" else shuffled
                assert labels[i, clip].tolist() == expected


def test_codes_do_not_come_from_the_shuffled_pass() -> None:
    videos = ordered_videos()
    method = chain(videos)
    stage = method.stages()[0]
    batch = one_batch(method, videos, np.arange(12))
    with torch.no_grad():
        first = method.loss(batch, stage)
        batch["permutations"] = batch["permutations"].flip(2)
        second = method.loss(batch, stage)
    assert first["contrast"] == second["contrast"]
    assert first["scenes"] == second["scenes"]
    assert first["order"] != second["order"]


def test_gradients_are_finite_where_nobody_has_two_scenes() -> None:
    videos = MemoryVideos(np.repeat(np.random.default_rng(0).random((12, 1, 24)), 8, axis=1))
    method = chain(videos, order_videos="several_scenes")
    assert method.run.scalars["scenes_per_video"] == 1
    stage = method.stages()[0]
    terms = method.loss(one_batch(method, videos, np.arange(12)), stage)
    terms["total"].backward()
    assert terms["scenes"] == terms["order"] == 0
    assert terms["total"] == terms["contrast"]
    gradients = [parameter.grad for parameter in method.module.parameters() if parameter.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


def test_the_total_is_the_weighted_sum() -> None:
    videos = ordered_videos()
    method = chain(videos, order_weight=0.3, scene_weight=0.7)
    terms = method.loss(one_batch(method, videos, np.arange(20)), method.stages()[0])
    expected = terms["contrast"] + 0.3 * terms["order"] + 0.7 * terms["scenes"]
    torch.testing.assert_close(terms["total"], expected)


@pytest.mark.parametrize(
    ("variant", "logged"),
    [
        ("full", {"contrast", "order", "order_accuracy", "scenes", "total"}),
        ("contrast", {"contrast", "total"}),
        ("contrast_order", {"contrast", "order", "order_accuracy", "total"}),
        ("contrast_scenes", {"contrast", "scenes", "total"}),
        ("no_spatial", {"contrast", "order", "order_accuracy", "scenes", "total"}),
    ],
)
def test_ablations_switch_tasks_off(variant: str, logged: set[str]) -> None:
    videos = ordered_videos(60)
    method = chain(videos, **CHAIN.variants[variant])
    batch = one_batch(method, videos, np.arange(60))
    assert ("channels" in batch) == (variant != "no_spatial")
    assert ("scenes" in batch) == ("scenes" in logged)
    assert set(method.loss(batch, method.stages()[0])) == logged
    fresh = chain(videos).state()
    assert all(torch.equal(value, fresh[name]) for name, value in method.state().items())


def test_every_task_is_learnt() -> None:
    videos = ordered_videos()
    method = chain(videos, epochs=30, learning_rate=2e-3, batch_size=60)
    session = Session()
    loop.train(method, videos, session)
    losses = session.history[0].losses
    assert method.run.scalars["order_chance"] == 1 / 4
    assert losses["order_accuracy"][-1] > 0.5
    for task in ("contrast", "order", "scenes"):
        assert losses[task][-1] < 0.9 * losses[task][0], task


class Killed(Exception):
    pass


def test_a_run_killed_in_the_middle_continues_to_the_same_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = ordered_videos(120)
    whole, uninterrupted = chain(videos), Session(options=RunOptions(epochs=4))
    loop.train(whole, videos, uninterrupted)

    def prepared() -> tuple[CHAIN, Session]:
        run = Run(0, torch.device("cpu"), artefacts=ArtefactStore(tmp_path / "artefacts"))
        method = CHAIN(16, videos.shape, ChainConfig(**SMALL), run)
        method.prepare(videos)
        return method, Session(
            options=RunOptions(epochs=4), checkpoint=CheckpointFile(tmp_path / "checkpoint.pt", "key")
        )

    killed, session = prepared()

    def kill(_stage: object, epoch: int) -> None:
        if epoch == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(killed, "begin_epoch", kill)
        with pytest.raises(Killed):
            loop.train(killed, videos, session)
    resumed, session = prepared()
    loop.train(resumed, videos, session)
    assert session.resumed == 2
    assert session.history[0].losses == uninterrupted.history[0].losses
    assert all(torch.equal(value, whole.state()[name]) for name, value in resumed.state().items())


def test_encode_sees_all_frames_in_order() -> None:
    videos = ordered_videos(20)
    method = chain(videos)
    method.module.eval()
    with torch.inference_mode():
        frames = videos.take(np.arange(20))
        codes = method.encode(frames)
        assert codes.shape == (20, 16)
        assert torch.equal((codes * 8).round(), codes * 8)
        assert not torch.equal(codes, method.encode(frames.flip(1)))


def test_sizes_that_do_not_fit_are_refused() -> None:
    shape = FrameShape(8, 24)
    assert CHAIN.unsupported(16, shape, ChainConfig()) is None
    assert "9 segments" in str(CHAIN.unsupported(16, shape, ChainConfig(segments=9)))
    assert "one frame" in str(CHAIN.unsupported(16, FrameShape(1, 24), ChainConfig()))
    assert "more heads" in str(CHAIN.unsupported(16, shape, ChainConfig(width=4)))
