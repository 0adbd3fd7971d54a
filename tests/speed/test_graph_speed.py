"""The neighbour graph over anchors, sparse, against the dense matrices of its definition; FCVID's size on request."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest

from methods.parts.anchors import kmeans, nearest_anchors
from methods.parts.neighbours import MIDDLE, SIMILAR, tag_graph
from tests.speed.timing import pairs, seconds

pytestmark = pytest.mark.benchmark

FULL = bool(os.environ.get("VIDEO_HASHING_FULL_SIZE"))
WIDTH, NOISE = 256, 0.1


def points_on_a_sheet(n):
    """Return points (n, 256) float32 that vary in six directions, so that neighbours of neighbours are neighbours."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n, 6), dtype=np.float32)
    return np.tanh(latent @ rng.standard_normal((6, WIDTH), dtype=np.float32) / 2)


def dense(points, anchors):
    """Return the tags (n, n), from n x n adjacencies for 3, 4 and 5 anchors."""
    distances = np.sqrt(((points**2).sum(1)[:, None] + (anchors**2).sum(1) - 2 * points @ anchors.T).clip(0))
    shared = {}
    for s in (3, 4, 5):
        ids = np.argsort(distances, axis=1, kind="stable")[:, :s]
        near = np.take_along_axis(distances, ids, axis=1)
        weights = np.exp(-(near**2 - near[:, :1] ** 2) / (2 * (near[:, -1].mean() / np.sqrt(2)) ** 2))
        z = np.zeros_like(distances)
        np.put_along_axis(z, ids, weights / weights.sum(1, keepdims=True), axis=1)
        z = z[:, z.sum(0) > 0]
        shared[s] = (z / z.sum(0) @ z.T > 1e-5).astype(np.int8)
    return 2 * (shared[5] - shared[4]) + shared[3]


def test_sparse_against_dense(benchmark):
    """Equal sets of similar and middle pairs, but for pairs whose weight lies on the threshold."""
    n, m = 5000, 600  # pairs are nearly as rare as on FCVID with its 2000 anchors
    points = points_on_a_sheet(n)
    anchors = kmeans(points, m, np.random.default_rng(1))
    graph, tags = tag_graph(points, anchors), dense(points, anchors)
    for tag, rows in ((SIMILAR, graph.similar), (MIDDLE, graph.middle)):
        assert abs(int((tags == tag).sum()) - len(rows.ids)) < 1e-4 * len(rows.ids)
    mine, theirs, ratio = pairs(lambda: tag_graph(points, anchors), lambda: dense(points, anchors), 2)
    stored = sum(array.nbytes for array in graph.arrays().values())
    benchmark.extra_info |= {
        "dense_over_ours": ratio,
        "seconds": mine,
        "dense_seconds": theirs,
        "bytes": stored,
        "dense_bytes": 4 * n * n,
    }
    benchmark.pedantic(lambda: tag_graph(points, anchors), rounds=1)
    assert ratio > 1 - NOISE and stored < 4 * n * n


@pytest.mark.skipif(not FULL, reason="minutes long: VIDEO_HASHING_FULL_SIZE=1 runs it")
def test_at_the_size_of_fcvid(benchmark):
    points = points_on_a_sheet(45_585)
    found = {}
    clustering = seconds(lambda: found.update(anchors=kmeans(points, 2000, np.random.default_rng(1))))
    nearest = seconds(lambda: nearest_anchors(points, found["anchors"], 1))
    graph = seconds(lambda: found.update(graph=tag_graph(points, found["anchors"])))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pairs_kept = len(found["graph"].similar.ids) + len(found["graph"].middle.ids)
    benchmark.extra_info |= {
        "kmeans_seconds": clustering,
        "nearest_seconds": nearest,
        "graph_seconds": graph,
        "peak_bytes_of_the_process": peak,
        "pairs": pairs_kept,
    }
    benchmark.pedantic(lambda: None, rounds=1)
    print(benchmark.extra_info)
    assert clustering + nearest + graph < 600 and peak < 4 * 2**30
