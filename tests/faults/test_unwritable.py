"""Every verb says in one sentence why it cannot write, or that a path is none, and names the path."""

import errno
import os
import shutil

import pytest

from tests.support.fault_inputs import make_dataset

LONG = "n" * 246
"""With its ending as long as a name may be: a temporary file must not need more."""

TOO_LONG = "n" * 300


@pytest.fixture
def places(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "folder.json").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def model(stored_cells):
    return next(stored_cells.glob("*/lsh/*/*/model.pt"))


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "plain")


@pytest.fixture
def writing(call, plain, model, tmp_path):
    import numpy as np

    with np.load(model.parent / "codes.npz") as stored:
        np.savez(tmp_path / "codes.npz", packed=stored["database"], bits=stored["bits"])
    words = {
        "encode": ("encode", "--method", "lsh", "--checkpoint", model, "--features", plain / "query.h5", "--out"),
        "evaluate": (
            *("evaluate", "--self", "--database-codes", tmp_path / "codes.npz"),
            *("--database-labels", plain / "train.npy", "--json"),
        ),
    }
    return lambda verb, out: call(*words[verb], out)


ENDINGS = {"encode": ".npz", "evaluate": ".json"}


@pytest.mark.parametrize("verb", ENDINGS)
@pytest.mark.parametrize("what", ["a folder", "below a file", "too long", "a null byte"])
def test_one_output_file(writing, places, verb, what):
    out = {
        "a folder": places / f"folder{ENDINGS[verb]}",
        "below a file": places / "file" / f"x{ENDINGS[verb]}",
        "too long": places / f"{TOO_LONG}{ENDINGS[verb]}",
        "a null byte": f"{places}/nu\0ll{ENDINGS[verb]}",
    }[what]
    sentence = writing(verb, out).sentence()
    assert ".tmp" not in sentence and "make room" not in sentence
    assert {"a folder": "folder", "below a file": "file", "too long": "long", "a null byte": "nu"}[what] in sentence


@pytest.mark.parametrize("verb", ENDINGS)
def test_a_name_as_long_as_names_may_be(writing, places, verb):
    for name in ("n" * 240, "n" * 250, "\u00e9" * 122):
        out = places / f"{name}{ENDINGS[verb]}"
        if len(os.fsencode(out.name)) > 255:
            continue
        writing(verb, out).done()
        assert out.is_file()
    assert not list(places.glob(".*.tmp"))


@pytest.mark.parametrize("option", ["--results", "--cache"])
@pytest.mark.parametrize("what", ["a file", "below a file", "too long"])
def test_folders_of_a_run(call, plain, places, option, what):
    place = {"a file": places / "file", "below a file": places / "file" / "x", "too long": places / TOO_LONG}[what]
    other = {"--results": "--cache", "--cache": "--results"}[option]
    sentence = call(
        *("run", "--methods", "lsh", "--datasets", plain, "--bits", 16, "--no-page"),
        *(option, place, other, places / "other"),
    )
    if option == "--cache" and sentence.code == 0:
        assert place.name[:50] in sentence.text  # derived files may be left out, if that is said
    else:
        assert place.name[:50] in sentence.sentence()


@pytest.mark.parametrize("what", ["a file", "too long"])
@pytest.mark.parametrize("verb", ["report", "status", "robustness", "convert", "scale"])
def test_folders_of_other_verbs(call, plain, stored_cells, places, verb, what):
    place = places / ("file" if what == "a file" else TOO_LONG)
    words = {
        "report": ("report", "--results", stored_cells, "--out", place),
        "status": ("status", "--results", place),
        "robustness": ("robustness", "--results", place),
        "convert": ("convert", "--dataset", plain, "--out", place),
        "scale": ("scale", "--methods", "lsh", "--sizes", 64, "--dim", 8, "--out", place),
    }[verb]
    sentence = call(*words).sentence()
    assert place.name[:50] in sentence


@pytest.mark.parametrize("name", ["train.h5", "train.npy", "dataset.toml", "videos.csv"])
def test_a_folder_in_place_of_an_input(bench, name):
    folder = make_dataset(bench.root / "odd")
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    assert name in bench.run(folder, "--subset", 32).sentence()


@pytest.mark.parametrize("name", ["train.h5", "train.npy"])
@pytest.mark.parametrize("value", ["n" * 300, "nu\\u0000ll", "\\ud800"])
def test_names_in_a_declaration_that_no_file_can_have(bench, name, value):
    folder = make_dataset(bench.root / "odd")
    text = (folder / "dataset.toml").read_text().replace(f'"{name}"', f'"{value}"', 1)
    (folder / "dataset.toml").write_text(text)
    assert len(bench.run(folder).sentence()) > 20


@pytest.mark.parametrize("words", [("--datasets", "n" * 300), ("--datasets", "./" + "n" * 300), ("--config", TOO_LONG)])
def test_arguments_that_no_file_can_have(call, words):
    call("run", "--methods", "lsh", *words).sentence()


def test_features_and_checkpoints_that_no_file_can_have(call, plain, model, tmp_path):
    for features, checkpoint in ((f"{TOO_LONG}.h5", model), (plain / "query.h5", f"{TOO_LONG}.pt")):
        call(
            *("encode", "--method", "lsh", "--checkpoint", checkpoint, "--features", features),
            *("--out", tmp_path / "codes.npz"),
        ).sentence()


def refuse_writing(monkeypatch, below, number):
    """Let no file be made or opened for writing below a folder, as on a file system that is mounted read-only."""
    real_open, real_mkdir = os.open, os.mkdir

    def denied(path):
        text = os.fspath(path) if not isinstance(path, int) else ""
        text = os.fsdecode(text) if isinstance(text, bytes) else text
        return str(text).startswith(str(below))

    def opening(path, flags, *rest, **more):
        if denied(path) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(number, os.strerror(number), os.fspath(path))
        return real_open(path, flags, *rest, **more)

    def making(path, *rest, **more):
        if denied(path):
            raise OSError(number, os.strerror(number), os.fspath(path))
        return real_mkdir(path, *rest, **more)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "mkdir", making)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_kept_cells_of_read_only_results_are_read(bench, monkeypatch, number):
    folder = make_dataset(bench.root / "plain")
    bench.run(folder).done()
    for lock in bench.results.rglob("*lock*"):
        lock.unlink()
    refuse_writing(monkeypatch, bench.results, number)
    outcome = bench.run(folder).done()
    assert "(kept" in outcome.out
    assert "1 done" in bench.call("status", "--results", bench.results).done().out
    assert "lsh" in bench.call("run", "--methods", "lsh", "--datasets", folder, "--bits", 16, "--dry-run",
                               "--results", bench.results).done().out  # fmt: skip


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_new_cell_in_read_only_results(bench, monkeypatch, number):
    folder = make_dataset(bench.root / "plain")
    bench.results.mkdir()
    refuse_writing(monkeypatch, bench.results, number)
    sentence = bench.run(folder).sentence()
    assert "results" in sentence and os.strerror(number) in sentence


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_the_page_of_read_only_results_goes_elsewhere(bench, monkeypatch, stored_cells, number):
    shutil.copytree(stored_cells, bench.results)
    refuse_writing(monkeypatch, bench.results, number)
    bench.call("report", "--results", bench.results, "--out", bench.root / "html").done()
    assert bench.call("report", "--results", bench.results).sentence()


def test_doctor_tells_what_is_no_folder(call, places):
    outcome = call("doctor", "--results", places / "file", "--cache", places / "file")
    lines = [line for line in outcome.out.splitlines() if str(places / "file") in line]
    assert len(lines) == 2
    assert all(line.startswith("!!") for line in lines)
    assert outcome.code == 1
