"""BTH's corruption, pairs, losses, stages, resume and presets."""

import numpy as np
import pytest
import torch

from benchmark.errors import BadInput
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records.options import RunOptions
from benchmark.seeds import Draws
from benchmark.training import loop
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from benchmark.training.stage import Start
from methods.bth import BTH, PRETRAIN, TRAIN, BTHConfig
from methods.parts.bert import Norm
from methods.parts.corruption import corrupt

CPU = torch.device("cpu")
SHAPE = FrameShape(5, 10)
TINY = {"width": 16, "batch_size": 32, "anchors": 12, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def train():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 10))
    classes = rng.integers(6, size=96)
    frames = np.maximum(centres[classes][:, None] + 0.4 * rng.normal(size=(96, 5, 10)), 0) + 0.01
    return MemoryVideos(frames.astype(np.float32))


def make(bits=8, run=None, **config):
    return BTH(bits, SHAPE, BTHConfig(**{**TINY, **config}), run or Run(seed=0, device=CPU))


def begun(train, **config):
    """A method at the start of its main stage."""
    method = make(**config)
    method.begin_stage(method.stages()[1], train)
    return method


def test_state_of_the_published_size():
    method = BTH(64, FrameShape(25, 4096), BTHConfig(), Run(seed=0, device=CPU))
    block = "bert.transformer_blocks.0."
    expected = {
        "bert.embedding.frame_map.weight": (256, 4096),
        "bert.embedding.frame_map.bias": (256,),
        **{f"{block}attention.linear_layers.{i}.weight": (256, 256) for i in range(3)},
        **{f"{block}attention.linear_layers.{i}.bias": (256,) for i in range(3)},
        f"{block}attention.output_linear.weight": (256, 256),
        f"{block}attention.output_linear.bias": (256,),
        f"{block}feed_forward.w_1.weight": (1024, 256),
        f"{block}feed_forward.w_1.bias": (1024,),
        f"{block}feed_forward.w_2.weight": (256, 1024),
        f"{block}feed_forward.w_2.bias": (256,),
        **{f"{block}{side}_sublayer.norm.{name}": (256,) for side in ("input", "output") for name in ("a_2", "b_2")},
        "restore.weight": (4096, 64),
        "restore.bias": (4096,),
        "binary.weight": (64, 256),
        "binary.bias": (64,),
    }
    assert {name: tuple(value.shape) for name, value in method.state().items()} == expected
    assert method.parameters_count() == 3_170_624 - 1_049_344


def test_schedule_and_presets():
    first, second = BTH(8, SHAPE, BTHConfig(**BTH.presets["fcvid"]), Run(seed=0, device=CPU)).stages()
    assert (first.name, second.name, second.epochs, second.batch_size) == (PRETRAIN, TRAIN, 56, 256)
    rates = [second.learning_rate(epoch) for epoch in (0, 19, 20, 40, 55, 10_000)]
    assert rates == pytest.approx([3e-4, 3e-4, 2.7e-4, 2.43e-4, 2.43e-4, 1e-4])
    assert next(iter(BTH.variants)) == "released"
    assert BTHConfig(**BTH.variants["released"]) == BTHConfig()


def test_corruption_rates(train):
    """Of all frames 12 % become zero and 1.5 % another frame of the training set."""
    rows = np.arange(96)
    whole = train.take(np.tile(rows, 60))
    frames = whole.clone()
    for epoch, part in enumerate(frames.split(96)):
        corrupt(part, rows, train, Draws(0, TRAIN, epoch), "video 1", 0.15)
    zero = (frames == 0).all(2)
    other = (frames != whole).any(2) & ~zero
    assert zero.float().mean() == pytest.approx(0.12, abs=0.006)
    assert other.float().mean() == pytest.approx(0.015, abs=0.003)
    legal = {frame.tobytes() for frame in train.take(np.arange(96)).flatten(0, 1).numpy()}
    assert {frame.tobytes() for frame in frames[other].numpy()} <= legal
    assert len({frame.tobytes() for frame in frames[other].numpy()}) > 200


@pytest.mark.parametrize("stage", [0, 1])
def test_a_batch_depends_on_epoch_and_video_only(train, stage):
    method = begun(train, target="clean")
    stage = method.stages()[stage]
    rows, few = np.arange(96), np.array([70, 3, 41])
    whole = method.batch(train, rows, stage, Draws(0, stage.name, 3))
    part = method.batch(train, few, stage, Draws(0, stage.name, 3))
    for name, value in part.items():
        places = np.concatenate([few, 96 + few]) if len(value) == 6 else few
        assert torch.equal(value, whole[name][places]), name
    later = method.batch(train, rows, stage, Draws(0, stage.name, 4))
    assert not torch.equal(later["frames"], whole["frames"])


def test_pairs_and_their_anchors(train):
    method = begun(train, target="clean")
    rows = np.arange(96)
    signs, every = [], train.take(rows)
    for epoch in range(20):
        batch = method.batch(train, rows, method.stages()[1], Draws(0, TRAIN, epoch))
        first, second = batch["target"].chunk(2)
        assert torch.equal(first, every)
        partners = (second[:, None] == every[None]).all(3).all(2).int().argmax(1).numpy()
        tags = method.graph.tag_of(rows, partners)
        expected = np.where(batch["sign"].numpy() > 0, 1, np.where(np.diff(method.graph.middle.start) > 0, 2, 0))
        assert np.array_equal(tags, expected)
        assert torch.equal(batch["latent"][96:], method.targets[partners])
        signs.append(batch["sign"])
    assert torch.stack(signs).mean() == pytest.approx(0, abs=0.08)


def test_in_the_released_reading_the_target_is_the_corrupted_input(train):
    rows = np.arange(96)
    released, paper = begun(train), begun(train, target="clean")
    for stage in released.stages():
        draws = Draws(0, stage.name, 0)
        one, two = released.batch(train, rows, stage, draws), paper.batch(train, rows, stage, draws)
        assert "target" not in one
        assert not torch.equal(two["target"], two["frames"])
        assert torch.equal(two["target"][:96], train.take(rows))
        one["target"] = one["frames"]
        assert released.loss(one, stage)["total"] == released.loss({**one, "target": one["frames"]}, stage)["total"]
    restored = released.module(one["frames"])[1]
    naive = ((restored - one["frames"]) ** 2).mean()
    assert released.loss(one, stage)["reconstruction"].item() == pytest.approx(naive.item(), rel=1e-6)


def test_losses_against_loops(train):
    method = begun(train, target="clean", dropout=0.0)
    method.module.double()
    batch = method.batch(train, np.arange(7), method.stages()[1], Draws(0, TRAIN, 0))
    batch = {name: value.double() for name, value in batch.items()}
    codes, restored, hidden = (value.detach().numpy() for value in method.module(batch["frames"]))
    found = {name: value.item() for name, value in method.loss(batch, method.stages()[1]).items()}
    sums = {"reconstruction": 0.0, "neighbour": 0.0, "anchor": 0.0}
    for i in range(7):
        for video in (i, 7 + i):
            gap = restored[video] - batch["target"][video].numpy()
            sums["reconstruction"] += (gap**2).sum() / (2 * 5 * 10 * 7)
            sums["anchor"] += ((hidden[video].mean(0) - batch["latent"][video].numpy()) ** 2).sum() / (16 * 7)
        similarity = codes[i].mean(0) @ codes[7 + i].mean(0) / 8
        sums["neighbour"] += (batch["sign"][i].item() - similarity) ** 2 / 7
    for name, value in sums.items():
        assert found[name] == pytest.approx(value, rel=1e-12)
    total = 0.92 * sums["reconstruction"] + 0.08 * sums["neighbour"] + 0.8 * sums["anchor"]
    assert found["total"] == pytest.approx(total, rel=1e-12)


def test_the_main_stage_starts_anew_from_targets_of_the_first(train):
    run = Run(seed=0, device=CPU)
    method = make(run=run, pretrain_epochs=3)
    fresh = {name: value.clone() for name, value in method.state().items()}
    with torch.no_grad():
        method.module.binary.bias += 1
        method.module.bert.embedding.frame_map.weight *= 2
    pretrained = {name: value.clone() for name, value in method.state().items()}
    latent = method.module.eval().bert(train.take(np.arange(96))).mean(1)
    method.begin_stage(method.stages()[1], train)
    for name, value in method.state().items():
        if name.endswith((".weight", ".bias")):
            assert not torch.equal(value, fresh[name]), name
            assert not torch.equal(value, pretrained[name]), name
    anchors = method.targets.unique(dim=0)
    assert len(anchors) == run.scalars["anchors"] <= 12
    nearest = torch.cdist(latent, anchors).min(1).values
    np.testing.assert_allclose((latent - method.targets).norm(dim=1).detach(), nearest.detach(), rtol=1e-4)


def test_centred_start(train):
    """The mean frame is embedded as zero would be with torch's biases, and it is what is restored from no code."""
    plain, centred = make(), make(centred_start=True)
    mean = train.take(np.arange(96)).mean((0, 1))
    before = plain.module.bert.embedding.frame_map(torch.zeros(10))
    stage = plain.stages()[0]
    centred.begin_stage(stage, train)
    torch.testing.assert_close(centred.module.bert.embedding.frame_map(mean), before, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(centred.module.restore.bias.detach(), mean)
    assert torch.equal(centred.module.restore.weight, plain.module.restore.weight)


class Killed(Exception):
    pass


class Brittle(BTH):
    """Raises at the start of one epoch, as a kill would strike."""

    def __init__(self, *args, at=None):
        self.at = at
        super().__init__(*args)

    def begin_epoch(self, stage, epoch):
        if (stage.name, epoch) == self.at:
            raise Killed


def fit(folder, train, at=None, **config):
    run = Run(0, CPU, artefacts=ArtefactStore(folder / "cache"))
    method = Brittle(8, train.shape, BTHConfig(**TINY, pretrain_epochs=2, epochs=3, **config), run, at=at)
    session = Session(checkpoint=CheckpointFile(folder / "c.pt", "key"))
    loop.train(method, train, session)
    return method, session


@pytest.mark.parametrize("at", [(PRETRAIN, 1), (TRAIN, 0), (TRAIN, 1)])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, train, at):
    whole, uninterrupted = fit(tmp_path / "whole", train)
    with pytest.raises(Killed):
        fit(tmp_path / "halves", train, at)
    resumed, session = fit(tmp_path / "halves", train)
    assert session.resumed == {PRETRAIN: 1, TRAIN: 2 + at[1]}[at[0]]
    for name, value in whole.state().items():
        assert torch.equal(value, resumed.state()[name]), name
    assert [entry.losses for entry in session.history] == [entry.losses for entry in uninterrupted.history]
    assert resumed.run.scalars == whole.run.scalars


def test_killed_while_the_anchors_are_made(tmp_path, train, monkeypatch):
    whole, _ = fit(tmp_path / "whole", train)
    with monkeypatch.context() as patch:
        patch.setattr("methods.bth.tag_graph", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            fit(tmp_path / "halves", train)
    assert not list((tmp_path / "halves" / "cache").glob("*.npz"))
    for name, value in fit(tmp_path / "halves", train)[0].state().items():
        assert torch.equal(value, whole.state()[name])


def test_lost_anchors_are_not_made_from_later_weights(tmp_path, train):
    with pytest.raises(Killed):
        fit(tmp_path, train, (TRAIN, 2))
    for path in (tmp_path / "cache").glob("bth-graph-*.npz"):
        path.unlink()
    with pytest.raises(BadInput, match="no longer in the cache"):
        fit(tmp_path, train)


def test_anchors_are_shared_only_where_the_first_stage_is_the_same(tmp_path, train):
    made = []
    for bits, seed, before in ((8, 0, 1), (8, 1, 1), (16, 0, 1), (8, 0, 1), (8, 0, 2)):
        method = make(bits, run=Run(seed, CPU, artefacts=ArtefactStore(tmp_path)))
        method.begin_stage(method.stages()[1], train, Start(before=before))
        made.append(len(list(tmp_path.glob("bth-graph-*.npz"))))
    assert made == [1, 2, 3, 3, 4]


def test_losses_fall(train):
    session = Session(options=RunOptions(epochs=20))
    loop.train(make(pretrain_epochs=10), train, session)
    for entry in session.history:
        for name, values in entry.losses.items():
            assert values[-1] < 0.9 * values[0], name


def test_the_norm_equals_its_formula_with_every_gradient():
    torch.manual_seed(0)
    norm = Norm(7).double()
    torch.nn.init.normal_(norm.a_2)
    torch.nn.init.normal_(norm.b_2)
    x = torch.randn(3, 5, 7, dtype=torch.float64, requires_grad=True)
    inputs = (x, norm.a_2, norm.b_2)
    deviation = x.std(-1, keepdim=True)
    expected = norm.a_2 * (x - x.mean(-1, keepdim=True)) / (deviation + 1e-6) + norm.b_2
    torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(expected)
    for ours, theirs in zip(
        *(torch.autograd.grad((y * weights).sum(), inputs) for y in (norm(x), expected)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_the_norm_of_equal_channels_is_its_bias_and_has_finite_gradients():
    norm, x = Norm(6), torch.full((2, 6), 3.0, requires_grad=True)
    norm(x).sum().backward()
    assert torch.equal(norm(x), norm.b_2.expand(2, 6))
    assert x.grad.isfinite().all()
