"""Every method that trains in epochs, measured after each of them: equal weights, and a choice that survives a kill."""

import pytest
import torch

from benchmark import registry
from benchmark.artefacts import ArtefactStore
from benchmark.checkpoint import CheckpointFile
from benchmark.encoding import encode_split
from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.protocol import PRESETS
from benchmark.method import Run
from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions
from benchmark.watch import Watch
from tests.conformance.test_methods import data, fresh
from tests.engine.test_training import DyingCheckpoint, Killed
from tests.engine.toys import equal

BITS, EPOCHS = 16, 3
TRAINED = [name for name in registry.methods() if registry.load_method(name).trained_in_epochs]


def measure(method):
    train, queries, train_labels, query_labels = data()
    codes = encode_split(method, queries), encode_split(method, train)
    return {name: found.metrics for name, found in evaluate(*codes, query_labels, train_labels, PRESETS).items()}


def fitted(name, watch, folder, checkpoint=None):
    method = fresh(name, BITS, epochs=EPOCHS)
    artefacts = ArtefactStore(folder / "artefacts")
    cpu = torch.device("cpu")
    run = Run(seed=0, device=cpu, epochs=EPOCHS, artefacts=artefacts, watch=watch, checkpoint=checkpoint)
    method = type(method)(BITS, method.shape, method.config, run)
    method.prepare(data()[0])
    method.fit(data()[0])
    return method


@pytest.mark.parametrize("name", TRAINED)
def test_measuring_after_each_epoch_moves_no_weight_and_no_loss(name, tmp_path):
    plain = fitted(name, None, tmp_path / "plain")
    watch = Watch(RunOptions(curve=Curve(every=1)), measure)
    watched = fitted(name, watch, tmp_path / "watched")
    assert equal(plain.state(), watched.state())
    losses = [[stage["losses"] for stage in method.run.history] for method in (plain, watched)]
    assert losses[0] == losses[1]
    assert [point["epoch"] for point in watch.points] == [1, 2, 3]
    assert watch.points[-1]["metrics"] == measure(watched)


@pytest.mark.parametrize("name", TRAINED)
def test_a_choice_that_was_killed_and_resumed_is_the_same(name, tmp_path):
    options = RunOptions(selection="test")
    whole = Watch(options, measure)
    expected = fitted(name, whole, tmp_path)
    path = tmp_path / "checkpoint.pt"
    stages = len(expected.run.history)
    with pytest.raises(Killed):
        fitted(name, Watch(options, measure), tmp_path, DyingCheckpoint(path, "k", EPOCHS * (stages - 1) + 2))
    again = Watch(options, measure)
    resumed = fitted(name, again, tmp_path, CheckpointFile(path, "k"))
    assert resumed.run.resumed == EPOCHS * (stages - 1) + 2
    assert again.candidates == whole.candidates and again.last == whole.last
    assert again.best["epoch"] == whole.best["epoch"] and equal(expected.state(), resumed.state())
    assert measure(resumed)["field"]["map@20"] == whole.best["value"]
