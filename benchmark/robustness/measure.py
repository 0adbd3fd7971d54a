"""The robustness of a trained cell: its perturbed queries, encoded and ranked against the stored database codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmark.compute.encoding import BATCH, encode_batch, read_batch
from benchmark.compute.machine import accelerator
from benchmark.compute.prefetch import Ahead
from benchmark.errors import BadInput
from benchmark.evaluation.evaluator import KS, Result, evaluate
from benchmark.evaluation.hamming import Codes, full_mask, pack
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.statistics import bootstrap_interval
from benchmark.files.artefacts import ArtefactStore
from benchmark.records.robustness import CUT, SEED, Condition, Loss, Perturbed, conditions
from benchmark.robustness.perturbations import frame_deviation, perturb, unit_noise

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import Method
    from benchmark.interfaces.videos import Videos

CLEAN = Condition("clean", 0.0)


@dataclass(frozen=True)
class Measurement:
    """What was measured of one cell, in the forms that ``robustness_file`` stores."""

    clean: dict[str, dict[str, float]]
    perturbed: list[Perturbed]
    precisions: dict[str, np.ndarray]
    timing: dict[str, float]


class _Batch(NamedTuple):
    """One condition of one batch of queries; ``rows`` are those that count, ``frames`` is filled up."""

    place: int
    rows: np.ndarray
    frames: torch.Tensor


class _Maker:
    """Makes batches one after the other: queries are read, and noise is drawn, once for all conditions."""

    noise: torch.Tensor | None

    def __init__(self, videos: Videos, grid: Sequence[Condition], deviation: torch.Tensor) -> None:
        self.videos, self.conditions, self.deviation = videos, grid, deviation
        self.start, self.noise = -1, None

    def __call__(self, item: tuple[int, int]) -> _Batch:
        start, place = item
        if start != self.start:
            self.start, self.noise = start, None
            self.rows, self.frames = read_batch(self.videos, start)
        filled = np.pad(self.rows, (0, len(self.frames) - len(self.rows)), mode="edge")
        return _Batch(place, self.rows, perturb(self.conditions[place], self.frames, filled, self._noise))

    def _noise(self) -> torch.Tensor:
        if self.noise is None:
            noise = unit_noise(self.rows, self.videos.shape) * self.deviation
            self.noise = torch.cat([noise, noise.new_zeros(len(self.frames) - len(noise), *noise.shape[1:])])
        return self.noise


def encode_perturbed(
    method: Method,
    videos: Videos,
    grid: Sequence[Condition],
    deviation: np.ndarray,
    advance: Callable[[int], None] | None = None,
) -> list[Codes]:
    """Return the packed codes of the videos under each condition, from one read of the videos.

    ``deviation`` (dim,) is the unit of noise. Raises TrainingDiverged where the method returns a value that is not
    finite.
    """
    signs = np.empty((len(grid), len(videos), method.bits), np.int8)
    items = [(start, place) for start in range(0, len(videos), BATCH) for place in range(len(grid))]
    make = _Maker(videos, grid, torch.from_numpy(deviation).float())
    for place, rows, frames in Ahead(make, items):
        signs[place, rows] = np.sign(encode_batch(method, frames, rows))
        if advance:
            advance(len(rows))
    return [pack(values) for values in signs]


def noise_unit(dataset: Dataset, artefacts: ArtefactStore) -> np.ndarray:
    """Return the deviation of each feature dimension over the training frames, (dim,) float64, made once per data."""
    train = dataset.split("train")
    arrays = artefacts.get(
        "frame-deviation", lambda: {"deviation": frame_deviation(train)}, of=train.fingerprint, params={}
    )
    return arrays["deviation"]


def measure(
    method: Method,
    dataset: Dataset,
    stored: Mapping[str, Codes],
    protocols: Mapping[str, Protocol],
    deviation: np.ndarray,
    advance: Callable[[int], None] | None = None,
) -> Measurement:
    """Encode the queries, clean and under every condition, and compare them on the ``stored`` database codes.

    Where the queries are the database (self-retrieval), a perturbed query meets the clean database with its own clean
    copy in it; a protocol that excludes self-matches leaves that copy out, one that includes them may find it.

    Raises BadInput where the clean codes are not the stored ones.
    """
    grid = [CLEAN, *conditions()]
    began = time.perf_counter()
    codes = encode_perturbed(method, dataset.split("query"), grid, deviation, advance)
    encoded = time.perf_counter()
    check_clean(codes[0], stored["query"])
    labels = {name: dataset.labels(name) for name in ("query", "database")}
    results = [
        evaluate(
            query, stored["database"], labels["query"], labels["database"], protocols, ks=KS,
            self_retrieval=dataset.self_retrieval, device=accelerator(method.run.device), altered=place > 0,
        )
        for place, query in enumerate(codes)
    ]  # fmt: skip
    evaluated = time.perf_counter()
    precisions = {name: np.stack([result[name].ap[:, KS.index(CUT)] for result in results], 1) for name in protocols}
    losses = {name: _losses(table) for name, table in precisions.items()}
    perturbed = [
        Perturbed(
            perturbation=condition.perturbation,
            strength=condition.strength,
            map=_maps(perturbed_results),
            loss={name: by_condition[place] for name, by_condition in losses.items()},
        )
        for place, (condition, perturbed_results) in enumerate(zip(grid[1:], results[1:], strict=True))
    ]
    timing = {
        "encode": encoded - began, "evaluate": evaluated - encoded, "statistics": time.perf_counter() - evaluated
    }  # fmt: skip
    return Measurement(_maps(results[0]), perturbed, precisions, timing)


def check_clean(made: Codes, stored: Codes) -> None:
    """Raise BadInput unless the codes of the clean queries are the stored ones, zeros included."""
    if made.packed.shape == stored.packed.shape and made.bits == stored.bits:
        differ = (made.packed ^ stored.packed) | (full_mask(made) ^ full_mask(stored))
        wrong = int(np.bitwise_count(differ).sum())
        if not wrong:
            return
        difference = f"{wrong} of {made.n * made.bits} bits differ"
    else:
        difference = f"{made.n} codes of {made.bits} bits"
    raise BadInput(
        "is stale: its model.pt does not give its stored query codes again",
        expected=f"the {stored.n} codes of codes.npz",
        found=difference,
        next_step="the code or the files changed, or another processor or number of threads made them; "
        "run the cell again with --rerun all, or perturb it where it was made",
    )


def _losses(table: np.ndarray) -> list[Loss]:
    """Return the loss of each condition from AP (queries, 1 + conditions), clean first, query by query."""
    lost = table[:, :1] - table[:, 1:]
    low, high = bootstrap_interval(lost, seed=SEED)
    means = lost.mean(axis=0)
    return [Loss(mean=float(m), low=float(a), high=float(b)) for m, a, b in zip(means, low, high, strict=True)]


def _maps(results: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    names = [*(f"map@{k}" for k in KS), "map"]
    return {preset: {name: result.metrics[name] for name in names} for preset, result in results.items()}
