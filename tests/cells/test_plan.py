"""From words to cells: names, variants, settings, TOML, and the message of every mistake."""

import argparse
from types import SimpleNamespace

import pytest

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method, read_settings, resolve_config
from benchmark.cells import plan
from benchmark.commands.options import fill_from_toml
from benchmark.errors import BadInput
from benchmark.evaluation.protocol import PRESETS
from benchmark.records import record
from benchmark.records.curve import Curve
from benchmark.records.options import RunOptions
from tests.support.plans import make_cells


def test_key_moves_with_everything_that_can_move_the_number():
    keys = [
        make_cells()[0].key,
        make_cells(settings=["conmh.mask_ratio=0.6"])[0].key,
        make_cells(epochs=3)[0].key,
        make_cells(fingerprint="g")[0].key,
        make_cells(method="itq")[0].key,
    ]
    assert len(set(keys)) == len(keys)
    assert make_cells()[0].key == make_cells()[0].key


def test_keys_hold_what_is_asked_for_and_nothing_else():
    """Records of before selection, curves and budgets of time keep their keys."""
    cell = make_cells(epochs=3)[0]
    parts = {
        "method": "conmh",
        "variant": cell.choice.variant,
        "bits": 16,
        "seed": 0,
        "config": cell.config.model_dump(mode="json"),
        "data": "f",
        "protocol": {name: item.model_dump() for name, item in PRESETS.items()},
        "budget": {"epochs": 3},
    }
    assert cell.key == record.cell_key(parts)
    assert make_cells(epochs=3, curve=Curve(every=1))[0].key == cell.key
    timed = make_cells(epochs=3, seconds=90)[0]
    assert timed.key == record.cell_key({**parts, "budget": {"epochs": 3, "seconds": 90}})
    chosen = make_cells(epochs=3, selection="test", eval_every=2)[0]
    assert chosen.key == record.cell_key({**parts, "selection": {"on": "test", "every": 2}})
    everything = {"selection": "test", "eval_every": 2, "seconds": 90}
    assert make_cells(method="itq", epochs=3, **everything)[0].key == make_cells(method="itq")[0].key


def test_presets_and_settings_are_resolved_in_order():
    choice = choose_method("conmh")
    assert resolve_config(choice, "fcvid", {}).batch_size == 512
    assert resolve_config(choice, "activitynet", {}).batch_size == 128
    assert resolve_config(choice, "fcvid", {"batch_size": "64"}).batch_size == 64


def test_protocols_take_the_overrides_of_the_dataset():
    changed = SimpleNamespace(protocol={"self_match": "exclude"})
    assert plan.protocols_of(changed)["field"].self_match == "exclude"
    assert plan.protocols_of(SimpleNamespace(protocol={})) == PRESETS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (lambda: choose_method("conhm"), "unknown method 'conhm'; did you mean 'conmh'?"),
        (lambda: choose_method("zzzzzz"), "unknown method 'zzzzzz'; known: "),
        (lambda: choose_method("conmh:papr"), "has no variant 'papr'"),
        (
            lambda: read_settings(["conmh.mask_ratio"]),
            "mask_ratio; expected METHOD.KEY=VALUE",
        ),
        (lambda: read_settings(["mask_ratio=1"]), "cannot read --set mask_ratio=1"),
        (lambda: read_settings(["conmhh.x=1"]), "did you mean 'conmh'?"),
        (lambda: make_cells(settings=["conmh.mask_ration=1"]), "no setting 'mask_ration'; did you mean 'mask_ratio'?"),
        (
            lambda: make_cells(settings=["conmh.mask_ratio=many"]),
            "'mask_ratio': Input should be a valid number",
        ),
        (lambda: make_cells(settings=["conmh.mask_ratio=1.5"]), "setting 'mask_ratio': Input should be less than"),
        (lambda: make_cells(settings=["itq.iterations=5"]), "method 'itq' is not among --methods"),
        (lambda: plan.check_numbers([0], [0]), "--bits is out of range; expected 1 to 4096, found 0"),
        (lambda: plan.check_numbers([16], [-1]), "--seeds is out of range; expected 0 or more, found -1"),
        (lambda: RunOptions.read({"epochs": 0}), "--epochs is out of range; expected 1 or more, found 0"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words, message):
    with pytest.raises(BadInput) as caught:
        words()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def toml(tmp_path, text, **flags):
    path = tmp_path / "run.toml"
    path.write_text(text)
    names = (
        "methods",
        "datasets",
        "bits",
        "seeds",
        "epochs",
        "device",
        "rerun",
        "results",
        "data_root",
        "cache",
        "set",
    )
    args = argparse.Namespace(config=path, **{name: flags.get(name) for name in names})
    fill_from_toml(args)
    return args


def test_toml_fills_what_the_flags_left_out(tmp_path):
    text = 'methods = ["conmh"]\nbits = [16, 32]\nepochs = 3\nresults = "r"\n[set.conmh]\nmask_ratio = 0.6\n'
    args = toml(tmp_path, text, bits=[64], set=["conmh.size=mini"])
    assert (args.methods, args.bits, args.epochs) == (["conmh"], [64], 3)
    assert args.results.name == "r"
    assert read_settings(args.set) == {"conmh": {"mask_ratio": "0.6", "size": "mini"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods = [", "is not readable TOML"),
        ('method = ["conmh"]', "key 'method': is unknown; did you mean 'methods'?"),
        ('methods = "conmh"', "key 'methods': has the wrong type; expected a list of str, found conmh"),
        ("bits = [16.5]", "key 'bits': has the wrong type; expected a list of int"),
        ('epochs = "3"', "key 'epochs': has the wrong type; expected int, found '3'"),
        ('device = "gpu"', "key 'device': has an unknown value; expected auto | cpu | cuda, found 'gpu'"),
        ("set = 3", "key 'set': has the wrong form"),
    ],
)
def test_mistakes_in_toml(tmp_path, text, message):
    with pytest.raises(BadInput) as caught:
        toml(tmp_path, text)
    assert message in str(caught.value)
    assert "run.toml" in str(caught.value)


def test_missing_toml(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        fill_from_toml(argparse.Namespace(config=tmp_path / "absent.toml"))


def test_a_guest_that_cannot_be_imported_is_a_sentence(monkeypatch, tmp_path):
    room = tmp_path / "methods"
    room.mkdir()
    (room / "broken_guest_a.py").write_text("import package_that_is_not_there\n")
    (room / "broken_guest_b.py").write_text("x = 1\n")
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import methods

    monkeypatch.setattr(methods, "__path__", [str(room)])
    assert set(registry.methods()) == {"broken_guest_a", "broken_guest_b"}
    with pytest.raises(BadInput, match="install 'package_that_is_not_there'"):
        registry.load_method("broken_guest_a")
    with pytest.raises(BadInput, match="expected 1 subclass of Method, found 0"):
        registry.load_method("broken_guest_b")
