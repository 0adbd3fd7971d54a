"""The gradient loop: seeds, checkpoints, exact resume, schedules, budgets."""

import numpy as np
import pytest
import torch

from benchmark.compute.prefetch import Ahead
from benchmark.errors import BadInput, TrainingDiverged
from benchmark.files.tensors import load_tensors, save_tensors
from benchmark.interfaces.run import Run
from benchmark.records.options import RunOptions
from benchmark.training import loop
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from benchmark.training.stage import FRESH, Start, planned_stages, step_decay
from tests.support.toys import SHAPE, DyingCheckpoint, Killed, Toy, ToyConfig, equal, toy, toy_videos, trained

RUN = Run(seed=3, device=torch.device("cpu"))


def test_same_seed_same_weights_and_another_seed_others():
    (one, _), (two, _) = trained(), trained()
    assert equal(one.state(), two.state())
    other, _ = trained(run=Run(seed=4, device=torch.device("cpu")))
    assert not equal(one.state(), other.state())


def test_fit_alone_trains_as_the_loop_does_with_an_empty_session():
    method = toy()
    method.fit(toy_videos())
    assert equal(method.state(), trained()[0].state()) and not method.module.training


def test_a_trained_method_with_a_fit_of_its_own_is_refused():
    """The engine would never call it: it runs the loop with the cell's session."""
    with pytest.raises(TypeError, match="Stubborn: the fit of a TrainedMethod is the shared loop"):
        type("Stubborn", (Toy,), {"fit": lambda self, train: None})


@pytest.mark.parametrize("writes", [1, 2, 3, 5, 6])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, writes):
    """Six epochs in two stages: a kill inside either, between both (2), and after the last (6)."""
    whole, uninterrupted = trained()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        trained(Session(checkpoint=DyingCheckpoint(path, "k", writes)))
    torch.manual_seed(99)
    resumed, session = trained(Session(checkpoint=CheckpointFile(path, "k")))
    assert session.resumed == writes
    assert equal(whole.state(), resumed.state())
    losses = [stage.losses for stage in session.history]
    assert losses == [stage.losses for stage in uninterrupted.history]
    assert [len(stage.losses["total"]) for stage in session.history] == [2, 4]


def test_a_stage_is_told_what_was_trained_before_it(tmp_path):
    starts = []

    class Told(Toy):
        def begin_stage(self, stage, train, start=FRESH):
            starts.append((stage.name, start))

    def run(checkpoint):
        loop.train(
            Told(4, SHAPE, ToyConfig(), RUN), toy_videos(), Session(options=RunOptions(epochs=3), checkpoint=checkpoint)
        )

    path = tmp_path / "checkpoint.pt"
    for writes in (2, 4):  # between the stages, and after two epochs of the main stage
        path.unlink(missing_ok=True)
        with pytest.raises(Killed):
            run(DyingCheckpoint(path, "k", writes))
        run(CheckpointFile(path, "k"))
    whole = [("first", Start(0, 0)), ("main", Start(2, 0))]
    assert starts == [whole[0], whole[1], *whole, ("main", Start(2, 2))]


def test_the_checkpoint_is_plain_data(tmp_path):
    """The format of checkpoints of before the history had types; they are continued."""
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        trained(Session(checkpoint=DyingCheckpoint(path, "k", 3)))
    stored = load_tensors(path)
    assert set(stored) == {"stage", "epoch", "history", "state", "optimiser", "key"}
    keys = {"name", "epochs", "steps", "seconds", "waited", "losses"}
    assert [type(entry) for entry in stored["history"]] == [dict, dict] and set(stored["history"][0]) == keys
    for entry in stored["history"]:
        del entry["waited"]
    save_tensors(path, stored)
    assert equal(trained(Session(checkpoint=CheckpointFile(path, "k")))[0].state(), trained()[0].state())


def test_checkpoint_of_another_key_or_a_damaged_one_is_ignored(tmp_path):
    path = tmp_path / "checkpoint.pt"
    CheckpointFile(path, "a").write({"stage": 1})
    assert CheckpointFile(path, "b").read() is None
    assert CheckpointFile(path, "a").read()["stage"] == 1
    path.write_bytes(path.read_bytes()[:100])
    assert CheckpointFile(path, "a").read() is None


def test_nan_names_term_stage_epoch_and_step_and_keeps_the_checkpoint(tmp_path):
    checkpoint = CheckpointFile(tmp_path / "c.pt", "k")
    with pytest.raises(TrainingDiverged, match=r"'total' became nan in stage 'main', epoch 2 of 4, step 1"):
        trained(Session(checkpoint=checkpoint), explode_at=1)
    assert (checkpoint.read()["stage"], checkpoint.read()["epoch"]) == (1, 1)


def test_epoch_budget_replaces_the_main_stage_and_caps_the_others():
    def epochs(budget):
        return [stage.epochs for stage in planned_stages(toy(warm_up=3, epochs=4).stages(), budget)]

    assert epochs(None) == [3, 4]
    assert epochs(2) == [2, 2]
    assert epochs(10) == [3, 10]


def test_every_video_is_seen_once_an_epoch_in_an_order_of_its_own():
    method = toy(warm_up=0, epochs=2)
    seen = []
    original = method.batch
    method.batch = lambda train, rows, stage, draws: seen.append(rows) or original(train, rows, stage, draws)
    method.fit(toy_videos())
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    assert sorted(first) == sorted(second) == list(range(50))
    assert not np.array_equal(first, second)
    assert [len(rows) for rows in seen] == [16, 16, 16, 2] * 2


def test_logged_loss_is_the_mean_over_videos():
    method = toy(warm_up=0, epochs=1)
    values = []
    original = method.loss
    method.loss = lambda batch, stage: values.append((len(batch["x"]), original(batch, stage))) or values[-1][1]
    session = Session()
    loop.train(method, toy_videos(), session)
    expected = sum(n * float(loss["total"].detach()) for n, loss in values) / 50
    assert session.history[-1].losses["total"][0] == pytest.approx(expected, rel=1e-6)
    assert session.history[-1].steps == 4


def test_step_decay_with_floor():
    rate = step_decay(1e-4, 0.9, 20, 1e-5)
    assert rate(19) == 1e-4 and rate(20) == pytest.approx(9e-5)
    assert rate(439) > 1e-5 and rate(440) == 1e-5


def test_an_error_in_the_prefetch_thread_reaches_the_loop():
    def make(rows):
        if rows[0] == 1:
            raise RuntimeError("bad chunk")
        return {"x": torch.zeros(1)}

    batches = iter(Ahead(make, [np.array([0]), np.array([1])]))
    next(batches)
    with pytest.raises(RuntimeError, match="bad chunk"):
        next(batches)


def test_checkpoints_are_never_unpickled(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"state": ToyConfig()}, path)
    with pytest.raises(BadInput, match="is not unpickled"):
        load_tensors(path)
    with pytest.raises(BadInput, match="no such checkpoint file"):
        load_tensors(tmp_path / "absent.pt")
    path.write_text("text")
    with pytest.raises(BadInput, match="is no checkpoint"):
        load_tensors(path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(BadInput, match="expected a dict of tensors, found list"):
        load_tensors(path)
    save_tensors(path, {"a": torch.ones(2)})
    assert torch.equal(load_tensors(path)["a"], torch.ones(2))


def test_weights_do_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    first = toy().state()
    torch.manual_seed(2)
    assert equal(first, toy().state())
    assert toy().shape == SHAPE
