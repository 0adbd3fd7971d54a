"""Every loss of CHAIN against a naive loop written from its formula, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods.parts.contrast import debiased_contrast
from methods.parts.ordering import order_terms, shuffle_tokens
from methods.parts.prototypes import LEAST_SHARE, scene_contrast, scene_prototypes

MOST = 4


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.normal(size=shape)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def labels_of(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    """Videos of one, two and more scenes; some scenes are in one clip only."""
    labels = rng.integers(0, MOST, size=(n, 2, m))
    labels[0] = 0
    labels[1, 0], labels[1, 1] = 0, 1
    labels[2] = labels[2] % 2
    return labels


def naive_prototypes(r: np.ndarray, labels: np.ndarray, clip: int) -> dict[int, tuple[np.ndarray, list[np.ndarray]]]:
    """R (2, m, d), labels (2, m) -> scene: (prototype, members) for the tokens of one clip."""
    out = {}
    for scene in sorted(set(labels.ravel().tolist())):
        members = [token for token, a in zip(r[1 - clip], labels[1 - clip], strict=True) if a == scene]
        if not members:
            members = [token for side in (0, 1) for token, a in zip(r[side], labels[side], strict=True) if a == scene]
        total = sum(members)
        out[scene] = (total / np.linalg.norm(total), members)
    return out


def naive_concentrations(
    prototypes: dict[int, tuple[np.ndarray, list[np.ndarray]]], phi: float, adaptive: bool
) -> dict[int, float]:
    if not adaptive:
        return dict.fromkeys(prototypes, phi)
    raw = {}
    for scene, (centre, members) in prototypes.items():
        if len(members) > 1:
            distances = [np.linalg.norm(member - centre) for member in members]
            raw[scene] = np.mean(distances) / math.log(len(members) + 10)
    largest = max(raw.values(), default=0)
    full = {scene: raw.get(scene, largest) if largest > 0 else 1.0 for scene in prototypes}
    floor = LEAST_SHARE * np.mean(list(full.values()))
    full = {scene: max(value, floor) for scene, value in full.items()}
    mean = np.mean(list(full.values()))
    return {scene: phi * value / mean for scene, value in full.items()}


def naive_scene_contrast(r: np.ndarray, labels: np.ndarray, phi: float, adaptive: bool, batch: bool) -> float:
    n, _, m, _ = r.shape
    prototypes = [[naive_prototypes(r[v], labels[v], clip) for clip in (0, 1)] for v in range(n)]
    phis = [[naive_concentrations(prototypes[v][clip], phi, adaptive) for clip in (0, 1)] for v in range(n)]
    losses = []
    for v in range(n):
        if len(set(labels[v].ravel().tolist())) < 2:
            continue
        for clip in (0, 1):
            for t in range(m):
                token = r[v, clip, t]
                own = None
                denominator = 0.0
                for w in range(n) if batch else [v]:
                    for scene, (centre, _) in prototypes[w][clip].items():
                        term = math.exp(token @ centre / phis[w][clip][scene])
                        denominator += term
                        if w == v and scene == labels[v, clip, t]:
                            own = term
                losses.append(-math.log(own / denominator))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_scene_contrast_is_the_formula(batch: bool, adaptive: bool) -> None:
    rng = np.random.default_rng(3)
    r, labels = unit(rng, 6, 2, 5, 7), labels_of(rng, 6, 5)
    embeddings, scenes = torch.from_numpy(r), torch.from_numpy(labels)
    prototypes = scene_prototypes(embeddings, scenes, MOST, 0.2, adaptive)
    loss = scene_contrast(embeddings, scenes, prototypes, across_videos=batch)
    assert loss.item() == pytest.approx(naive_scene_contrast(r, labels, 0.2, adaptive, batch), abs=1e-12)


def test_a_scene_that_the_other_clip_lacks_takes_the_tokens_of_both() -> None:
    rng = np.random.default_rng(4)
    r = unit(rng, 1, 2, 3, 5)
    labels = np.array([[[0, 0, 1], [0, 0, 0]]])
    centres, _, present = scene_prototypes(torch.from_numpy(r), torch.from_numpy(labels), MOST, 0.2)
    np.testing.assert_allclose(centres[0, 0, 1], r[0, 0, 2], atol=1e-12)
    np.testing.assert_allclose(centres[0, 1, 1], r[0, 0, 2], atol=1e-12)
    other = r[0, 1].sum(0)
    np.testing.assert_allclose(centres[0, 0, 0], other / np.linalg.norm(other), atol=1e-12)
    assert present.tolist() == [[True, True, False, False]]
    assert not centres[0, :, 2:].any()


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_without_a_video_of_two_scenes_the_loss_is_zero_and_its_gradient_finite(batch: bool, adaptive: bool) -> None:
    raw = torch.randn(5, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    embeddings = torch.nn.functional.normalize(raw, dim=3)
    scenes = torch.zeros(5, 2, 3, dtype=torch.int64)
    loss = scene_contrast(embeddings, scenes, scene_prototypes(embeddings, scenes, MOST, 0.2, adaptive), batch)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(raw.grad, torch.zeros_like(raw))


@pytest.mark.parametrize("adaptive", [False, True])
def test_equal_frames_give_finite_gradients(adaptive: bool) -> None:
    raw = torch.ones(3, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    embeddings = torch.nn.functional.normalize(raw, dim=3)
    scenes = torch.tensor([0, 0, 1, 1]).expand(3, 2, 4)
    loss = scene_contrast(embeddings, scenes, scene_prototypes(embeddings, scenes, MOST, 0.2, adaptive))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert torch.isfinite(raw.grad).all()


def test_prototypes_pass_no_gradient() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(2, 2, 3, 4), dim=3).requires_grad_()
    scenes = torch.tensor([0, 1, 1]).expand(2, 2, 3)
    prototypes = scene_prototypes(embeddings, scenes, MOST, 0.2, True)
    assert not prototypes.centres.requires_grad
    assert not prototypes.concentration.requires_grad


@pytest.mark.parametrize("prior", [0.0, 0.1])
def test_contrast_is_the_formula(prior: float) -> None:
    """With a class prior of 0 it is NT-Xent: -ln(e^(z·z'/τ) / sum over all others of e^(z·z_k/τ))."""
    rng = np.random.default_rng(5)
    n, tau = 6, 0.5
    u = np.clip(rng.normal(size=(2 * n, 8)), -1, 1)
    z = u / np.linalg.norm(u, axis=1, keepdims=True)
    losses = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        positive = math.exp(z[i] @ z[partner] / tau)
        others = sum(math.exp(z[i] @ z[k] / tau) for k in range(2 * n) if k not in (i, partner))
        count = 2 * n - 2
        negative = max((others - prior * count * positive) / (1 - prior), count * math.exp(-1 / tau))
        losses.append(-math.log(positive / (positive + (negative if prior else others))))
    first, second = torch.from_numpy(u[:n]), torch.from_numpy(u[n:])
    assert debiased_contrast(first, second, tau, prior).item() == pytest.approx(np.mean(losses), abs=1e-12)


def test_order_loss_is_the_formula() -> None:
    rng = np.random.default_rng(6)
    logits, target = rng.normal(size=(4, 5, 5)), np.stack([rng.permutation(5) for _ in range(4)])
    counted = np.array([True, False, True, True])
    for counts in (None, counted):
        losses, hits = [], []
        for i in range(4):
            if counts is not None and not counts[i]:
                continue
            for j in range(5):
                shares = [math.exp(value) for value in logits[i, j]]
                losses.append(-math.log(shares[target[i, j]] / sum(shares)))
                hits.append(max(range(5), key=lambda k, row=logits[i, j]: row[k]) == target[i, j])
        given = None if counts is None else torch.from_numpy(counts)
        loss, accuracy = order_terms(torch.from_numpy(logits), torch.from_numpy(target), given)
        assert loss.item() == pytest.approx(np.mean(losses), abs=1e-12)
        assert accuracy.item() == pytest.approx(np.mean(hits), abs=1e-12)


def test_order_loss_without_a_counted_video_is_zero() -> None:
    logits = torch.randn(3, 4, 4, requires_grad=True)
    loss, accuracy = order_terms(logits, torch.arange(4).expand(3, 4), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == accuracy.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_slot_holds_the_token_that_the_permutation_names() -> None:
    rng = np.random.default_rng(7)
    tokens, permutations = rng.normal(size=(3, 5, 2)), np.stack([rng.permutation(5) for _ in range(3)])
    shuffled = shuffle_tokens(torch.from_numpy(tokens), torch.from_numpy(permutations)).numpy()
    for i in range(3):
        for j in range(5):
            np.testing.assert_array_equal(shuffled[i, j], tokens[i, permutations[i, j]])
