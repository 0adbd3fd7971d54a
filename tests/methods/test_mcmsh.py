"""MCMSH's sizes, draws, losses, alpha, and the authors' checkpoints."""

import numpy as np
import pytest
import torch

from benchmark.catalogue.choice import choose_method, resolve_config
from benchmark.errors import BadInput
from benchmark.files.artefacts import ArtefactStore
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.seeds import Draws
from benchmark.training import loop
from benchmark.training.checkpoint import CheckpointFile
from benchmark.training.session import Session
from methods.mcmsh import MCMSH, MCMSHConfig, companions
from methods.parts.dropout import dropout
from methods.parts.gates import PassNorm
from methods.parts.neighbours import MIDDLE, SIMILAR
from methods.parts.structure import clamped_sign, main_components, pair_similarity, quadruplet, quantisation

CPU = torch.device("cpu")
SHAPE = FrameShape(6, 24)
TINY = {"width": 16, "anchors": 20, "batch_size": 32, "epochs": 2}


def make(bits=8, shape=SHAPE, seed=0, artefacts=None, **config):
    return MCMSH(bits, shape, MCMSHConfig(**config), Run(seed=seed, device=CPU, artefacts=artefacts))


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, SHAPE.dim))[np.arange(150) % 5]
    return MemoryVideos((centres[:, None] + 0.6 * rng.normal(size=(150, *SHAPE))).astype(np.float32))


@pytest.fixture(scope="module")
def prepared(videos):
    method = make(**TINY)
    method.prepare(videos)
    return method


def test_parameters_and_keys_of_the_published_size():
    method = make(64, FrameShape(25, 4096))
    assert sum(parameter.numel() for parameter in method.module.parameters()) == 1_761_397
    shapes = {name: tuple(value.shape) for name, value in method.state().items()}
    assert len(shapes) == 156 + 1
    expected = {
        "mc_mlp.preproj.weight": (256, 4096),
        "mc_mlp.token_mixer.mlp.fc1.weight": (50, 25),
        "mc_mlp.token_mixer.lrd.fc1.weight": (256, 256, 1),
        "mc_mlp.token_mixer.lrd.conv.weight": (6, 25),
        "mc_mlp.token_mixer.mrd.conv.weight": (6, 25, 3),
        "mc_mlp.token_mixer.srd.deconv.weight": (25, 6, 3),
        "mc_mlp.token_mixer.srd.bn2.running_var": (25,),
        "mc_mlp.channel_mixer.mlp.fc1.weight": (512, 256),
        "mc_mlp.channel_mixer.lrd.conv.weight": (16, 256),
        "mc_mlp.channel_mixer.mrd.conv.weight": (16, 16, 3),
        "mc_mlp.channel_mixer.mrd.deconv.weight": (256, 1, 3),
        "mc_mlp.srd.fc2.weight": (25, 25, 1),
        "mc_mlp.srd.bn1.weight": (16,),
        "binary.weight": (64, 256),
        "alpha": (),
    }
    assert expected.items() <= shapes.items()


@pytest.mark.parametrize("frames", [1, 2, 7, 32])
def test_any_number_of_frames(frames):
    method = make(shape=FrameShape(frames, 24), width=16)
    found = method.encode(torch.randn(3, frames, 24))
    assert found.shape == (3, 8)
    assert torch.isfinite(found).all()


def test_a_width_that_the_groups_do_not_divide_is_named():
    assert MCMSH.unsupported(8, SHAPE, MCMSHConfig(width=40)) is None
    assert MCMSH.unsupported(8, SHAPE, MCMSHConfig(width=50)) == "width 50 is no multiple of the 3 groups of its gates"


@pytest.mark.parametrize("shape", [(40, 3), (40, 3, 7)])
def test_passes_at_once_equal_passes_one_after_the_other(shape):
    torch.manual_seed(0)
    ours, theirs = PassNorm(3).double(), torch.nn.BatchNorm1d(3).double()
    with torch.no_grad():
        ours.weight.normal_(), ours.bias.normal_()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape, dtype=torch.float64) + torch.arange(5).repeat(8).view(-1, *[1] * (len(shape) - 1))
    left, right = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(shape, dtype=torch.float64)
    for _ in range(2):
        found = ours(left, 5)
        expected = torch.stack([theirs(right[k::5]) for k in range(5)], dim=1).flatten(0, 1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-12, atol=1e-12)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(left.grad, right.grad, rtol=1e-10, atol=1e-12)


def test_a_last_batch_of_one_video_is_finite_and_leaves_the_statistics():
    norm = PassNorm(3)
    assert torch.isfinite(norm(torch.randn(5, 3), 5)).all()
    assert norm.num_batches_tracked == 0


def test_dropout_keeps_the_share_and_the_expectation():
    torch.manual_seed(0)
    x = torch.full((401, 1003), 3.0, requires_grad=True)
    y = dropout(x, 0.3, True)
    dropped = (y == 0).float().mean().item()
    assert abs(dropped - 0.3) < 0.004
    assert torch.allclose(y[y != 0], torch.tensor(3 / 0.7), rtol=1e-4)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach() / 3)
    assert abs(np.corrcoef((y.detach() == 0).flatten()[:-1], (y.detach() == 0).flatten()[1:])[0, 1]) < 0.01
    assert torch.equal(dropout(x, 0.3, False), x)
    torch.manual_seed(0)
    assert torch.equal(dropout(x, 0.3, True), y)


def test_losses_against_loops():
    rng = np.random.default_rng(1)
    a, b, c, d = rng.uniform(-1, 1, (4, 7, 16))
    label = rng.choice([-1.0, 1.0], 7)
    pair = quant = quad = 0.0
    for i in range(7):
        pair += (label[i] - sum(a[i, k] * b[i, k] for k in range(16)) / 16) ** 2 / 7
        quant += sum((a[i, k] - (1 if a[i, k] > 0 else -1)) ** 2 for k in range(16)) / (7 * 16)
        near = sum((a[i, k] - b[i, k] + 1e-6) ** 2 for k in range(16))
        far = sum((a[i, k] - c[i, k] + 1e-6) ** 2 for k in range(16))
        apart = sum((c[i, k] - d[i, k] + 1e-6) ** 2 for k in range(16))
        quad += (max(0, 4 + near - far) + max(0, 0.25 + near - apart)) / 7
    a, b, c, d, label = map(torch.from_numpy, (a, b, c, d, label))
    assert pair_similarity(a, b, label).item() == pytest.approx(pair, rel=1e-12)
    assert quantisation(a).item() == pytest.approx(quant, rel=1e-12)
    assert quadruplet(a, b, c, d).item() == pytest.approx(quad, rel=1e-12)


def test_sign_clamps_the_gradient_and_not_its_input():
    x = torch.tensor([-5.0, -0.2, 0.3, 4.0], requires_grad=True)
    clamped_sign(x).backward(torch.tensor([0.5, -3.0, 2.0, -0.1]))
    assert x.grad.tolist() == pytest.approx([0.5, -1.0, 1.0, -0.1])


def test_the_quantisation_term_trains_nothing_as_the_notes_say():
    x = torch.randn(6, 8, requires_grad=True)
    quantisation(x).backward()
    assert x.grad.abs().max() == 0


def test_main_components_against_singular_values():
    points = np.random.default_rng(2).normal(size=(30, 50)).astype(np.float32)
    found = main_components(points, 40)
    u, s, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    assert np.allclose(np.abs(found[:, :29]), np.abs(u * s)[:, :29], atol=1e-4)
    assert not found[:, 29:].any()
    assert (found.max(0) >= -found.min(0)).all()
    few = main_components(points, 3)
    assert np.allclose(few, found[:, :3], atol=1e-4)


def test_companions_have_the_tags_that_the_losses_assume(prepared):
    graph = prepared._structure.graph
    rows = np.tile(np.arange(150), 40)
    # One draw per item: the repetitions of a row are made to differ by the epoch.
    found = [companions(graph, rows[:150], Draws(0, "train", epoch)) for epoch in range(40)]
    similar, five = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert np.array_equal(five[:, 0], rows)
    assert abs(similar.mean() - 0.5) < 0.03
    tags = [graph.tag_of(rows, five[:, k]) for k in range(5)]
    lonely = graph.middle.lengths(rows) == 0
    assert (tags[1] == np.where(similar, SIMILAR, np.where(lonely, 0, MIDDLE))).all()
    assert (tags[2] == SIMILAR).all()
    for k in (3, 4):
        assert (tags[k] == np.where(lonely, 0, MIDDLE)).all()
    uniform = Draws(0, "train", 0).uniform("companions", rows[:150], 6)
    first, second = (graph.sample(MIDDLE, rows[:150], uniform[:, k]) for k in (3, 4))
    clash = graph.tag_of(second, first) == SIMILAR
    again = graph.sample(MIDDLE, rows[:150], uniform[:, 5])
    assert clash.any() and not clash.all()
    assert np.array_equal(found[0][1][:, 4], np.where(clash, again, second))


def test_batch_of_an_item_depends_on_the_item_alone(prepared, videos):
    draws = Draws(0, "train", 1)
    whole = prepared.batch(videos, np.arange(40), None, draws)
    part = prepared.batch(videos, np.array([31, 7]), None, draws)
    for name, value in part.items():
        assert torch.equal(value, whole[name][[31, 7]]), name
    assert whole["frames"].shape == (40, 5, *SHAPE)
    assert whole["targets"].shape == (40, 2, 16)


def test_only_the_pair_is_corrupted(prepared, videos):
    draws, rows = Draws(0, "train", 1), np.arange(150)
    batch = prepared.batch(videos, rows, None, draws)
    five = companions(prepared._structure.graph, rows, draws)[1]
    clean = videos.take(five.ravel()).unflatten(0, five.shape)
    changed = (batch["frames"] != clean).any(3).float().mean((0, 2))
    assert changed[2:].sum() == 0
    assert torch.allclose(changed[:2], torch.tensor(0.135), atol=0.03)


def test_alpha_follows_the_epoch_and_is_stored(videos):
    method = make(**{**TINY, "epochs": 3})
    method.fit(videos)
    state = method.state()
    assert state["alpha"].item() == pytest.approx(3**0.5)
    frames = videos.take(np.arange(9))
    other, fixed = make(**TINY), make(**TINY, alpha=1.0)
    other.load(state), fixed.load(state)
    assert torch.equal(other.encode(frames), method.encode(frames))
    assert not torch.allclose(fixed.encode(frames), other.encode(frames))


def test_a_resumed_run_equals_an_uninterrupted_one(videos, tmp_path):
    def session():
        return Session(checkpoint=CheckpointFile(tmp_path / "checkpoint.pt", "key"))

    whole = make(seed=4, **{**TINY, "epochs": 3})
    whole.fit(videos)
    config = MCMSHConfig(**{**TINY, "epochs": 3})
    killed = MCMSH(8, SHAPE, config, Run(seed=4, device=CPU))

    def kill(stage, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        MCMSH.begin_epoch(killed, stage, epoch)

    killed.begin_epoch = kill
    with pytest.raises(KeyboardInterrupt):
        loop.train(killed, videos, session())
    resumed, rest = MCMSH(8, SHAPE, config, Run(seed=4, device=CPU)), session()
    loop.train(resumed, videos, rest)
    assert rest.resumed == 2
    for name, value in whole.state().items():
        assert torch.equal(resumed.state()[name], value), name


def test_structure_is_shared_by_bit_lengths_and_seeds(videos, tmp_path):
    store = ArtefactStore(tmp_path)
    one, two = make(8, artefacts=store, **TINY), make(16, seed=5, artefacts=store, **TINY)
    for method in (one, two):
        method.prepare(videos)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert np.array_equal(one._structure.targets, two._structure.targets)


def test_the_authors_checkpoint_encodes_with_alpha_1(videos):
    method = make(12, shape=FrameShape(9, 24), width=32, frame_reduction=3, channel_reduction=8, expansion=3)
    state = {name: value for name, value in method.state().items() if name != "alpha"}
    method.module.alpha.fill_(1.0)
    frames = torch.randn(5, 9, 24)
    for payload in (state, {"epoch": 55, "model_state_dict": {f"module.{key}": v for key, v in state.items()}}):
        imported = MCMSH.import_checkpoint(payload)
        assert (imported.bits, imported.shape) == (12, FrameShape(9, 24))
        config = resolve_config(choose_method("mcmsh"), "", dict(imported.config))
        other = MCMSH(imported.bits, imported.shape, config, Run(seed=1, device=CPU))
        other.load(imported.state)
        assert torch.equal(other.encode(frames), method.encode(frames))
    steep = MCMSH(12, FrameShape(9, 24), config.model_copy(update={"alpha": 7.5}), Run(seed=1, device=CPU))
    steep.load(imported.state)
    assert (steep.encode(frames) - other.encode(frames)).abs().max() > 0.1


@pytest.mark.parametrize("payload", [{}, {"epoch": 3}, {"binary.weight": torch.zeros(3, 4)}])
def test_other_files_are_refused(payload):
    with pytest.raises(BadInput):
        MCMSH.import_checkpoint(payload)
