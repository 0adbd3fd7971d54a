"""Anchors and the three-tag neighbour graph against golden_graph.npz and against dense definitions."""

import numpy as np
import pytest

from benchmark.errors import BadInput
from methods.parts import neighbours
from methods.parts.anchors import anchor_count, kmeans, nearest_anchors
from methods.parts.neighbours import MIDDLE, SIMILAR, Rows, TagGraph, anchor_weights, tag_graph


@pytest.fixture(scope="module")
def numbers(golden):
    with np.load(golden / "golden_graph.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def all_tags(graph):
    n = len(graph)
    first, second = np.divmod(np.arange(n * n), n)
    return graph.tag_of(first, second).reshape(n, n)


def dense_tags(points, anchors):
    """The definition, with n x n matrices; a column without weight is left out."""
    distances = np.sqrt(((points[:, None].astype(float) - anchors[None]) ** 2).sum(2))
    shared = {}
    for s in (3, 4, 5):
        ids = np.argsort(distances, axis=1, kind="stable")[:, :s]
        near = np.take_along_axis(distances, ids, axis=1)
        # A far outlier's weights would all round to zero if the least square were not taken off first.
        weights = np.exp(-(near**2 - near[:, :1] ** 2) / (2 * (near[:, -1].mean() / np.sqrt(2)) ** 2))
        z = np.zeros_like(distances)
        np.put_along_axis(z, ids, weights / weights.sum(1, keepdims=True), axis=1)
        z = z[:, z.sum(0) > 0]
        shared[s] = (z / z.sum(0) @ z.T > 1e-5).astype(int)
    return 2 * (shared[5] - shared[4]) + shared[3]


@pytest.mark.parametrize("case", ["main", "empty_anchor"])
def test_golden_anchors_and_weights(numbers, case):
    points, anchors = numbers[f"{case}/X"], numbers[f"{case}/anchors"]
    ids, squared = nearest_anchors(points, anchors, 5)
    for s in (3, 4, 5):
        assert np.array_equal(ids[:, :s], numbers[f"{case}/Z{s}_pos"])
        sigma = np.sqrt(squared[:, s - 1]).mean() / np.sqrt(2)
        assert sigma == pytest.approx(float(numbers[f"{case}/sigma{s}"]), rel=1e-12)
        weights = anchor_weights(ids[:, :s], squared[:, :s], len(anchors)).toarray()
        found = np.take_along_axis(weights, ids[:, :s].astype(int), axis=1)
        np.testing.assert_allclose(found, numbers[f"{case}/Z{s}_sparse_val"], rtol=1e-6)
        assert np.count_nonzero(weights) == 300 * s
        if case == "main":
            adjacency = weights[:40] / weights.sum(0) @ weights.T
            np.testing.assert_allclose(adjacency, numbers[f"main/adj{s}_row0_40"], rtol=1e-5, atol=1e-9)


def test_golden_tags(numbers, monkeypatch):
    tags = all_tags(tag_graph(numbers["main/X"], numbers["main/anchors"]))
    assert np.array_equal(tags, numbers["main/tags"])
    assert np.bincount(tags.ravel()).tolist() == [51_752, 27_824, 10_424]
    monkeypatch.setattr(neighbours, "ROWS", 7)
    assert np.array_equal(all_tags(tag_graph(numbers["main/X"], numbers["main/anchors"])), tags)


def test_an_anchor_without_videos_changes_nothing(numbers):
    points, anchors = numbers["empty_anchor/X"], numbers["empty_anchor/anchors"]
    used = np.unique(nearest_anchors(points, anchors, 5)[0])
    assert len(used) < len(anchors)
    assert not numbers["empty_anchor/tags"].any()
    tags = all_tags(tag_graph(points, anchors))
    assert np.array_equal(tags, all_tags(tag_graph(points, anchors[used])))
    assert np.array_equal(tags, dense_tags(points, anchors))
    assert (np.diag(tags) == SIMILAR).all()


@pytest.mark.parametrize(("spread", "seed"), [(1.0, 2), (1.6, 0), (1.6, 1), (0.3, 0)])
def test_tags_equal_the_dense_definition(spread, seed):
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(400, 6)) * rng.lognormal(0, spread, size=(400, 1))).astype(np.float32)
    anchors = points[rng.choice(400, 12, replace=False)]
    dense = dense_tags(points, anchors)
    legal = np.isin(dense, (0, SIMILAR, MIDDLE))
    assert legal.all() == (spread < 1)  # far outliers give weights near the threshold, and with them the rare tags
    assert np.array_equal(all_tags(tag_graph(points, anchors)), np.where(legal, dense, 0))


def lists(*rows):
    ids = np.concatenate([np.array(row, dtype=np.int32) for row in rows])
    return Rows(np.cumsum([0, *map(len, rows)]), ids)


def test_lists_against_python():
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.choice(30, size, replace=False)) for size in (0, 1, 5, 29, 12, 0)]
    found = lists(*rows)
    for i, row in enumerate(rows):
        asked = np.arange(30)
        assert found.contains(np.full(30, i), asked).tolist() == [int(a) in row.tolist() for a in asked]
        others = [a for a in asked.tolist() if a not in row.tolist()]
        assert found.outside(np.full(len(others), i), np.arange(len(others))).tolist() == others
    empty = lists([], [])
    assert not empty.contains(np.array([0, 1]), np.array([0, 5])).any()
    assert empty.outside(np.array([1, 0]), np.array([3, 0])).tolist() == [3, 0]


def test_partners_are_uniform_over_the_tag(numbers):
    graph = tag_graph(numbers["main/X"], numbers["main/anchors"])
    tags = numbers["main/tags"]
    for tag in (SIMILAR, MIDDLE):
        for row in (0, 17, 299):
            u = (np.arange(30_000) + 0.5) / 30_000
            drawn = graph.sample(tag, np.full(30_000, row), u)
            counts = np.bincount(drawn, minlength=300)
            legal = tags[row] == tag
            assert not counts[~legal].any()
            assert np.abs(counts[legal] - 30_000 / legal.sum()).max() <= 1
    rows = np.arange(300)
    assert (graph.tag_of(rows, graph.sample(MIDDLE, rows, np.full(300, 1 - 2.0**-53))) == MIDDLE).all()


def test_a_video_without_tag_two_draws_from_tag_zero():
    graph = TagGraph(lists([0, 2], [1], []), lists([1], [], [0]), lists([], [1], []))
    u = np.array([0.0, 0.49, 0.51, 0.99])
    assert graph.sample(MIDDLE, np.full(4, 1), u).tolist() == [0, 0, 2, 2]
    assert graph.sample(MIDDLE, np.array([0, 2]), u[:2]).tolist() == [1, 0]
    assert graph.sample(SIMILAR, np.array([0, 0, 2]), np.array([0.1, 0.9, 0.5])).tolist() == [0, 2, 2]
    assert graph.tag_of(np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2])).tolist() == [1, 2, 1, 0]


def test_tag_zero_stand_ins_of_a_real_graph():
    rng = np.random.default_rng(5)
    blobs = 50.0 * np.eye(4)[rng.integers(4, size=120)]
    points = np.concatenate([blobs + 0.1 * rng.normal(size=(120, 4)), np.full((1, 4), 400.0)]).astype(np.float32)
    anchors = np.concatenate([points[rng.choice(120, 24, replace=False)], points[-1:]])
    dense = dense_tags(points, anchors)
    graph = tag_graph(points, anchors)
    without = np.flatnonzero(~(dense == MIDDLE).any(1))
    assert len(without)
    for row in without:
        legal = np.flatnonzero(dense[row] == 0)
        drawn = graph.sample(MIDDLE, np.full(len(legal), row), (np.arange(len(legal)) + 0.5) / len(legal))
        assert np.array_equal(drawn, legal)


def test_arrays_bring_the_graph_back(numbers):
    graph = tag_graph(numbers["main/X"], numbers["main/anchors"])
    arrays = graph.arrays()
    assert {name: array.dtype.kind for name, array in arrays.items()}.keys() == {
        f"{name}_{part}" for name in ("similar", "middle", "met") for part in ("start", "ids")
    }
    assert arrays["similar_ids"].dtype == np.int32
    assert np.array_equal(all_tags(TagGraph.from_arrays(arrays)), numbers["main/tags"])


def test_all_videos_alike_is_an_error():
    points = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    with pytest.raises(BadInput, match="no dissimilar pair"):
        tag_graph(points, points[:2])


@pytest.mark.parametrize(("n", "m", "d", "k"), [(50, 9, 7, 3), (300, 40, 256, 5), (7, 5, 4, 5), (20, 1, 3, 1)])
def test_nearest_anchors_against_a_full_sort(n, m, d, k, monkeypatch):
    monkeypatch.setattr("methods.parts.anchors.BLOCK", 1000)
    rng = np.random.default_rng(n)
    points, anchors = (100 + rng.normal(size=(size, d)).astype(np.float32) for size in (n, m))
    squared = ((points[:, None].astype(float) - anchors[None]) ** 2).sum(2)
    ids, found = nearest_anchors(points, anchors, k)
    assert np.array_equal(ids, np.argsort(squared, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(found, np.sort(squared, axis=1)[:, :k], rtol=1e-9, atol=1e-9)


def test_equally_near_anchors_are_taken_in_order():
    anchors = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [9, 9]], dtype=np.float32)
    ids, squared = nearest_anchors(np.zeros((1, 2), dtype=np.float32), anchors, 4)
    assert ids.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(squared, 1)


def lloyd(points, centres, updates):
    for _ in range(updates):
        labels = ((points[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        centres = np.stack([points[labels == c].mean(0) for c in range(len(centres))])
    return centres


def test_kmeans_is_lloyd_from_sampled_points():
    rng = np.random.default_rng(1)
    points = (rng.normal(size=(5, 4))[rng.integers(5, size=500)] * 3 + rng.normal(size=(500, 4))).astype(np.float32)
    found = kmeans(points, 12, np.random.default_rng(3))
    first = np.unique(points[np.random.default_rng(3).integers(500, size=12)], axis=0)
    expected = lloyd(points.astype(float), first.astype(float), 16)
    order = lambda centres: centres[np.lexsort(centres.T)]  # noqa: E731
    np.testing.assert_allclose(order(found), order(expected), rtol=1e-4, atol=1e-4)
    labels = nearest_anchors(points, found, 1)[0][:, 0]
    assert np.array_equal(np.unique(labels, return_index=True)[1], np.sort(np.unique(labels, return_index=True)[1]))
    assert np.array_equal(found, kmeans(points, 12, np.random.default_rng(3)))


def test_kmeans_takes_the_tightest_of_several_clusterings():
    points = np.random.default_rng(4).normal(size=(300, 5)).astype(np.float32)
    spread = lambda centres: nearest_anchors(points, centres, 1)[1].sum()  # noqa: E731
    rng = np.random.default_rng(5)
    apart = [kmeans(points, 20, rng) for _ in range(4)]
    best = kmeans(points, 20, np.random.default_rng(5), starts=4)
    assert len({len(centres) for centres in apart}) > 1 or len({float(spread(centres)) for centres in apart}) == 4
    assert any(np.array_equal(best, centres) for centres in apart)
    assert spread(best) == min(spread(centres) for centres in apart)
    far = kmeans(points, 20, np.random.default_rng(5), spread=True)
    assert far.shape == (20, 5) and np.array_equal(far, kmeans(points, 20, np.random.default_rng(5), spread=True))
    lonely = np.concatenate([points[:1] + 100, points])
    nearest = nearest_anchors(lonely, kmeans(lonely, 5, np.random.default_rng(0), spread=True), 1)[1]
    assert nearest[0] < 1, "a far video is among the first centres"


def test_kmeans_drops_double_draws_and_empty_clusters():
    points = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    draws = np.unique(np.random.default_rng(2).integers(40, size=30))
    assert len(draws) < 30
    assert len(kmeans(points, 30, np.random.default_rng(2))) == len(draws)
    same = np.repeat(points[:4], 10, axis=0)
    np.testing.assert_allclose(kmeans(same, 20, np.random.default_rng(0)), points[:4], atol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "videos", "count"), [(2000, 45_585, 2000), (2000, 200, 28), (100, 755, 100), (9, 3, 1)]
)
def test_small_training_sets_get_fewer_anchors(wanted, videos, count):
    assert anchor_count(wanted, videos) == count
