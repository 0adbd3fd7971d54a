"""Commands that are shown can be pasted, tables with odd lines are told, and nothing is told at great length."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

from tests.support.fault_inputs import LONGEST, QUERY, TRAIN, declaration, make_dataset

ODD_NAMES = ["with space", "quo'te", 'double"quote', "semi;colon", "dollar$HOME", "paren(1)", "star*", "-dash", "#hash"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_commands_in_records_and_on_the_page_are_quoted(bench, name):
    folder = make_dataset(bench.root / name)
    text = declaration("plain")
    (folder / "dataset.toml").write_text(text)
    bench.run(folder).done()
    (record,) = bench.records()
    words = shlex.split(record["rerun"])
    assert str(folder) in words
    bench.run(folder, "--seeds", 1, method="random").done()
    bench.call("report", "--results", bench.results, "--out", bench.root / "html").done()


@pytest.mark.parametrize("name", ODD_NAMES[:4])
def test_commands_that_are_printed_are_quoted(bench, name):
    folder, out = make_dataset(bench.root / "plain"), bench.root / name
    printed = bench.call("convert", "--dataset", folder, "--out", out).done().out
    (line,) = [line for line in printed.splitlines() if "python -m benchmark run" in line]
    words = shlex.split(line.partition(": ")[2])
    assert words[:4] == ["python", "-m", "benchmark", "run"]
    assert words[-1].endswith(name)


def with_mark(text):
    return b"\xef\xbb\xbf" + text.encode()


def test_a_byte_order_mark_in_a_declaration(bench, whole_score):
    folder = make_dataset(bench.root / "odd")
    (folder / "dataset.toml").write_bytes(with_mark(declaration("odd")))
    bench.run(folder).done()
    assert bench.map20() == whole_score


def test_a_byte_order_mark_in_a_configuration(bench):
    folder = make_dataset(bench.root / "odd")
    path = bench.root / "experiment.toml"
    text = f'methods = ["lsh"]\nbits = [16]\ndatasets = [{json.dumps(str(folder))}]\n'
    path.write_bytes(with_mark(text))
    bench.call("run", "--config", path, "--no-page", "--results", bench.results).done()


@pytest.mark.parametrize("name", ["dataset.toml", "experiment.toml"])
def test_other_encodings_of_toml(bench, name):
    folder = make_dataset(bench.root / "odd")
    if name == "dataset.toml":
        (folder / name).write_bytes(declaration("odd").encode("utf-16"))
        outcome = bench.run(folder)
    else:
        (bench.root / name).write_bytes('methods = ["lsh"]\n'.encode("utf-16"))
        outcome = bench.call("run", "--config", bench.root / name)
    assert name in outcome.sentence() and "UTF-8" in outcome.sentence()


def test_backslashes_in_toml(bench):
    folder = make_dataset(bench.root / "odd")
    (folder / "dataset.toml").write_text(declaration("odd").replace('"train.h5"', '"D:\\data\\train.h5"'))
    sentence = bench.run(folder).sentence()
    assert "dataset.toml" in sentence and "line 4" in sentence


GROUPS = "split,row,group\n" + "".join(f"train,{row},g{row // 2}\n" for row in range(TRAIN))
GROUPS += "".join(f"query,{row},q{row}\n" for row in range(QUERY))

SAME = {
    "as it is": lambda text: text.encode(),
    "byte order mark": with_mark,
    "line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "spaces after commas": lambda text: text.replace(",", ", ").encode(),
    "empty last line": lambda text: (text + "\n").encode(),
    "quotes": lambda text: "".join(
        ",".join(f'"{part}"' for part in line.split(",")) + "\n" for line in text.split("\n") if line
    ).encode(),
}


@pytest.mark.parametrize("form", SAME)
def test_groups_as_people_save_them(bench, form):
    folders = []
    for name, change in (("plain", SAME["as it is"]), ("odd", SAME[form])):
        folder = make_dataset(bench.root / name)
        (folder / "dataset.toml").write_text(declaration("one"))
        (folder / "videos.csv").write_bytes(change(GROUPS))
        bench.run(folder, "--subset", 32, results=bench.root / f"of-{name}").done()
        folders.append(bench.records(bench.root / f"of-{name}")[0]["data"]["fingerprint"])
    assert folders[0] == folders[1]


REFUSED = {
    "a short line": lambda text: text.replace("train,3,g1", "train,3").encode(),
    "a line of one field": lambda text: text.replace("train,3,g1", "train").encode(),
    "a cut last line": lambda text: text.rsplit(",", 1)[0].encode(),
    "a line too few": lambda text: text.replace("train,3,g1\n", "").encode(),
    "a line twice": lambda text: (text + "train,3,g1\n").encode(),
    "a row that is no number": lambda text: text.replace("train,3,", "train,x,").encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "two bytes a character": lambda text: text.encode("utf-16"),
    "another encoding": lambda text: text.replace("g7", "\u00e9").encode("latin-1"),
    "no header": lambda text: text.split("\n", 1)[1].encode(),
}


@pytest.mark.parametrize("form", REFUSED)
def test_groups_that_cannot_be_read(bench, form):
    folder = make_dataset(bench.root / "odd")
    (folder / "videos.csv").write_bytes(REFUSED[form](GROUPS))
    assert "videos.csv" in bench.run(folder, "--subset", 32).sentence()


def test_refusals_are_short_however_much_there_is(bench):
    folder = make_dataset(bench.root / "odd")
    text = declaration("odd")
    many = json.dumps([f"class number {number}" for number in range(20_000)])
    for changed in (
        f"classes = {many}\n{text}",
        text.replace('name = "odd"', f"nam{'e' * 100_000} = 3"),
        text.replace('"train.h5"', json.dumps(["x" * 1000] * 300)),
        text.replace('name = "odd"', f'name = "{"o" * 500_000} d"'),
        f"{text}\n[protocol]\nties = {many}\n",
    ):
        (folder / "dataset.toml").write_text(changed)
        assert "dataset.toml" in bench.run(folder).sentence()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--methods", "m" * 100_000),
        ("run", "--methods", "lsh", "--datasets", "synthetic:" + "x" * 100_000),
        ("run", "--methods", "lsh", "--datasets", "synthetic", "--set", "lsh." + "k" * 100_000 + "=3"),
        ("run", "--methods", "lsh", "--datasets", "synthetic", "--set", "lsh.seed=" + "3" * 100_000),
        ("run", "--methods", "conmh", "--datasets", "synthetic", "--time-budget", "9" * 100_000),
        ("run", "--methods", "conmh", "--datasets", "synthetic", "--curve", "e" * 100_000),
    ],
)
def test_long_arguments_are_not_printed_whole(call, words):
    call(*words).sentence()


def test_long_tables_are_not_printed_whole(bench):
    folder = make_dataset(bench.root / "odd")
    np.savez(folder / "train.npz", **{f"array{number}": np.zeros(1) for number in range(3000)})
    (folder / "dataset.toml").write_text(declaration("odd").replace('"train.npy"', '"train.npz"'))
    assert "train.npz" in bench.run(folder).sentence()


def test_names_are_listed_without_torch(root):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "benchmark", "list", "methods"], cwd=root, capture_output=True,
        text=True, check=True, timeout=120,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "Spectral Hashing" in done.stdout
    assert not imported & {"torch", "sklearn", "scipy.sparse", "numba", "matplotlib", "h5py"}


def test_sentences_of_argparse_are_short(capsys):
    from benchmark.cli import main

    for words in (["run", "--bits", "x" * 100_000], ["run", "--device", "x" * 100_000], ["x" * 100_000]):
        with pytest.raises(SystemExit) as leaving:
            main(words)
        assert leaving.value.code == 2
        printed = capsys.readouterr().err
        assert max(map(len, printed.splitlines())) <= LONGEST
