"""Checkpoints of BTH's authors, under the key names of their older and their current class."""

import numpy as np
import pytest
import torch

from benchmark.errors import BadInput
from benchmark.interfaces.method import FrameShape
from benchmark.interfaces.run import Run
from methods.bth import BTH, BTHConfig
from methods.parts.bert import position_table

SHAPE = FrameShape(5, 10)


def make(seed=0, **config):
    return BTH(8, SHAPE, BTHConfig(**{"width": 16, **config}), Run(seed, torch.device("cpu")))


def authors(method, old):
    """The state dict of the authors' class: with two dead embeddings, the position table, and in 2021's names."""
    state = {
        **method.state(),
        "bert.embedding.token.weight": torch.zeros(10, 16),
        "bert.embedding.segment.weight": torch.zeros(3, 16),
        "bert.embedding.position.pe": position_table(512, 16)[None],
    }
    if not old:
        return state
    renamed = {name.replace("bert.", "bert1.", 1): value for name, value in state.items()}
    second = {name.replace("bert.", "bert2.", 1): torch.ones_like(v) for name, v in state.items() if "bert." in name}
    return {**renamed, **second, "project.weight": torch.ones(10, 16), "project.bias": torch.ones(10)}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_codes_are_those_of_the_file(tmp_path, old, wrapped):
    method = make(layers=2)
    state = authors(method, old)
    torch.save({"model_state_dict": state} if wrapped else state, tmp_path / "9288.pth")
    imported = BTH.import_checkpoint(torch.load(tmp_path / "9288.pth", weights_only=True))
    assert (imported.bits, imported.shape, dict(imported.config)) == (8, FrameShape(0, 10), {"width": 16, "layers": 2})
    other = make(5, **imported.config)
    other.load(imported.state)
    frames = torch.from_numpy(np.random.default_rng(0).random((9, *SHAPE), dtype=np.float32))
    assert torch.equal(other.encode(frames), method.encode(frames))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bert.embedding.frame_map.weight": None}, "bert.embedding.frame_map.weight"),
        ({"bert.embedding.position.pe": torch.ones(1, 512, 16)}, "table of positions"),
        ({"bert.embedding.position.pe": torch.ones(512, 8)}, "table of positions"),
        ({"binary.weight": torch.ones(3)}, "binary.weight"),
    ],
)
def test_foreign_checkpoints_are_refused(change, says):
    state = {name: value for name, value in {**authors(make(), False), **change}.items() if value is not None}
    with pytest.raises(BadInput, match=says):
        BTH.import_checkpoint(state)
