"""Scenes of one video by scikit-learn: what the batched clustering is tested against."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import AffinityPropagation
from sklearn.exceptions import ConvergenceWarning

from methods.parts.scenes import DAMPINGS, ITERATIONS


def reference_labels(frames: np.ndarray, damping: float = DAMPINGS[0]) -> np.ndarray | None:
    """Return scikit-learn's labels (T,) for the frames (T, dim) of one video, or None where it does not converge.

    About ten times slower than the batched version on one core.
    """
    lengths = np.linalg.norm(frames.astype(np.float64), axis=1, keepdims=True)
    unit = frames / np.where(lengths > 0, lengths, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="All samples have mutually equal")
        try:
            return AffinityPropagation(damping=damping, max_iter=ITERATIONS, random_state=0).fit(unit).labels_
        except ConvergenceWarning:
            return None
