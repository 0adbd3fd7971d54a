"""The watch of a cell: the videos that it trains on, and who measures its codes on which data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.cells import validation
from benchmark.compute.encoding import encode_split
from benchmark.compute.machine import accelerator
from benchmark.evaluation.evaluator import KS, evaluate
from benchmark.evaluation.protocol import FIELD, PRESETS, STRICT
from benchmark.interfaces.videos import RowVideos
from benchmark.records.options import VALIDATION
from benchmark.records.training import Selection
from benchmark.training.watch import CUT, Maps, Watch

if TYPE_CHECKING:
    from benchmark.cells.cell import Cell
    from benchmark.interfaces.videos import Videos
    from benchmark.training.stage import Trainable


@dataclass(frozen=True)
class Watched:
    """What a cell is trained on, and who watches: ``watch`` is None where the last epoch is the result, unwatched."""

    train: Videos
    watch: Watch | None = None
    part: validation.Slice | None = None

    def selection(self) -> Selection | None:
        """Return how the result's epoch was chosen, for the record; None where it is the last one."""
        watch = self.watch
        if watch is None or not watch.options.selects:
            return None
        return Selection(
            on=watch.options.selection,
            by=f"map@{CUT}, {STRICT if watch.judge else FIELD} protocol",
            every=watch.options.eval_every,
            epoch=None if watch.best is None else watch.best.epoch,
            candidates=watch.candidates,
            last=watch.last,
            slice=None if self.part is None else self.part.described(),
        )


def watched(cell: Cell) -> Watched:
    """Return the training videos of a cell, less those held out for selection, and its watch; raises BadInput."""
    options, dataset = cell.options, cell.dataset
    train = dataset.split("train")
    if not (options.selects or options.curve):
        return Watched(train)
    if options.selection != VALIDATION:
        return Watched(train, Watch(options, _on_test(cell)))
    part = validation.carve(dataset)
    watch = Watch(options, _on_test(cell), _on_slice(train, part))
    return Watched(validation.training_part(dataset, part), watch, part)


def _on_test(cell: Cell) -> Callable[[Trainable], Maps]:
    dataset = cell.dataset
    labels = {name: dataset.labels(name) for name in ("database", "query")}

    def measure(method: Trainable) -> Maps:
        database = encode_split(method, dataset.split("database"))
        query = database if dataset.self_retrieval else encode_split(method, dataset.split("query"))
        results = evaluate(
            query,
            database,
            labels["query"],
            labels["database"],
            cell.protocols,
            ks=KS,
            self_retrieval=dataset.self_retrieval,
            device=accelerator(method.run.device),
        )
        return {
            name: {key: value for key, value in result.metrics.items() if key.startswith("map")}
            for name, result in results.items()
        }

    return measure


def _on_slice(train: Videos, part: validation.Slice) -> Callable[[Trainable], float]:
    labels = validation.pseudo_labels(train, part)
    queries, database = RowVideos(train, part.queries), RowVideos(train, part.database)

    def judge(method: Trainable) -> float:
        codes = encode_split(method, queries), encode_split(method, database)
        place = accelerator(method.run.device)
        results = evaluate(
            *codes, labels["query"], labels["database"], {STRICT: PRESETS[STRICT]}, ks=(CUT,), device=place
        )
        return float(results[STRICT].metrics[f"map@{CUT}"])

    return judge
