"""Watching and ending a training: what is chosen, what never moves, and what a kill does not change."""

import numpy as np
import pytest
import torch

from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions
from benchmark.records.training import StageHistory
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.history import cut_short, ran_out, trained_seconds
from benchmark.training.session import Session
from benchmark.training.stage import planned_stages
from benchmark.training.watch import Watch
from tests.support.toys import DyingCheckpoint, Killed, equal, toy, trained

VALUES = {1: 0.3, 2: 0.7, 3: 0.7, 4: 0.1}
"""What the judge of these tests says of each epoch: the second is the first of the best two."""


class Spoilt(Watch):
    """A watch that, like a careless method, draws from the global generator while it measures."""

    def __init__(self, **options):
        self.seen, self.states = [], {}

        def measure(method):
            torch.rand(7)
            assert not method.module.training
            self.seen.append(method.now[1] + 1)
            self.states[method.now[1] + 1] = {name: value.clone() for name, value in method.state().items()}
            return {"field": {"map@20": VALUES[method.now[1] + 1]}, "strict": {"map@20": 0.0}}

        super().__init__(RunOptions(**options), measure)


def test_a_curve_changes_no_weight_no_loss_and_no_random_stream():
    plain, without = trained()
    watch = Spoilt(curve=Curve(every=1))
    watched, session = trained(Session(watch=watch))
    assert watch.seen == [1, 2, 3, 4]
    assert equal(plain.state(), watched.state())
    assert [stage.losses for stage in session.history] == [stage.losses for stage in without.history]
    assert watch.best is None and not watched.module.training


def test_points_lie_at_the_epochs_asked_for_and_at_the_last():
    watch = Spoilt(curve=Curve(at=(1, 9)))
    trained(Session(watch=watch))
    assert [point.epoch for point in watch.points] == [1, 4]
    assert [point.metrics["field"]["map@20"] for point in watch.points] == [0.3, 0.1]
    assert watch.points[0].seconds < watch.points[1].seconds
    watch = Spoilt(curve=Curve(at=(1,), every=2))
    trained(Session(watch=watch))
    assert [point.epoch for point in watch.points] == [1, 2, 4]


def test_the_weights_of_the_first_best_epoch_are_kept_and_the_last_is_measured():
    watch = Spoilt(selection="test")
    method, _ = trained(Session(watch=watch))
    assert [item.epoch for item in watch.candidates] == [1, 2, 3, 4]
    assert watch.best.epoch == 2 and watch.last.epoch == 4
    assert watch.last.metrics["field"]["map@20"] == 0.1
    assert equal(method.state(), watch.states[2]) and not equal(method.state(), watch.states[4])
    assert equal(trained()[0].state(), watch.states[4])


def test_candidates_are_every_so_many_epochs_and_the_last():
    watch = Spoilt(selection="test", eval_every=3)
    trained(Session(watch=watch))
    assert [item.epoch for item in watch.candidates] == [3, 4]


def test_a_judge_decides_without_the_test_queries():
    """Test queries are measured once, after the last epoch, to say what the choice gained."""
    watch = Spoilt(selection="validation")
    watch.judge = lambda method: 1.0 if method.now[1] == 0 else 0.5
    method, _ = trained(Session(watch=watch))
    assert watch.best.epoch == 1 and watch.seen == [4]
    plain = Spoilt(curve=Curve(every=1))
    trained(Session(watch=plain))
    assert equal(method.state(), plain.states[1])


@pytest.mark.parametrize("writes", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    "options", [{"selection": "test"}, {"selection": "test", "eval_every": 2, "curve": Curve(at=(1, 3))}]
)
def test_killed_and_resumed_chooses_and_measures_alike(tmp_path, writes, options):
    whole = Spoilt(**options)
    expected, _ = trained(Session(watch=whole))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        trained(Session(watch=Spoilt(**options), checkpoint=DyingCheckpoint(path, "k", writes)))
    again = Spoilt(**options)
    resumed, _ = trained(Session(watch=again, checkpoint=CheckpointFile(path, "k")))
    assert equal(expected.state(), resumed.state())
    assert again.candidates == whole.candidates and again.last == whole.last
    assert [(p.epoch, p.metrics) for p in again.points] == [(p.epoch, p.metrics) for p in whole.points]
    assert len(again.seen) == len([epoch for epoch in whole.seen if epoch > writes - 2])


def test_a_budget_of_time_ends_training_after_the_epoch_in_which_it_ran_out():
    method, session = trained(Session(options=RunOptions(seconds=1e-9)), warm_up=0)
    assert session.stopped_by == "time"
    (stage,) = [stage for stage in session.history if stage.name == "main"]
    assert (stage.epochs, stage.planned, len(stage.losses["total"])) == (1, 4, 1)
    first = Spoilt(curve=Curve(every=1))
    trained(Session(watch=first), warm_up=0)
    assert equal(method.state(), first.states[1])


def test_a_budget_that_suffices_changes_nothing_and_claims_the_whole_schedule():
    method, session = trained(Session(options=RunOptions(seconds=1e6)))
    assert session.stopped_by == ""
    assert equal(method.state(), trained()[0].state())
    assert all(stage.planned is None and "planned" not in stage.model_dump() for stage in session.history)


def test_a_budget_that_ran_out_in_an_early_stage_begins_no_other():
    _, session = trained(Session(options=RunOptions(seconds=1e-9)))
    assert [(stage.name, stage.epochs, stage.planned) for stage in session.history] == [("first", 1, 2), ("main", 0, 4)]


def test_selection_takes_the_epoch_at_which_time_ran_out_as_the_last():
    watch = Spoilt(selection="test", eval_every=3, curve=Curve(at=(3,)))
    trained(Session(options=RunOptions(seconds=1e-9), watch=watch), warm_up=0)
    assert watch.best.epoch == watch.last.epoch == 1
    assert [point.epoch for point in watch.points] == [1]


def test_time_before_a_resume_counts(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        trained(Session(options=RunOptions(seconds=1e6), checkpoint=DyingCheckpoint(path, "k", 3)))
    stored = CheckpointFile(path, "k").read()
    stored["history"][0]["seconds"] = 1000.0
    CheckpointFile(path, "k").write(stored)
    _, session = trained(Session(options=RunOptions(seconds=1000.0), checkpoint=CheckpointFile(path, "k")))
    assert session.stopped_by == "time" and session.history[-1].epochs == 2
    assert session.resumed == 3


def test_killed_after_time_ran_out_and_resumed_trains_no_more(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        trained(Session(options=RunOptions(seconds=1e-9), checkpoint=DyingCheckpoint(path, "k", 1)))
    _, session = trained(Session(options=RunOptions(seconds=1e-9), checkpoint=CheckpointFile(path, "k")))
    assert session.stopped_by == "time" and session.resumed == 1
    assert [stage.epochs for stage in session.history] == [1, 0]


def test_history_of_a_training_cut_at_the_end_of_a_stage():
    history = [StageHistory(name="a", epochs=2, seconds=1.5)]
    stages = planned_stages(toy(warm_up=2, epochs=3).stages(), None)
    assert ran_out(history, 1.5) and not ran_out(history, 1.6) and not ran_out(history, None)
    cut_short(history, 2, stages)
    assert history[0].planned is None
    assert (history[1].epochs, history[1].planned) == (0, 3)
    assert np.isclose(trained_seconds(history), 1.5)
