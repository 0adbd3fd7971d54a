"""Codes as points of a plane by t-SNE, and how far the classes lie apart in the codes themselves.

One distance serves everything here: the Hamming distance of `benchmark.evaluation.hamming`, in which an undecided bit
is half a mismatch. t-SNE [0] works on it as a squared distance, which for codes of -1 and +1 is what t-SNE of the code
vectors does. Silhouettes [1] and nearest neighbours are taken from the codes and never from the picture.

5,000 codes of 64 bits take about 25 seconds on one core; results are kept by content.

[0] van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008.
[1] Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics 1987.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.errors import BadInput
from benchmark.evaluation.hamming import Codes, unpack
from benchmark.files.arrays import Unreadable, read_arrays, save_arrays
from benchmark.progress import Progress

VERSION = 1
"""Raised when the same codes would give another outcome."""
SEED = 0
PERPLEXITY = 30.0
"""scikit-learn's default; a third of the points where that is less."""
SPREAD, JITTER = 1e-4, 1e-5
"""Deviation of the first points, as in [0], and of the noise that parts equal codes (our choice)."""
MOST_AT_ONCE = 4
"""Projections that are computed at a time: 5,000 codes take up to 600 MiB (our choice)."""

SAME = "all its codes are the same"
ONE_CLASS = "there is one class only"
SINGLE = "every class has a single video"


@dataclass(frozen=True)
class Projection:
    """n codes in the plane: ``points`` (n, 2) float32, and their separation.

    ``silhouette``: mean over videos, -1 to 1, None where it is undefined (see ``undefined``). ``nearest``: share of
    videos whose nearest other code is of their class, 0 to 1, equally near ones counting by their share.
    """

    points: np.ndarray
    silhouette: float | None
    nearest: float


def projections(
    codes: Sequence[Codes], classes: np.ndarray, cache: Path | None, name: str = "codes"
) -> list[Projection]:
    """Return the projection of each set of codes, from the cache where it has it; ``name`` is shown with the progress.

    ``classes``: (n,) class of each code, the same for every set. ``cache``: folder, or None to keep nothing.
    """
    places = [None if cache is None else cache / f"tsne-{_key(own, classes)}.npz" for own in codes]
    made = [None if place is None else _read(place, len(classes)) for place in places]
    lacking = [i for i, projection in enumerate(made) if projection is None]
    if lacking:
        _compute(lacking, codes, classes, places, made, name)
    return [projection for projection in made if projection is not None]


def _compute(
    lacking: Sequence[int],
    codes: Sequence[Codes],
    classes: np.ndarray,
    places: Sequence[Path | None],
    made: list[Projection | None],
    name: str,
) -> None:
    """Compute and keep the projections that are lacking, several at a time, each on one thread as ``plane`` says."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    workers = min(MOST_AT_ONCE, len(lacking), os.cpu_count() or 1)
    # the limit is the process's, so it stays until the last one is done
    step = Progress(f"t-SNE of {name}", total=len(lacking), unit="projections")
    with step as progress, threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda i: project(codes[i], classes), lacking)
        for i, projection in zip(lacking, results, strict=True):
            made[i] = projection
            if (place := places[i]) is not None:
                _write(place, projection)
            progress.advance(1)


def project(codes: Codes, classes: np.ndarray) -> Projection:
    """Compute a projection of at least 4 codes."""
    apart = distances(codes)
    separated = None if undefined(codes, classes) else silhouette(apart, classes)
    return Projection(plane(codes, apart), separated, nearest(apart, classes))


def distances(codes: Codes) -> np.ndarray:
    """Return the Hamming distances of all pairs, (n, n) float32 in bits; 0 to itself also with undecided bits."""
    values = unpack(codes).astype(np.float32)
    apart = (codes.bits - values @ values.T) / np.float32(2)
    np.fill_diagonal(apart, 0)
    return apart


def undefined(codes: Codes, classes: np.ndarray) -> str:
    """Return why the silhouette of classes is undefined, or an empty text."""
    different = len(np.unique(classes))
    if different < 2:
        return ONE_CLASS
    if different == len(classes):
        return SINGLE
    return SAME if _same(codes) else ""


def _same(codes: Codes) -> bool:
    return all((words == words[0]).all() for words in (codes.packed, codes.nonzero) if words is not None)


def silhouette(apart: np.ndarray, classes: np.ndarray) -> float:
    """Return the mean silhouette of classes [1] over all rows; a row that is alone in its class counts 0."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(apart, classes, metric="precomputed"))


def nearest(apart: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of rows whose nearest other row is of their class; ties count by their share."""
    others = apart.copy()
    np.fill_diagonal(others, np.inf)
    tied = others == others.min(axis=1, keepdims=True)
    same = tied & (classes[:, None] == classes[None])
    return float((same.sum(axis=1) / tied.sum(axis=1)).mean())


def perplexity(n: int) -> float:
    """Return the perplexity for n codes."""
    return min(PERPLEXITY, (n - 1) / 3)


def plane(codes: Codes, apart: np.ndarray) -> np.ndarray:
    """Return t-SNE's points, (n, 2) float32, for distances ``apart``; all at 0 where all codes are the same.

    One thread, so that the order of sums and with it the points are the same each time.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if _same(codes):
        return np.zeros((codes.n, 2), np.float32)
    with threadpool_limits(limits=1):
        model = TSNE(
            perplexity=perplexity(codes.n), metric="precomputed", init=_start(codes), random_state=SEED, n_jobs=1
        )
        return np.asarray(model.fit_transform(np.sqrt(apart)), np.float32)


def _start(codes: Codes) -> np.ndarray:
    """Return the first points: two principal components and a little noise, which is all where codes hardly differ."""
    values = unpack(codes).astype(np.float64)
    values -= values.mean(axis=0)
    axes = np.linalg.eigh(values.T @ values)[1][:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    points = np.zeros((codes.n, 2))
    points[:, : axes.shape[1]] = values @ axes
    scale = SPREAD / max(float(points[:, 0].std()), 1e-9)
    noise = np.random.default_rng(SEED).normal(scale=JITTER, size=points.shape)
    return (points * scale + noise).astype(np.float32)


def _key(codes: Codes, classes: np.ndarray) -> str:
    """Return the hash of everything that can move a projection."""
    import sklearn

    settings = [VERSION, SEED, perplexity(codes.n), SPREAD, JITTER, sklearn.__version__, codes.bits, codes.n]
    digest = hashlib.blake2b(json.dumps(settings).encode(), digest_size=12)
    arrays = [codes.packed, *([] if codes.nonzero is None else [codes.nonzero]), classes.astype("<i8")]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path, n: int) -> Projection | None:
    """Return the projection of a file, or None where it is absent or damaged."""
    try:
        arrays = read_arrays(path, ["points", "numbers"])
        points, numbers = arrays["points"], np.array(arrays["numbers"], np.float64)
    except (Unreadable, ValueError, TypeError):
        return None
    sound = points.shape == (n, 2) and points.dtype == np.float32 and np.isfinite(points).all()
    if not sound or numbers.shape != (2,) or not math.isfinite(numbers[1]):
        return None
    return Projection(points, None if math.isnan(numbers[0]) else float(numbers[0]), float(numbers[1]))


def _write(path: Path, made: Projection) -> None:
    numbers = np.array([math.nan if made.silhouette is None else made.silhouette, made.nearest])
    with suppress(OSError, BadInput):  # a cache that cannot be written still gives its page
        save_arrays(path, {"points": made.points, "numbers": numbers})
