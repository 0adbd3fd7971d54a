"""Every method that trains in epochs, measured after each of them: equal weights, and a choice that survives a kill."""

import pytest

from benchmark.catalogue import registry
from benchmark.compute.encoding import encode_split
from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.protocol import PRESETS
from benchmark.files.artefacts import ArtefactStore
from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from benchmark.training.watch import Watch
from tests.support.guests import data, fit, fresh
from tests.support.toys import DyingCheckpoint, Killed, equal

BITS, EPOCHS = 16, 3
TRAINED = [name for name in registry.methods() if registry.load_method(name).trained_in_epochs]


def measure(method):
    train, queries, train_labels, query_labels = data()
    codes = encode_split(method, queries), encode_split(method, train)
    results = evaluate(*codes, query_labels, train_labels, PRESETS)
    return {
        name: {key: value for key, value in result.metrics.items() if key.startswith("map")}
        for name, result in results.items()
    }


def fitted(name, watch, folder, checkpoint=None):
    session = Session(options=RunOptions(epochs=EPOCHS), watch=watch, checkpoint=checkpoint)
    method = fresh(name, BITS, artefacts=ArtefactStore(folder / "artefacts"))
    return fit(method, session), session


@pytest.mark.parametrize("name", TRAINED)
def test_measuring_after_each_epoch_moves_no_weight_and_no_loss(name, tmp_path):
    plain, without = fitted(name, None, tmp_path / "plain")
    watch = Watch(RunOptions(curve=Curve(every=1)), measure)
    watched, session = fitted(name, watch, tmp_path / "watched")
    assert equal(plain.state(), watched.state())
    assert [stage.losses for stage in session.history] == [stage.losses for stage in without.history]
    assert [point.epoch for point in watch.points] == [1, 2, 3]
    assert watch.points[-1].metrics == measure(watched)


@pytest.mark.parametrize("name", TRAINED)
def test_a_choice_that_was_killed_and_resumed_is_the_same(name, tmp_path):
    options = RunOptions(selection="test")
    whole = Watch(options, measure)
    expected, uninterrupted = fitted(name, whole, tmp_path)
    path = tmp_path / "checkpoint.pt"
    stages = len(uninterrupted.history)
    with pytest.raises(Killed):
        fitted(name, Watch(options, measure), tmp_path, DyingCheckpoint(path, "k", EPOCHS * (stages - 1) + 2))
    again = Watch(options, measure)
    resumed, session = fitted(name, again, tmp_path, CheckpointFile(path, "k"))
    assert session.resumed == EPOCHS * (stages - 1) + 2
    assert again.candidates == whole.candidates and again.last == whole.last
    assert again.best.epoch == whole.best.epoch and equal(expected.state(), resumed.state())
    assert measure(resumed)["field"]["map@20"] == whole.best.value
