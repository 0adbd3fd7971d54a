"""Backbones of folders: features are the model's own, whatever they are batched with, and mistakes are told."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from benchmark.errors import BadInput
from benchmark.extraction import processor
from benchmark.extraction.backbones import open_backbone, parse, resolve_precision
from benchmark.extraction.preprocessing import Preprocessing
from tests.support.tiny_models import SIDE, clip, save

CPU = torch.device("cpu")
KINDS = {
    "vit": ("pooler", 16),
    "vit without pooler": ("cls", 16),
    "deit": ("cls", 16),
    "dinov2": ("pooler", 16),
    "registers": ("pooler", 16),
    "clip": ("embedding", 12),
    "siglip": ("embedding", 16),
    "resnet": ("pooler", 16),
    "convnext": ("pooler", 20),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a function that makes the folder of a model once."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = save(root / kind.replace(" ", "-"), kind)
        return made[kind]

    return of


def own_answer(path: Path, kind: str, pictures: torch.Tensor) -> torch.Tensor:
    """Return the features as a user of transformers would take them from the model."""
    import transformers

    model = transformers.AutoModel.from_pretrained(path).eval()
    with torch.no_grad():
        if kind in ("clip", "siglip"):
            return model.get_image_features(pixel_values=pictures).pooler_output
        answer = model(pixel_values=pictures)
    return answer.last_hidden_state[:, 0] if KINDS[kind][0] == "cls" else answer.pooler_output.flatten(1)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_model(folder, kind):
    pooling, dim = KINDS[kind]
    backbone = open_backbone(str(folder(kind)), CPU, "fp32")
    assert (backbone.identity["pooling"], backbone.dim) == (pooling, dim)
    inputs = backbone.prepare(clip())
    found = backbone.features(inputs)
    assert found.shape == (5, dim) and found.dtype == torch.float32 and not found.requires_grad
    torch.testing.assert_close(found, own_answer(folder(kind), kind, inputs), rtol=1e-4, atol=1e-4)
    assert len(found.unique(dim=0)) == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(48, 60), (90, 41), (20, 24), (301, 240)])
def test_frames_are_prepared_as_transformers_does(folder, kind, size):
    from transformers import AutoImageProcessor

    backbone = open_backbone(str(folder(kind)), CPU, "fp32")
    assert str(backbone._preprocessing).endswith("torch")
    frames = clip(3, *size)
    theirs = AutoImageProcessor.from_pretrained(folder(kind), backend="pil")
    expected = theirs(images=list(frames.numpy()), return_tensors="pt", input_data_format="channels_first")
    found = backbone.prepare(frames)
    assert found.dtype == torch.float32 and found.shape == expected["pixel_values"].shape
    levels = (found - expected["pixel_values"]).abs() * 255 * min(theirs.image_std)
    assert levels.max() < 2.1 and levels.mean() < 0.3


def test_unusual_processors_are_used_themselves(folder, tmp_path):
    from transformers import EfficientNetImageProcessorPil

    shutil.copytree(folder("vit"), tmp_path / "model")
    theirs = EfficientNetImageProcessorPil(size={"height": SIDE, "width": SIDE}, rescale_offset=True)
    theirs.save_pretrained(tmp_path / "model")
    backbone = open_backbone(str(tmp_path / "model"), CPU, "fp32")
    assert backbone.identity["preprocessing"].startswith("EfficientNetImageProcessorPil {")
    frames = clip(2)
    expected = theirs(images=list(frames.numpy()), return_tensors="pt", input_data_format="channels_first")
    torch.testing.assert_close(backbone.prepare(frames), expected["pixel_values"].float())


def test_settings_suffice_where_transformers_has_a_processor_of_torchvision_alone(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_processor", lambda _folder: None)
    expected = open_backbone(str(folder("dinov2")), CPU, "fp32").prepare(clip())
    shutil.copytree(folder("dinov2"), tmp_path / "model")
    path = tmp_path / "model" / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    assert torch.equal(open_backbone(str(tmp_path / "model"), CPU, "fp32").prepare(clip()), expected)
    assert expected.shape == (5, 3, SIDE, SIDE)
    path.write_text(json.dumps({key: value for key, value in settings.items() if key != "image_mean"}))
    with pytest.raises(BadInput, match=r"preprocessor_config.json: key 'image_mean': does not hold what is needed"):
        open_backbone(str(tmp_path / "model"), CPU, "fp32")


def test_resizing_and_cropping_by_hand():
    frames = torch.arange(6 * 8, dtype=torch.uint8).view(1, 1, 6, 8).expand(1, 3, 6, 8)
    plain = Preprocessing(None, (3, 4), scale=1.0, mean=(1, 2, 3), std=(2, 4, 8))(frames)
    for channel, (mean, std) in enumerate([(1, 2), (2, 4), (3, 8)]):
        torch.testing.assert_close(plain[0, channel], (frames[0, 0, 1:4, 2:6].float() - mean) / std)
    nearest = Preprocessing(None, (3, 4), scale=1.0, mean=(0,) * 3, std=(1,) * 3, nearest_centre=True)(frames)
    assert torch.equal(nearest[0, 0], frames[0, 0, 2:5, 2:6].float())
    padded = Preprocessing(None, (9, 8), scale=1.0, mean=(0,) * 3, std=(1,) * 3)(frames)
    assert (
        torch.equal(padded[0, 0, 2:8], frames[0, 0].float()) and padded[0, 0, :2].sum() == padded[0, 0, 8:].sum() == 0
    )
    assert Preprocessing(16, None)(clip(1, 48, 60)).shape == (1, 3, 16, 20)
    assert Preprocessing(16, None)(clip(1, 60, 47)).shape == (1, 3, 20, 16)


@pytest.mark.parametrize("kind", ["vit", "resnet", "convnext"])
def test_a_frame_does_not_depend_on_its_batch(folder, kind):
    backbone = open_backbone(str(folder(kind)), CPU, "fp32")
    inputs = backbone.prepare(clip(2 * backbone.batch + 5, 40, 40))
    whole = backbone.features(inputs)
    assert len(whole) == 2 * backbone.batch + 5
    for rows in (slice(0, 1), slice(3, 10), slice(7, 7 + backbone.batch), slice(len(whole) - 1, None)):
        assert torch.equal(backbone.features(inputs[rows]), whole[rows])
    assert backbone.features(inputs[:0]).shape == (0, backbone.dim)


@pytest.mark.parametrize(("kind", "tokens"), [("vit", slice(1, None)), ("registers", slice(4, None))])
def test_pooling_on_demand(folder, kind, tokens):
    from transformers import AutoModel

    inputs = open_backbone(str(folder(kind)), CPU, "fp32").prepare(clip())
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder(kind)).eval()(pixel_values=inputs).last_hidden_state
    assert hidden[:, tokens].shape[1] == 16
    for pool, expected in {"cls": hidden[:, 0], "mean": hidden[:, tokens].mean(1)}.items():
        backbone = open_backbone(f"{folder(kind)}?pool={pool}", CPU, "fp32")
        torch.testing.assert_close(backbone.features(inputs), expected, rtol=1e-4, atol=1e-4)
        assert backbone.identity["pooling"] == pool


def test_pooling_of_towers_and_maps(folder):
    tower = open_backbone(f"{folder('clip')}?pool=cls", CPU, "fp32")
    assert (tower.dim, open_backbone(f"hf:{folder('clip')}?pool=pooler", CPU, "fp32").dim) == (16, 12)
    inputs = tower.prepare(clip())
    maps = open_backbone(f"{folder('resnet')}?pool=mean", CPU, "fp32").features(inputs)
    torch.testing.assert_close(maps, open_backbone(str(folder("resnet")), CPU, "fp32").features(inputs))


@pytest.mark.parametrize(
    ("kind", "tail", "told"),
    [
        ("bert", "", "is no model of pictures (its type is 'bert'); choose one such as a ViT"),
        ("mae", "", "gives two answers to one picture: it draws random numbers"),
        ("resnet", "?pool=cls", "has no class token; use ?pool=mean"),
        ("vit without pooler", "?pool=pooler", "has no trained pooling; use ?pool=cls or ?pool=mean"),
        ("vit", "?pool=max", "cannot read the option 'pool=max'; expected pool=pooler|cls|mean"),
        ("vit", "?crop=2", "cannot read the option 'crop=2'"),
    ],
)
def test_models_that_do_not_fit(folder, kind, tail, told):
    with pytest.raises(BadInput) as caught:
        open_backbone(f"{folder(kind)}{tail}", CPU, "fp32")
    assert told in str(caught.value) and "\n" not in str(caught.value)


class Touch:
    """What a hostile file of weights would hold: unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_folders_that_are_not_whole(folder, tmp_path):
    def told(spoil):
        shutil.rmtree(tmp_path / "m", ignore_errors=True)
        shutil.copytree(folder("vit"), tmp_path / "m")
        spoil(tmp_path / "m")
        with pytest.raises(BadInput) as caught:
            open_backbone(str(tmp_path / "m"), CPU, "fp32")
        return str(caught.value)

    def hostile(path):
        (path / "model.safetensors").unlink()
        (path / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Touch(tmp_path / "touched")}))

    def lacking(path):
        from safetensors.torch import load_file, save_file

        tensors = load_file(path / "model.safetensors")
        tensors.pop("embeddings.cls_token")
        save_file(tensors, path / "model.safetensors", {"format": "pt"})

    assert "holds no model; expected config.json" in told(lambda path: (path / "config.json").unlink())
    assert "does not say how pictures are prepared" in told(lambda path: (path / "preprocessor_config.json").unlink())
    assert "weights cannot be read" in told(lambda path: (path / "model.safetensors").unlink())
    assert "weights cannot be read" in told(lambda path: (path / "model.safetensors").write_bytes(b"x" * 64))
    assert "lacks 1 of the network's parameters, such as 'embeddings.cls_token'" in told(lacking)
    assert "weights cannot be read" in told(hostile) and not (tmp_path / "touched").exists()
    foreign = json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "modeling.Mine"}})
    assert "code of its own, which is never run" in told(lambda path: (path / "config.json").write_text(foreign))


def test_pickled_weights_of_tensors_are_read(folder, tmp_path):
    from safetensors.torch import load_file

    shutil.copytree(folder("vit"), tmp_path / "m")
    torch.save(load_file(tmp_path / "m" / "model.safetensors"), tmp_path / "m" / "pytorch_model.bin")
    (tmp_path / "m" / "model.safetensors").unlink()
    inputs, safe = clip(), open_backbone(str(folder("vit")), CPU, "fp32")
    pickled = open_backbone(str(tmp_path / "m"), CPU, "fp32")
    assert torch.equal(pickled.features(pickled.prepare(inputs)), safe.features(safe.prepare(inputs)))
    assert pickled.identity["revision"] != safe.identity["revision"]


def test_the_identity_follows_what_decides_the_numbers(folder, tmp_path):
    path = tmp_path / folder("vit").name
    shutil.copytree(folder("vit"), path)
    identity = open_backbone(str(folder("vit")), CPU, "fp32").identity
    assert all(isinstance(value, str) and value for value in identity.values())
    assert {"source", "name", "revision", "transformers", "torch", "precision", "pooling"} <= set(identity)
    (path / "README.md").write_text("a card")
    assert open_backbone(str(path), CPU, "fp32").identity == identity
    assert open_backbone(str(path), CPU, "bf16").identity["precision"] == "bf16"
    from safetensors.torch import load_file, save_file

    tensors = load_file(path / "model.safetensors")
    tensors["pooler.dense.bias"][0] += 1
    save_file(tensors, path / "model.safetensors", {"format": "pt"})
    other = open_backbone(str(path), CPU, "fp32").identity
    assert {key for key in identity if identity[key] != other[key]} == {"revision"}


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_bf16_is_near_fp32(folder, kind):
    exact, half = (open_backbone(str(folder(kind)), CPU, precision) for precision in ("fp32", "bf16"))
    inputs = exact.prepare(clip())
    expected, found = exact.features(inputs), half.features(inputs)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).norm() / expected.norm() < 0.05


def test_precisions(monkeypatch):
    from benchmark.compute import machine

    for fast, chosen in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(machine, "has_fast_bf16", lambda device, fast=fast: fast)
        assert resolve_precision("auto", CPU) == chosen
    assert resolve_precision("auto", torch.device("cuda")) == "fp16"
    assert resolve_precision("bf16", CPU) == "bf16"
    with pytest.raises(BadInput, match="fp16 is for GPUs; use bf16, fp32 or auto"):
        resolve_precision("fp16", CPU)
    with pytest.raises(BadInput, match="did you mean 'bf16'"):
        resolve_precision("bf61", CPU)


def test_values_that_are_not_finite_are_told(folder):
    backbone = open_backbone(str(folder("vit")), CPU, "bf16")
    with pytest.raises(BadInput, match=r"not finite in bf16; use --precision fp32"):
        backbone.features(torch.full((2, 3, SIDE, SIDE), torch.nan))


def test_specifications():
    spec = parse("timm:resnet50.a1_in1k?pool=mean")
    assert (spec.source, spec.name, spec.revision, spec.pool) == ("timm", "resnet50.a1_in1k", None, "mean")
    assert parse("hf:a/b@c").revision == "c" and parse("py:x.y:z").name == "x.y:z"
    for text, told in (
        ("dinov2", "is neither a folder nor a known form; expected hf:NAME@REVISION, a folder"),
        ("hf:", "is neither a folder nor a known form"),
        ("tim:resnet50", "unknown source 'tim'; did you mean 'timm'?"),
    ):
        with pytest.raises(BadInput) as caught:
            parse(text)
        assert told in str(caught.value)
