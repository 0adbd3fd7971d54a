"""The command that makes cells again: quoted for a shell, for new records and for those that stored it unquoted."""

import shlex

from benchmark.records.command_line import again, run_command, stored_argument
from tests.support.fakes import make


def with_settings(**settings):
    record = make(bits=16, variant="paper")
    record.identity = record.identity.model_copy(update={"settings": settings})
    return record


def test_folders_and_settings_with_spaces_and_quotes_are_one_word_each():
    identity = with_settings(name='it\'s "x" y', depth=3, floor=None).identity
    command = run_command(identity, "/my data/a $b", [16, 32], [0, 1])
    assert shlex.split(command) == [
        "python", "-m", "benchmark", "run", "--methods", "conmh:paper", "--datasets", "/my data/a $b",
        "--bits", "16", "32", "--seeds", "0", "1",
        "--set", "conmh.name=it's \"x\" y", "conmh.depth=3", "conmh.floor=None",
    ]  # fmt: skip


def test_a_quoted_command_gives_its_dataset_back():
    record = with_settings(name="a b")
    record.rerun = run_command(record.identity, "/my data/set")
    assert stored_argument(record) == "/my data/set"
    assert again(record) == record.rerun


def test_the_unquoted_command_of_an_old_record_gives_settings_dataset_and_curve():
    record = make(bits=16, budget={"epochs": 2})
    record.rerun = (
        "python -m benchmark run --methods conmh:default --datasets /my data/it's --bits 16 --seeds 0 --epochs 2 "
        "--curve 1 every:3 --set conmh.name=a  b --set conmh.depth=3"
    )
    words = shlex.split(again(record, seeds=[4]))
    assert words[4:] == [
        "--methods", "conmh", "--datasets", "/my data/it's", "--bits", "16", "--seeds", "4",
        "--curve", "1", "every:3", "--epochs", "2", "--set", "conmh.name=a  b", "conmh.depth=3",
    ]  # fmt: skip
    assert shlex.split(again(record, "elsewhere"))[6:8] == ["--datasets", "elsewhere"]


def test_a_record_without_a_command_is_made_again_by_its_names():
    record = make(bits=16).model_copy(update={"rerun": ""})
    assert again(record) == "python -m benchmark run --methods conmh --datasets ucf101 --bits 16 --seeds 0"
    broken = with_settings(a=1)
    broken.rerun = "run --datasets 'x"
    assert again(broken).endswith("--set conmh.a=1")
    old = make(bits=16)
    old.rerun = "run --curve soon"
    assert "--curve" not in again(old)
