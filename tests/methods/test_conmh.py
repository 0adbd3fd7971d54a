"""ConMH's sizes, schedule, presets, and the authors' checkpoints."""

import numpy as np
import pytest
import torch

from benchmark.errors import BadInput
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.seeds import Draws
from methods.conmh import ConMH, ConMHConfig

CPU = torch.device("cpu")
TINY = {"encoder_width": 12, "encoder_heads": 2, "encoder_depth": 1, "decoder_width": 12}


def make(bits=64, frames=25, dim=4096, seed=0, **config):
    return ConMH(bits, FrameShape(frames, dim), ConMHConfig(**config), Run(seed=seed, device=CPU))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("dim", "bits", "total"), [(4096, 64, 12_249_248), (2048, 64, 11_329_696), (4096, 16, 12_227_600)]
)
def test_parameter_counts_of_small(dim, bits, total):
    module = make(bits, dim=dim).module
    assert count(module) == total
    assert len(module.state_dict()) == 198
    if (dim, bits) == (4096, 64):
        assert (count(module.encoder), count(module.decoder)) == (10_539_936, 1_680_256)


def test_state_dict_of_small():
    shapes = {name: tuple(value.shape) for name, value in make().state().items()}
    block = {
        "norm1.weight": (256,),
        "norm1.bias": (256,),
        "norm2.weight": (256,),
        "norm2.bias": (256,),
        "attn.q_bias": (252,),
        "attn.v_bias": (252,),
        "attn.qkv.weight": (756, 256),
        "attn.proj.weight": (256, 252),
        "attn.proj.bias": (256,),
        "mlp.fc1.weight": (1024, 256),
        "mlp.fc1.bias": (1024,),
        "mlp.fc2.weight": (256, 1024),
        "mlp.fc2.bias": (256,),
    }
    decoder_block = {
        "norm1.weight": (192,),
        "norm1.bias": (192,),
        "norm2.weight": (192,),
        "norm2.bias": (192,),
        "attn.q_bias": (192,),
        "attn.v_bias": (192,),
        "attn.qkv.weight": (576, 192),
        "attn.proj.weight": (192, 192),
        "attn.proj.bias": (192,),
        "mlp.fc1.weight": (768, 192),
        "mlp.fc1.bias": (768,),
        "mlp.fc2.weight": (192, 768),
        "mlp.fc2.bias": (192,),
    }
    expected = {
        "mask_token": (1, 1, 192),
        "encoder.patch_embed.weight": (256, 4096),
        "encoder.patch_embed.bias": (256,),
        **{f"encoder.blocks.{i}.{name}": shape for i in range(12) for name, shape in block.items()},
        "encoder.norm.weight": (256,),
        "encoder.norm.bias": (256,),
        "encoder.head.weight": (256, 256),
        "encoder.head.bias": (256,),
        **{f"decoder.blocks.{i}.{name}": shape for i in range(2) for name, shape in decoder_block.items()},
        "decoder.norm.weight": (192,),
        "decoder.norm.bias": (192,),
        "decoder.head.weight": (4096, 192),
        "decoder.head.bias": (4096,),
        "encoder_to_decoder.weight": (192, 64),
        "binary.weight": (64, 256),
        "binary.bias": (64,),
        "ln.weight": (64,),
        "ln.bias": (64,),
    }
    assert shapes == expected


def test_initialisation():
    module = make(dim=512).module
    for part in (module.encoder, module.decoder):
        for layer in part.modules():
            if isinstance(layer, torch.nn.Linear):
                bound = (6 / sum(layer.weight.shape)) ** 0.5
                assert 0.98 * bound < layer.weight.abs().max() <= bound
                assert layer.bias is None or not layer.bias.any()
    assert module.mask_token.abs().max() <= 0.02
    assert 0.008 < module.mask_token.std() < 0.014
    assert 0.9 / 16 < module.binary.weight.abs().max() <= 1 / 16
    assert module.binary.bias.any()
    assert (module.encoder.norm.eps, module.encoder.blocks[3].norm2.eps, module.ln.eps) == (1e-6, 1e-6, 1e-5)


def test_schedule_reaches_its_floor_at_epoch_440():
    rate = make(size="mini", dim=8).stages()[0].learning_rate
    assert rate(0) == rate(19) == 1e-4
    assert rate(20) == pytest.approx(9e-5)
    assert rate(39) == pytest.approx(9e-5)
    assert rate(439) == pytest.approx(1e-4 * 0.9**21)
    assert rate(439) > 1e-5
    assert rate(440) == rate(800) == 1e-5


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("fcvid", (512, 0.75, 1.0, 0.5, 0.1, 800)),
        ("activitynet", (128, 0.5, 0.2, 0.5, 0.05, 500)),
        ("yfcc", (128, 0.75, 1.0, 0.5, 0.1, 40)),
        ("ucf101", (128, 0.5, 1.0, 0.5, 0.1, 350)),
        ("hmdb51", (128, 0.5, 1.0, 0.5, 0.05, 350)),
    ],
)
def test_presets(dataset, expected):
    c = ConMHConfig(**ConMH.presets[dataset])
    found = (c.batch_size, c.mask_ratio, c.contrastive_weight, c.temperature, c.class_prior, c.epochs)
    assert (c.size, c.learning_rate, *found) == ("small", 1e-4, *expected)


def test_a_batch_depends_on_epoch_and_video_only():
    videos = MemoryVideos(np.random.default_rng(0).random((6, 9, 4), dtype=np.float32))
    method = make(8, 9, 4, mask_ratio=0.5, **TINY)
    stage = method.stages()[0]
    whole = method.batch(videos, np.arange(6), stage, Draws(0, "train", 3))
    part = method.batch(videos, np.array([4, 1]), stage, Draws(0, "train", 3))
    assert whole["visible"].shape == (6, 2, 5)
    assert whole["hidden"].shape == (6, 2, 4)
    for name, value in part.items():
        assert torch.equal(value, whole[name][[4, 1]])
    later = method.batch(videos, np.arange(6), stage, Draws(0, "train", 4))
    assert not torch.equal(later["visible"], whole["visible"])


def test_the_loss_is_the_sum_of_two_separate_views():
    videos = MemoryVideos(np.random.default_rng(0).random((5, 9, 4), dtype=np.float32))
    method = make(8, 9, 4, contrastive_weight=0.3, mask_ratio=0.5, **TINY)
    batch = method.batch(videos, np.arange(5), method.stages()[0], Draws(0, "train", 0))
    losses = method.loss(batch, method.stages()[0])
    expected = 0.0
    for view in range(2):
        visible, hidden = batch["visible"][:, view], batch["hidden"][:, view]
        codes = torch.where(method.module.encode_views(batch["frames"], visible) > 0, 1.0, -1.0)
        restored = method.module.reconstruct(codes, visible, hidden)
        target = torch.stack([frames[index] for frames, index in zip(batch["frames"], hidden, strict=True)])
        expected += (restored - target).square().mean()
    assert losses["reconstruction"].item() == pytest.approx(expected.item(), rel=1e-5)
    total = losses["reconstruction"] + 0.3 * losses["contrastive"]
    assert losses["total"].item() == pytest.approx(total.item())


def test_an_even_number_of_frames_may_leave_a_bit_undecided():
    method = make(16, 4, 6, mask_ratio=0.5, **TINY)
    with torch.no_grad():
        reals = method.encode(torch.randn(64, 4, 6))
    assert set(reals.unique().tolist()) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    assert (reals == 0).any()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"mask_ratio": 0.1}, "mask_ratio 0.1 masks 0 of 9 frames in each view"),
        ({"encoder_width": 4, "encoder_heads": 5}, "the encoder has more heads (5) than channels (4)"),
        ({"decoder_width": 2}, "the decoder has more heads (3) than channels (2)"),
        ({}, None),
    ],
)
def test_unsupported(config, reason):
    assert ConMH.unsupported(8, FrameShape(9, 4), ConMHConfig(**config)) == reason


@pytest.mark.parametrize(
    ("size", "prefix"), [("mini", ""), ("mini", "module."), ("small", ""), ("base", ""), ("large", "")]
)
def test_authors_checkpoint(size, prefix, tmp_path):
    trained = make(16, 30, 40, seed=5, size=size)
    path = tmp_path / "activitynet_16.pth"
    torch.save({"model_state_dict": {prefix + name: value for name, value in trained.state().items()}}, path)
    imported = ConMH.import_checkpoint(torch.load(path, weights_only=True))
    assert (imported.bits, imported.shape.dim, imported.shape.frames) == (16, 40, 0)
    # Small and base have equal shapes, so base is taken for small unless the user says so.
    assert imported.config["size"] == ("small" if size == "base" else size)
    loaded = ConMH(16, FrameShape(30, 40), ConMHConfig(**{**imported.config, "size": size}), Run(seed=0, device=CPU))
    loaded.load(imported.state)
    frames = torch.randn(3, 30, 40)
    with torch.no_grad():
        assert torch.equal(loaded.encode(frames), trained.encode(frames))


def drop(state, key):
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: {"weights": s}, "key 'model_state_dict': the checkpoint is not laid out as the authors' code"),
        (lambda s: {"model_state_dict": 3}, "expected a dict of tensors under this key"),
        (
            lambda s: {"model_state_dict": {**s, "ln.bias": 1}},
            "key 'ln.bias': is no tensor; found int",
        ),
        (lambda s: {"model_state_dict": drop(s, "binary.weight")}, "key 'binary.weight': the checkpoint is of another"),
        (
            lambda s: {
                "model_state_dict": drop(s, "encoder.blocks.11.norm1.weight") | {"encoder.blocks.13.x": s["ln.bias"]}
            },
            "the checkpoint's encoder has none of the authors' sizes; expected width 256 with 1, 12 or 24 layers",
        ),
    ],
)
def test_another_checkpoint_is_refused(damage, message):
    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        ConMH.import_checkpoint(damage(make(8, 9, 12).state()))
