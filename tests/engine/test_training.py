import numpy as np
import pytest
import torch

from benchmark.checkpoint import CheckpointFile
from benchmark.errors import BadInput, TrainingDiverged
from benchmark.files.tensors import load_tensors, save_tensors
from benchmark.method import Run
from benchmark.prefetch import Ahead
from benchmark.training import step_decay
from tests.engine.toys import SHAPE, ToyConfig, equal, toy, toy_videos


def fitted(run=None, **config):
    method = toy(run, **config)
    method.fit(toy_videos())
    return method


class Killed(Exception):
    pass


class DyingCheckpoint(CheckpointFile):
    """Stands for a process that is killed right after its n-th checkpoint."""

    def __init__(self, path, key, writes):
        super().__init__(path, key)
        self.left = writes

    def write(self, value):
        super().write(value)
        self.left -= 1
        if not self.left:
            raise Killed


def test_same_seed_same_weights_and_another_seed_others():
    assert equal(fitted().state(), fitted().state())
    other = Run(seed=4, device=torch.device("cpu"))
    assert not equal(fitted().state(), fitted(other).state())


@pytest.mark.parametrize("writes", [1, 2, 3, 5, 6])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, writes):
    """Six epochs in two stages: a kill inside either, between both (2), and after the last (6)."""
    whole = fitted()
    path = tmp_path / "checkpoint.pt"
    cpu = torch.device("cpu")
    with pytest.raises(Killed):
        fitted(Run(seed=3, device=cpu, checkpoint=DyingCheckpoint(path, "k", writes)))
    run = Run(seed=3, device=cpu, checkpoint=CheckpointFile(path, "k"))
    torch.manual_seed(99)
    resumed = fitted(run)
    assert run.resumed == writes
    assert equal(whole.state(), resumed.state())
    losses = [stage["losses"] for stage in run.history]
    assert losses == [stage["losses"] for stage in whole.run.history]
    assert [len(stage["losses"]["total"]) for stage in run.history] == [2, 4]


def test_checkpoint_of_another_key_or_a_damaged_one_is_ignored(tmp_path):
    path = tmp_path / "checkpoint.pt"
    CheckpointFile(path, "a").write({"stage": 1})
    assert CheckpointFile(path, "b").read() is None
    assert CheckpointFile(path, "a").read()["stage"] == 1
    path.write_bytes(path.read_bytes()[:100])
    assert CheckpointFile(path, "a").read() is None


def test_nan_names_term_stage_epoch_and_step_and_keeps_the_checkpoint(tmp_path):
    checkpoint = CheckpointFile(tmp_path / "c.pt", "k")
    run = Run(seed=3, device=torch.device("cpu"), checkpoint=checkpoint)
    with pytest.raises(TrainingDiverged, match=r"'total' became nan in stage 'main', epoch 2 of 4, step 1"):
        fitted(run, explode_at=1)
    assert (checkpoint.read()["stage"], checkpoint.read()["epoch"]) == (1, 1)


def test_epoch_budget_replaces_the_main_stage_and_caps_the_others():
    def epochs(budget):
        method = toy(Run(seed=0, device=torch.device("cpu"), epochs=budget), warm_up=3, epochs=4)
        return [stage.epochs for stage in method.planned_stages()]

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
    method.fit(toy_videos())
    expected = sum(n * float(loss["total"].detach()) for n, loss in values) / 50
    assert method.run.history[-1]["losses"]["total"][0] == pytest.approx(expected, rel=1e-6)
    assert method.run.history[-1]["steps"] == 4


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
    with pytest.raises(BadInput, match="it is not unpickled"):
        load_tensors(path)
    with pytest.raises(BadInput, match="no such checkpoint file"):
        load_tensors(tmp_path / "absent.pt")
    path.write_text("text")
    with pytest.raises(BadInput, match=r"not unpickled|damaged"):
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
