"""Checkpoints as trainers leave them: every usual layout is taken by every method, and what is odd is told by name."""

import argparse

import numpy as np
import pytest
import torch

from tests.support.fault_inputs import Bench, Outcome, make_dataset

IMPORTED = ("conmh", "bth", "mcmsh")
"""Methods that take the checkpoints of their authors."""


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A model.pt of each method, of one epoch, and the features they were made from."""
    from benchmark.cli import main

    root = tmp_path_factory.mktemp("models")
    folder = make_dataset(root / "plain")
    bench = Bench(root, lambda *words: Outcome((), main([str(word) for word in words]), "", ""))
    found = {}
    for method in (*IMPORTED, "lsh"):
        small = ("--set", "conmh.size=mini") if method == "conmh" else ()
        bench.run(folder, "--epochs", 1, *small, method=method).done()
        (found[method],) = bench.results.glob(f"plain/{method}/16/*/model.pt")
    return folder, found


@pytest.fixture
def encode(call, models, tmp_path):
    folder, found = models

    def run(method, payload, name="odd.pt", raw=None):
        path = tmp_path / name
        if raw is None:
            torch.save(payload, path)
        else:
            path.write_bytes(raw)
        return call(
            *("encode", "--method", method, "--checkpoint", path, "--features", folder / "query.h5"),
            *("--out", tmp_path / "codes.npz", "--device", "cpu"),
        )

    run.payload = lambda method: torch.load(found[method], weights_only=True)
    run.file = lambda method: found[method].read_bytes()
    run.codes = lambda: np.load(tmp_path / "codes.npz")["codes"]
    return run


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


LAYOUTS = {
    "model_state_dict": lambda state: {"model_state_dict": state, "epoch": 3},
    "state_dict": lambda state: {"state_dict": state},
    "model": lambda state: {"model": state, "lr": 0.1},
    "plain": dict,
    "module.": lambda state: {"model_state_dict": prefixed(state, "module.")},
    "_orig_mod.": lambda state: {"model_state_dict": prefixed(state, "_orig_mod.")},
    "module._orig_mod.": lambda state: {"state_dict": prefixed(state, "module._orig_mod.")},
    "_orig_mod.module.": lambda state: prefixed(state, "_orig_mod.module."),
    "model. of a trainer": lambda state: {"state_dict": prefixed(state, "model."), "epoch": 3,
                                          "pytorch-lightning_version": "2.0"},
    "half": lambda state: {"model_state_dict": {name: value.half() for name, value in state.items()}},
    "double": lambda state: {"model_state_dict": {name: value.double() for name, value in state.items()}},
}  # fmt: skip


@pytest.mark.parametrize("method", IMPORTED)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(encode, method, layout):
    ours = encode.payload(method)
    state = ours["state"]
    encode(method, ours).done()
    expected = encode.codes()
    encode(method, {"model_state_dict": state}).done()
    same = encode.codes()
    encode(method, LAYOUTS[layout](state)).done()
    found = encode.codes()
    assert found.shape == expected.shape
    if layout != "half":
        assert np.array_equal(found, same)


BROKEN = {
    "nan": lambda ours: {**ours, "state": {
        name: value * float("nan") if value.is_floating_point() else value for name, value in ours["state"].items()}},
    "infinity": lambda ours: {**ours, "state": {
        name: value + float("inf") if value.is_floating_point() else value for name, value in ours["state"].items()}},
    "no entry but format and method": lambda ours: {"format": ours["format"], "method": ours["method"]},
    "no method": lambda ours: {name: value for name, value in ours.items() if name != "method"},
    "config is no JSON": lambda ours: {**ours, "config": "{"},
    "config is a list": lambda ours: {**ours, "config": "[1]"},
    "config is a number": lambda ours: {**ours, "config": 3},
    "an unknown setting": lambda ours: {**ours, "config": '{"nothing_such": 1}'},
    "bits is a text": lambda ours: {**ours, "bits": "x"},
    "bits is negative": lambda ours: {**ours, "bits": -16},
    "bits is zero": lambda ours: {**ours, "bits": 0},
    "bits is huge": lambda ours: {**ours, "bits": 10**9},
    "bits is a float": lambda ours: {**ours, "bits": 16.0},
    "bits is true": lambda ours: {**ours, "bits": True},
    "dim is None": lambda ours: {**ours, "dim": None},
    "frames is a text": lambda ours: {**ours, "frames": "6"},
    "precision is unknown": lambda ours: {**ours, "precision": "fp8"},
    "state is a list": lambda ours: {**ours, "state": [1]},
    "state is empty": lambda ours: {**ours, "state": {}},
    "state holds a number": lambda ours: {**ours, "state": {**ours["state"], "extra": 3}},
    "state holds one more": lambda ours: {**ours, "state": {**ours["state"], "extra": torch.ones(2)}},
    "state has a number as key": lambda ours: {**ours, "state": {**ours["state"], 3: torch.ones(2)}},
    "a tensor of another shape": lambda ours: {**ours, "state": {
        name: value[..., None] for name, value in ours["state"].items()}},
    "integers in place of floats": lambda ours: {**ours, "state": {
        name: value.to(torch.int64) for name, value in ours["state"].items()}},
    "complex values": lambda ours: {**ours, "state": {
        name: value.to(torch.complex64) for name, value in ours["state"].items()}},
    "sparse values": lambda ours: {**ours, "state": {
        name: value.to_sparse() if value.ndim else value for name, value in ours["state"].items()}},
    "method is a number": lambda ours: {**ours, "method": 3},
    "a later format": lambda ours: {**ours, "format": "video-hashing-model-9"},
    "a list": lambda ours: [1, 2],
    "a tensor": lambda ours: torch.ones(2),
    "a namespace beside the state": lambda ours: {"model_state_dict": ours["state"], "args": argparse.Namespace(a=1)},
    "a whole module": lambda ours: torch.nn.Linear(2, 2),
    "nothing": lambda ours: {},
}  # fmt: skip

MAY_WORK = ("integers in place of floats", "sparse values", "bits is a float", "state holds one more")


@pytest.mark.parametrize("method", ["lsh", "conmh"])
@pytest.mark.parametrize("what", BROKEN)
def test_odd_entries(encode, method, what):
    outcome = encode(method, BROKEN[what](encode.payload(method)))
    if outcome.code == 0:
        assert what in MAY_WORK
        assert set(np.unique(encode.codes())) <= {-1, 1}
    else:
        assert "odd.pt" in outcome.sentence()


RAW = {
    "cut": lambda data: data[:5000] if len(data) > 6000 else data[: len(data) // 2],
    "empty": lambda data: b"",
    "a pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a web page": lambda data: b"<!DOCTYPE html>",
    "a text": lambda data: b"hello",
}


@pytest.mark.parametrize("method", ["lsh", "conmh"])
@pytest.mark.parametrize("what", RAW)
def test_damaged_files(encode, method, what):
    sentence = encode(method, None, raw=RAW[what](encode.file(method))).sentence()
    assert "odd.pt" in sentence
    if what in ("a pointer", "a web page", "a text", "empty"):
        assert "Python objects" not in sentence


@pytest.mark.parametrize("method", ["lsh", "itq", "random", "chain"])
def test_methods_without_a_format_of_authors_say_what_they_take(encode, method):
    sentence = encode(method, {"model_state_dict": {"w": torch.ones(2)}}).sentence()
    assert "odd.pt" in sentence and "model.pt" in sentence


@pytest.mark.parametrize("payload", [[1, 2], torch.ones(2), {"args": argparse.Namespace(a=1)}], ids=str)
def test_advice_is_one_that_the_method_takes(encode, payload):
    sentence = encode("lsh", payload).sentence()
    assert "model.pt" in sentence and "torch.save" not in sentence


def test_a_changed_value_in_the_file_is_damage(encode):
    data = bytearray(encode.file("lsh"))
    weight = encode.payload("lsh")["state"]["weight"].numpy().tobytes()
    place = bytes(data).index(weight)
    data[place + 2] ^= 1
    assert "damaged" in encode("lsh", None, raw=bytes(data)).sentence()


def test_arrays_of_numpy_and_compiled_parts(encode):
    state = encode.payload("conmh")["state"]
    encode("conmh", {"model_state_dict": state}).done()
    expected = encode.codes()
    odd = {name.replace("encoder.", "encoder._orig_mod.", 1): value.numpy() for name, value in state.items()}
    encode("conmh", {"net": odd, "best": np.float64(0.5)}).done()
    assert np.array_equal(encode.codes(), expected)


def test_advice_does_not_lead_in_a_circle(encode):
    """What a refusal says to do is taken: a state dict on its own, saved again with torch.save."""
    ours = encode.payload("conmh")
    sentence = encode("conmh", {"model_state_dict": ours["state"], "args": argparse.Namespace(a=1)}).sentence()
    assert "torch.save" in sentence
    encode("conmh", dict(ours["state"])).done()


def test_safetensors(encode, tmp_path, call, models):
    pytest.importorskip("safetensors")
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in encode.payload("conmh")["state"].items()}
    outcome = encode("conmh", None, name="odd.safetensors", raw=save(state))
    assert outcome.code == 0 or "odd.safetensors" in outcome.sentence()
