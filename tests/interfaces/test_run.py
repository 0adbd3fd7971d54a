"""What a method is lent: it works, and nothing that a method holds leads to what no method may see."""

from __future__ import annotations

import copy
import functools
import types
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.catalogue import registry
from benchmark.cells import plan
from benchmark.cells.measure import Settings
from benchmark.cells.plan import Choice
from benchmark.cells.runner import run_cell
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.dataset import Dataset, Roots
from benchmark.interfaces.lent_videos import LentVideos
from benchmark.interfaces.method import Method
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import MemoryVideos, Videos
from benchmark.progress import Progress
from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from benchmark.training.watch import Watch
from tests.support.toys import Toy

DEPTH = 12
"""Steps from the method: more than twice as many as lead to the end of all that the methods here hold."""
HIDDEN = (PurePath, CheckpointFile, Watch, Session, ArtefactStore, Dataset, Progress)
CPU = torch.device("cpu")


def neighbours(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object leads to by attributes, slots, items, closures, defaults and bound objects.

    Left out, since they lead from everything to everything: modules, the globals of a function, classes and their
    attributes, frames of the call stack, and the garbage collector's list of objects.
    """
    if isinstance(item, Mapping):
        for key, value in item.items():
            yield f"[key {key!r}]", key
            yield f"[{key!r}]", value
    elif isinstance(item, list | tuple | set | frozenset | deque):
        for place, value in enumerate(item):
            yield f"[{place}]", value
    if isinstance(item, types.FunctionType):
        for name, cell in zip(item.__code__.co_freevars, item.__closure__ or (), strict=True):
            yield f" closes over {name}", cell.cell_contents
        yield ".__defaults__", item.__defaults__
        yield ".__kwdefaults__", item.__kwdefaults__
    if isinstance(item, functools.partial):
        yield ".func", item.func
        yield ".args", item.args
        yield ".keywords", item.keywords
    if isinstance(item, types.GeneratorType) and item.gi_frame is not None:
        yield ".gi_frame.f_locals", item.gi_frame.f_locals
    for name in ("__self__", "__func__", "__wrapped__"):
        if hasattr(type(item), name) or name in getattr(item, "__dict__", ()):
            yield f".{name}", getattr(item, name)
    for name, value in dict(getattr(item, "__dict__", {})).items():
        yield f".{name}", value
    for cls in type(item).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(item, name):
                yield f".{name}", getattr(item, name)


def leads(start: Any, forbidden: Any) -> list[str]:
    """Return the way to each forbidden object within ``DEPTH`` steps of ``start``."""
    seen, found = {id(start)}, []
    todo = deque([("method", start, 0)])
    keep = [start]  # so that no id is used twice
    while todo:
        way, item, depth = todo.popleft()
        reason = forbidden(item)
        if reason:
            found.append(f"{way}: {reason}")
        if depth == DEPTH or isinstance(item, types.ModuleType | type | str | bytes | int | float):
            continue
        for step, value in neighbours(item):
            if id(value) not in seen:
                seen.add(id(value))
                keep.append(value)
                todo.append((way + step, value, depth + 1))
    return found


class Forbidden:
    """Recognises labels of test splits, their videos, paths and folders, and the engine's own objects."""

    def __init__(self, dataset: Dataset, folders: list[Path]) -> None:
        self.labels = [dataset.labels(name) for name in ("database", "query")]
        self.videos = {dataset.split(name).fingerprint: name for name in ("database", "query")}
        self.folders = [str(folder) for folder in folders]

    def __call__(self, item: Any) -> str:
        if isinstance(item, HIDDEN):
            return type(item).__name__
        if isinstance(item, str) and any(folder in item for folder in self.folders):
            return f"the path {item}"
        if isinstance(item, Videos) and item.fingerprint in self.videos:
            return f"the split {self.videos[item.fingerprint]}"
        array = item.numpy() if isinstance(item, torch.Tensor) and item.dtype == torch.uint8 else item
        if isinstance(array, np.ndarray) and any(np.array_equal(array, labels) for labels in self.labels):
            return "labels"
        return ""


class Curious(Toy):
    """A method that keeps all that it is handed, and looks around at every step."""

    forbidden: Forbidden
    ways: set[str]
    places: set[str]

    def look(self, place: str) -> None:
        type(self).places.add(place)
        type(self).ways.update(leads(self, self.forbidden))

    def prepare(self, train):
        self.kept = [train, self.run, self.run.artefact, self.run.log, self.run.phase, self.run.advance]
        self.arrays = self.run.artefact("curious", lambda: {"n": np.array(len(train))}, of=train)
        self.run.phase("curious", len(train))
        self.run.advance(len(train))
        self.look("prepare")

    def begin_stage(self, stage, train, start=None):
        self.kept += [stage, train, start]
        self.look("begin_stage")

    def begin_epoch(self, stage, epoch):
        super().begin_epoch(stage, epoch)
        self.look("begin_epoch")

    def batch(self, train, rows, stage, draws):
        self.kept += [train, draws]
        self.look("batch")
        return super().batch(train, rows, stage, draws)

    def loss(self, batch, stage):
        self.look("loss")
        return super().loss(batch, stage)

    def encode(self, frames):
        self.look("encode")
        return super().encode(frames)


class Closed(Method):
    """A method that is fitted at once, and looks around while it is."""

    title, paper = "Closed", "none"
    forbidden: Forbidden
    ways: set[str]

    def fit(self, train):
        self.train = train
        type(self).ways.update(leads(self, self.forbidden))

    def encode(self, frames):
        return frames.mean(1)[:, : self.bits]

    def state(self):
        return {"none": torch.zeros(1)}

    def load(self, state):
        pass


def run_through_the_engine(cls, tiny, tmp_path, config, options):
    roots = Roots(tmp_path / "data", tmp_path / "cache")
    dataset = registry.open_dataset(str(tiny), roots)
    cls.forbidden = Forbidden(dataset, [tmp_path, tiny])
    cls.ways, cls.places = set(), set()
    choice = Choice("lsh", cls, "default")  # a method of the checkout, whose file stands for the class's here
    (cell,) = plan.cells([choice], [(str(tiny), dataset)], [4], [0], {"lsh": config}, options)
    done = run_cell(cell, Settings(tmp_path / "results", roots.cache, CPU, show_progress=False))
    assert done.status == "done", done.failure
    return done


def test_no_attribute_of_a_trained_method_leads_to_labels_paths_or_queries(tiny, tmp_path):
    """While it is prepared, trained and watched on the test queries. Frames to encode are handed to it, and are all."""
    watched = RunOptions(selection="test", curve=Curve(every=1))
    done = run_through_the_engine(Curious, tiny, tmp_path, {"epochs": 2, "warm_up": 1}, watched)
    assert Curious.places == {"prepare", "begin_stage", "begin_epoch", "batch", "loss", "encode"}
    assert [point.epoch for point in done.training.curve] == [1, 2] and done.selection.epoch
    assert Curious.ways == set()


def test_no_attribute_of_another_method_leads_there_either(tiny, tmp_path):
    run_through_the_engine(Closed, tiny, tmp_path, {}, RunOptions())
    assert Closed.ways == set()


class Slotted:
    __slots__ = ("inside",)

    def __init__(self, inside):
        self.inside = inside

    def call(self):
        pass


def hide(value, how):
    """Put an object where a careless engine might leave it."""
    if how == "closure":
        return lambda: value
    if how == "default":
        return lambda inside=value: inside
    if how == "generator":
        return (value for _ in range(1))
    ways = {
        "attribute": types.SimpleNamespace(inside={"here": [value]}),
        "bound method": Slotted(value).call,
        "partial": functools.partial(print, value),
        "wrapped": functools.lru_cache(lambda: value),
        "key": {(value if value.__hash__ else "no key"): value},
    }
    return ways[how]


@pytest.mark.parametrize(
    "how", ["closure", "default", "generator", "attribute", "bound method", "partial", "wrapped", "key"]
)
def test_the_walk_finds_what_is_planted(tiny, tmp_path, how):
    dataset = registry.open_dataset(str(tiny), Roots(tmp_path / "data", tmp_path / "cache"))
    forbidden = Forbidden(dataset, [tmp_path, tiny])
    method = Toy(4, dataset.shape, Toy.Config(), Run(0, CPU))
    assert leads(method, forbidden) == []
    planted = {
        "labels": dataset.labels("query"),
        "the split query": dataset.split("query"),
        "PosixPath": tmp_path / "results",
        "the path": str(tmp_path / "results"),
        "Watch": Watch(RunOptions(), lambda method: {}),
        "ArtefactStore": ArtefactStore(Path("cache")),
    }
    for reason, value in planted.items():
        method.planted = hide(value, how)
        assert any(reason in way for way in leads(method, forbidden)), reason


def test_artefacts_progress_and_scalars_reach_the_engine(tmp_path):
    shown: list[Any] = []
    videos = MemoryVideos(np.zeros((3, 2, 4), np.float32))
    run = Run(
        0,
        CPU,
        artefacts=ArtefactStore(tmp_path),
        advance=shown.append,
        phase=lambda name, total: shown.append((name, total)),
    )
    made: list[int] = []
    for _ in range(2):
        run.artefact("sum", lambda: {"sum": np.array(made.append(1) or 7)}, of=videos, power=2)
    assert len(made) == 1 and len(list(tmp_path.glob("sum-*.npz"))) == 1
    run.phase("scenes", 3)
    run.advance(2)
    run.log(share=np.float32(0.5))
    assert shown == [("scenes", 3), 2] and run.scalars == {"share": 0.5}


def test_a_run_alone_makes_artefacts_anew_and_shows_nothing(tmp_path):
    videos = MemoryVideos(np.zeros((3, 2, 4), np.float32))
    lent = Run(0, CPU, artefacts=ArtefactStore(tmp_path))
    for run in (Run(0, CPU), copy.copy(lent)):
        assert run.artefact("sum", lambda: {"sum": np.array(7)}, of=videos)["sum"] == 7
        run.phase("scenes", 3)
        run.advance(3)
    assert not list(tmp_path.iterdir())


def test_lent_videos_are_read_as_those_they_were_made_from(tiny, tmp_path):
    train = registry.open_dataset(str(tiny), Roots(tmp_path / "data", tmp_path / "cache")).split("train")
    lent = LentVideos(train)
    rows = np.array([5, 0, 7, 5])
    assert torch.equal(lent.take(rows), train.take(rows))
    assert torch.equal(lent.take(rows, np.zeros(4, int)), train.take(rows, np.zeros(4, int)))
    assert torch.equal(lent.take_frames(rows, np.array([1, 2, 3, 4])), train.take_frames(rows, np.array([1, 2, 3, 4])))
    assert list(lent.spans(50)) == list(train.spans(50))
    for name in ("shape", "views", "stored", "fingerprint", "stamp", "disk_bytes"):
        assert getattr(lent, name) == getattr(train, name), name
    assert len(lent) == len(train)
    with pytest.raises(IndexError):
        lent.take(np.array([len(train)]))
