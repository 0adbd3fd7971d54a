"""Options of a run: declared in one place, found in key, label, page, command, TOML and arguments; keys never move."""

import argparse
import json
import shlex
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import pytest

from benchmark.catalogue.choice import choose_method, read_settings
from benchmark.cells import plan
from benchmark.cells.cell import identity
from benchmark.commands.options import add_arguments, fill_from_toml
from benchmark.errors import BadInput
from benchmark.interfaces.videos import FrameShape
from benchmark.records import record
from benchmark.records.command_line import run_command
from benchmark.records.curve import Curve
from benchmark.records.option import Option
from benchmark.records.options import CellOptions, RunOptions
from benchmark.records.record import options_of
from reports.matrix.labels import label_rows
from reports.matrix.rows import Row
from tests.support.fakes import make


class MadeUp(RunOptions):
    """One more option, declared here and nowhere else."""

    warmth: Annotated[
        int,
        Option(
            "--warm-up",
            "epochs of a slow start",
            metavar="W",
            takes=int,
            least=0,
            key=("warmth",),
            label="{} warm".format,
            heading="slow start",
            text="{} epochs".format,
        ),
    ] = 0


def dataset(drawn=None):
    return SimpleNamespace(
        name="d", title="D", fingerprint="f", shape=FrameShape(25, 512), protocol={}, drawn=drawn,
        split=lambda name: np.empty(100), groups=lambda name: None,
    )  # fmt: skip


def cell(method="conmh", settings=(), drawn=None, options=RunOptions, **values):
    opened = [("d", dataset(drawn))]
    return plan.cells([choose_method(method)], opened, [16], [0], read_settings(settings), options(**values))[0]


def filled(tmp_path, words=(), toml="", model=MadeUp):
    """The options that arguments and a TOML file ask for."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, model.declared().values())
    path = tmp_path / "run.toml"
    path.write_text(toml)
    args = argparse.Namespace(config=path, set=None, **vars(parser.parse_args(words)))
    fill_from_toml(args, model)
    return model.read(vars(args))


def test_a_made_up_option_is_found_everywhere(tmp_path):
    plain, warm = cell(options=MadeUp), cell(options=MadeUp, warmth=3)
    assert plain.key == cell().key != warm.key
    assert warm.options.key_parts() == {"warmth": 3} and plain.options.key_parts() == {}
    assert warm.label() == f"{plain.label()}, 3 warm"
    stored = record.Identity.model_validate(json.loads(identity(warm).model_dump_json()))
    assert options_of(stored, MadeUp) == warm.options
    command = run_command(stored, model=MadeUp)
    assert command.endswith("--seeds 0 --warm-up 3") and "--warm-up" not in run_command(identity(plain), model=MadeUp)
    words = shlex.split(command)
    assert filled(tmp_path, words[words.index("--warm-up") :]) == warm.options
    assert filled(tmp_path, toml="warm_up = 3\n") == warm.options
    assert filled(tmp_path, ["--warm-up", "4"], "warm_up = 3\n").warmth == 4
    with pytest.raises(BadInput, match="--warm-up is out of range; expected 0 or more, found -1"):
        filled(tmp_path, ["--warm-up", "-1"])
    with pytest.raises(BadInput, match="key 'warm_up': has the wrong type; expected int, found 'long'"):
        filled(tmp_path, toml='warm_up = "long"\n')
    with pytest.raises(BadInput, match=r"key 'warmup': is unknown; did you mean 'warm_up'\?"):
        filled(tmp_path, toml="warmup = 3\n")
    assert cell("itq", options=MadeUp, warmth=3).key == cell("itq").key
    row = Row(stored, "ConMH")
    row.options = options_of(stored, MadeUp)
    label_rows([row])
    assert row.label == "ConMH [slow start 3 epochs]"


def test_a_made_up_option_makes_rows_of_its_own_even_where_it_is_unknown():
    from reports.matrix.grouping import build

    other = make(seed=1)
    other.identity = other.identity.model_copy(update={"warmth": 3})
    (group,) = build([make(), other])
    assert [len(row.records) for row in group.rows] == [1, 1]


def test_every_field_of_the_options_is_declared():
    assert set(RunOptions.declared()) == set(RunOptions.model_fields)
    assert set(CellOptions.model_fields) <= set(record.Identity.model_fields)
    flags = [option.flag for option in RunOptions.declared().values()]
    assert len(set(flags)) == len(flags)


KEYS = [
    ({}, "bcc3f2a5a70ae47b"),
    ({"method": "itq"}, "6451a4d1bda14e77"),
    ({"method": "bth:paper"}, "ac00578ac822c7b3"),
    ({"settings": ["conmh.mask_ratio=0.6"]}, "beb42358829d3f4b"),
    ({"epochs": 3}, "5fbccd1686478baf"),
    ({"seconds": 90}, "a7b488a21429529e"),
    ({"seconds": 0.5}, "3461546533e8dc78"),
    ({"epochs": 3, "seconds": 90}, "3e7bc5257dfacbae"),
    ({"precision": "bf16"}, "032137198d82b4f4"),
    ({"compiled": True}, "5869dc040383e958"),
    ({"selection": "test"}, "1b551e2dc7fb41ad"),
    ({"selection": "test", "eval_every": 2}, "a2319c86dac15081"),
    ({"selection": "validation"}, "00a33a384a494ebc"),
    ({"selection": "validation", "eval_every": 5}, "78370fba37af5eb4"),
    ({"curve": Curve((1, 2), 5)}, "bcc3f2a5a70ae47b"),
    ({"drawn": 24}, "bcc3f2a5a70ae47b"),
]
ALL = {"epochs": 3, "seconds": 90, "precision": "bf16", "compiled": True, "eval_every": 2, "curve": Curve(every=1)}


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        *KEYS,
        ({**ALL, "selection": "validation", "drawn": 24}, "65d16a2ac56827f1"),
        ({**ALL, "selection": "test", "method": "itq"}, "6451a4d1bda14e77"),
    ],
)
def test_keys_did_not_move(asked, key):
    """Keys of the plan before options were one model."""
    assert cell(**asked).key == key


@pytest.mark.parametrize(
    ("method", "length", "key"),
    [
        ("bth", 16, "739661d482a9355d"), ("chain", 32, "bd870a7963522f78"), ("conmh", 16, "c1d72dbc19b0831c"),
        ("conmh", 32, "274eb6cac28e03b1"), ("itq", 16, "6ea36fff80cc36a2"), ("itq", 32, "44883fae06479db0"),
        ("lsh", 16, "0d560fd828854c63"), ("mcmsh", 16, "e00507220e5260c0"),
    ],
)  # fmt: skip
def test_keys_of_stored_records_did_not_move(method, length, key):
    """Records of a run of before options were one model: two epochs on 240 training videos."""
    data = dataset(drawn=240)
    data.name, data.fingerprint = "moving_digits", "2b551862767d165aba4f0f11ebc03225"
    options = RunOptions(epochs=2, subset=240)
    (found,) = plan.cells([choose_method(method)], [("moving_digits", data)], [length], [0], {}, options)
    assert found.key == key


def test_the_line_of_a_cell_names_what_was_asked_for():
    label = cell(**ALL, selection="validation", drawn=24).label()
    words = "bf16, subset of 24, compiled, select validation every 2, curve every:1, at most 90s"
    assert label == f"conmh on d, 16 bits, seed 0, {words}"


@pytest.mark.parametrize("asked", [asked for asked, _ in KEYS])
def test_the_command_of_an_identity_asks_for_the_same_options(tmp_path, asked):
    made = cell(**asked)
    stored = record.Identity.model_validate(json.loads(identity(made).model_dump_json()))
    assert options_of(stored) == made.options
    words = shlex.split(run_command(stored))
    rest = words[words.index("--seeds") + 2 :]
    rest = rest[: rest.index("--set")] if "--set" in rest else rest
    assert filled(tmp_path, rest, model=RunOptions) == made.options


def test_records_of_before_options_are_readable():
    identity = record.Identity.model_validate(
        {
            "method": "m", "method_title": "M", "variant": "default", "dataset": "d", "dataset_title": "D", "bits": 8,
            "seed": 0, "config": {}, "budget": {"epochs": 2, "seconds": 90},
        }
    )  # fmt: skip
    assert options_of(identity) == RunOptions(epochs=2, seconds=90)
    assert identity.settings is None and identity.precision == "fp32"


def test_an_option_without_the_one_that_it_joins_is_a_mistake():
    with pytest.raises(BadInput, match="--eval-every has an effect only together with --select; add --select valid"):
        RunOptions.read({"eval_every": 2})
    assert RunOptions.read({"eval_every": 2, "select": "test"}).eval_every == 2
