"""Other sources: the hub's cache without a network, stand-ins for timm and torchvision, a user's function."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types

import pytest
import torch
from torch import nn

from benchmark.errors import BadInput
from benchmark.extraction.backbones import Backbone, open_backbone
from benchmark.paths import ROOT
from tests.support.tiny_models import clip, save

CPU = torch.device("cpu")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Small(nn.Module):
    """A stand-in for a classifier: a convolution, a mean over space, a head."""

    def __init__(self, head: str = "fc", value: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        setattr(self, head, nn.Linear(6, 10) if value is None else value)
        self.last = head

    def forward(self, pictures):
        return getattr(self, self.last)(self.stem(pictures).mean((2, 3)))


def program(code, **environment):
    """Run Python in the root of the checkout, as ``python -m benchmark`` does, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CACHED = """
import json, torch
from benchmark.errors import BadInput
from benchmark.extraction.backbones import open_backbone
told = []
for spec in ("hf:our/model", "hf:our/model@v1", "hf:our/model@{commit}"):
    told.append(open_backbone(spec, torch.device("cpu"), "fp32").identity)
for spec in ("hf:our/other", "hf:our/model@v2", "hf:not a name"):
    try:
        open_backbone(spec, torch.device("cpu"), "fp32")
    except BadInput as error:
        told.append(str(error))
print(json.dumps(told))
"""


def test_models_of_the_hub_come_from_its_cache_without_a_network(tmp_path):
    model = tmp_path / "hub" / "models--our--model"
    save(model / "snapshots" / COMMIT, "vit")
    (model / "refs").mkdir()
    for name in ("main", "v1"):
        (model / "refs" / name).write_text(COMMIT)
    out = program(CACHED.replace("{commit}", COMMIT), HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    *identities, other, revision, name = json.loads(out.splitlines()[-1])
    assert len(identities) == 3 and identities[0] == identities[1] == identities[2]
    assert (identities[0]["name"], identities[0]["revision"]) == ("our/model", COMMIT)
    for sentence in (other, revision):
        assert "it is neither in the cache nor can the hub be reached; go online once, or give a folder" in sentence
    assert "'hf:not a name' cannot be had: there is no such model; look the name up on huggingface.co" in name


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path):
    code = """
import torch
from benchmark.errors import BadInput
from benchmark.extraction.backbones import open_backbone
try:
    open_backbone("hf:our/model", torch.device("cpu"), "fp32")
except BadInput as error:
    print(error)
"""
    told = program(code, HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9")
    assert told == (
        "backbone 'hf:our/model' cannot be had: it is neither in the cache nor can the hub be reached; "
        "go online once, or give a folder\n"
    )


def test_our_folder_of_datasets_is_not_taken_for_a_package(tmp_path):
    path = save(tmp_path / "vit", "vit")
    code = f"""
import datasets.synthetic, torch
ours = datasets
from transformers.utils import is_datasets_available
before = is_datasets_available()
from benchmark.extraction.backbones import open_backbone
open_backbone({str(path)!r}, torch.device("cpu"), "fp32")
import transformers.trainer
print(before, is_datasets_available(), hasattr(transformers.trainer, "datasets"))
import datasets.ucf101
print(datasets is ours, datasets.__file__)
"""
    first, second = program(code).splitlines()
    assert first == "True False False"  # transformers took our folder for the package before, and no longer does
    assert second == f"True {ROOT / 'datasets' / '__init__.py'}"


def stand_in(monkeypatch, name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members, __version__="9.9")
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, f"benchmark.extraction.backbones_{name}", raising=False)
    return module


def test_timm(monkeypatch):
    asked = []

    def create_model(name, **options):
        asked.append((name, options, os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")))
        if name == "absent":
            raise RuntimeError("Unknown model (absent)")
        torch.manual_seed(0)
        return Small(value=nn.Identity())

    config = {"input_size": (3, 32, 32), "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic",
              "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.5, 0.5)}  # fmt: skip
    data = types.SimpleNamespace(resolve_model_data_config=lambda _model: config)
    stand_in(monkeypatch, "timm", create_model=create_model, data=data)
    backbone = open_backbone("timm:small.tag_in1k", CPU, "fp32")
    assert asked == [("small.tag_in1k", {"pretrained": True, "num_classes": 0}, "1")]
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    inputs = backbone.prepare(clip())
    assert inputs.shape == (5, 3, 32, 32) and "resize 36, crop (32, 32), bicubic" in backbone.identity["preprocessing"]
    with torch.no_grad():
        torch.testing.assert_close(backbone.features(inputs), create_model("").eval()(inputs))
    assert backbone.identity["timm"] == "9.9" and len(backbone.identity["revision"]) == 32
    with pytest.raises(BadInput, match=r"timm cannot make it \(Unknown model"):
        open_backbone("timm:absent", CPU, "fp32")
    with pytest.raises(BadInput, match="leave '\\?pool=' out"):
        open_backbone("timm:small?pool=mean", CPU, "fp32")
    config["crop_mode"] = "border"
    with pytest.raises(BadInput, match="none that is known"):
        open_backbone("timm:small", CPU, "fp32")


@pytest.mark.parametrize(
    ("head", "value", "dim"),
    [
        ("fc", None, 6),
        ("classifier", nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 10)), 4),
        ("heads", nn.Sequential(nn.Dropout(), nn.Linear(6, 10)), 6),
        ("other", None, None),
    ],
)
def test_torchvision(monkeypatch, head, value, dim):
    preset = types.SimpleNamespace(
        resize_size=[40], crop_size=[32], mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4],
        interpolation=types.SimpleNamespace(value="bilinear"),
    )  # fmt: skip
    weights = types.SimpleNamespace(url="https://host/small-0a1b2c3d.pth", transforms=lambda: preset)
    models = types.SimpleNamespace(
        get_model_weights=lambda name: {"small": {"DEFAULT": weights, "V2": weights}}[name],
        get_model=lambda name, weights: Small(head, value),
    )
    stand_in(monkeypatch, "torchvision", models=models)
    if dim is None:
        with pytest.raises(BadInput, match="does not end in a linear layer"):
            open_backbone("torchvision:small@V2", CPU, "fp32")
        return
    backbone = open_backbone("torchvision:small@V2", CPU, "fp32")
    assert backbone.dim == dim and backbone.identity["revision"] == "small-0a1b2c3d.pth"
    inputs = backbone.prepare(clip())
    assert inputs.shape == (5, 3, 32, 32) and backbone.features(inputs).shape == (5, dim)
    for absent in ("torchvision:absent", "torchvision:small@V9"):
        with pytest.raises(BadInput, match="torchvision cannot make it"):
            open_backbone(absent, CPU, "fp32")


def test_missing_packages_are_named(monkeypatch):
    for spec, package, how in (
        ("timm:resnet50", "timm", "pip install timm"),
        ("torchvision:resnet50", "torchvision", "pip install torchvision"),
        ("hf:a/b", "transformers", "pip install -e '.[extract]'"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.delitem(sys.modules, f"benchmark.extraction.backbones_{package}", raising=False)
            with pytest.raises(BadInput) as caught:
                open_backbone(spec, CPU, "fp32")
        assert str(caught.value) == f"backbone '{spec}' needs the package {package}; {how}"


OWN = """
import torch
from torch import nn
from benchmark.extraction.backbones import Backbone
from benchmark.extraction.preprocessing import Preprocessing

def maps():
    torch.manual_seed(0)
    return nn.Conv2d(3, 7, 16, stride=16)

def small():
    return maps(), Preprocessing(32, (32, 32))

class Mean(Backbone):
    spec, dim, identity = "mine", 3, {"source": "mine"}
    def prepare(self, frames):
        return frames.float()
    def features(self, inputs):
        return inputs.mean((2, 3))

def whole():
    return Mean()

def number():
    return 7

def texts():
    return nn.Embedding(10, 4)
"""


def test_a_function_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "own_backbone.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    maps, small, whole = (open_backbone(f"py:own_backbone:{name}", CPU, "fp32") for name in ("maps", "small", "whole"))
    assert maps.prepare(clip()).shape == (5, 3, 224, 224) and small.prepare(clip()).shape == (5, 3, 32, 32)
    import own_backbone

    inputs = small.prepare(clip())
    with torch.no_grad():
        torch.testing.assert_close(small.features(inputs), own_backbone.maps()(inputs).mean((2, 3)))
    assert maps.dim == 7 and maps.identity["revision"] == small.identity["revision"]
    assert isinstance(whole, Backbone) and whole.features(whole.prepare(clip())).shape == (5, 3)
    for spec, told in (
        ("py:own_backbone:number", "returns something else; expected a Backbone, a torch.nn.Module, or"),
        ("py:own_backbone:texts", "does not take pictures ("),
        ("py:own_backbone:absent", "'own_backbone' has no function 'absent'"),
        ("py:own_backbone", "names no function; expected py:PACKAGE.MODULE:FUNCTION"),
        ("py:absent_module:f", "'absent_module' cannot be imported ("),
    ):
        with pytest.raises(BadInput) as caught:
            open_backbone(spec, CPU, "fp32")
        assert told in str(caught.value)
    own_weights = maps.identity["revision"]
    shutil.copy(tmp_path / "own_backbone.py", tmp_path / "other_backbone.py")
    assert open_backbone("py:other_backbone:maps", CPU, "fp32").identity["revision"] == own_weights
