"""A converted dataset equals its source in values, labels and results, and only whole files have their names."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.catalogue import registry
from benchmark.cli import main
from benchmark.data import convert
from benchmark.data.file_dataset import load_folder
from benchmark.data.sharded_videos import ShardedVideos
from benchmark.interfaces.dataset import SPLITS
from benchmark.paths import ROOT, Roots

T, D, CLASSES = 4, 10, 3


def put(path: Path, shape, seed=0, dtype="f4", **storage):
    values = np.maximum(np.random.default_rng(seed).normal(size=(*shape, T, D)), 0).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("feats", data=values, **storage)


def put_labels(path: Path, n, shift=0):
    np.save(path, np.eye(CLASSES, dtype=np.uint8)[(np.arange(n) + shift) % CLASSES])


@pytest.fixture
def source(tmp_path):
    """Shards of two types and storages, views and float64, thumbnails, a protocol table and published counts."""
    folder = tmp_path / "source"
    (folder / "thumbs").mkdir(parents=True)
    put(folder / "train.h5", (30, 2), 0, "f8", chunks=(7, 1, T, D), compression="gzip")
    put(folder / "a.h5", (11, 1), 1, "f2")
    put(folder / "b.h5", (20, 1), 2, "f2", chunks=(6, 1, T, D), compression="gzip", shuffle=True)
    put(folder / "query.h5", (9,), 3, ">f4", chunks=(2, T, D))
    put_labels(folder / "database.npy", 31)
    put_labels(folder / "query.npy", 9, 1)
    (folder / "thumbs" / "q3.gif").write_bytes(b"GIF89a")
    (folder / "dataset.toml").write_text(
        'name = "mine"\ntitle = "A \\"title\\" with \\\\ and é"\nsource = "a camera"\nclasses = ["a", "b", "c\\nd"]\n'
        '[train]\nfeatures = "train.h5"\n[database]\nfeatures = ["a.h5", "b.h5"]\nlabels = "database.npy"\n'
        '[query]\nfeatures = "query.h5"\nlabels = "query.npy"\npreviews = "thumbs/q{row}.gif"\n'
        '[official]\nquery = 10\n[protocol]\nties = "expected"\n'
    )
    return folder


@pytest.fixture
def call(capsys, tmp_path, monkeypatch, cache_root):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    monkeypatch.setenv("VIDEO_HASHING_DATA", str(tmp_path / "data"))

    def convert(dataset, out, *words):
        code = main(["convert", "--dataset", str(dataset), "--out", str(out), *words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return convert


def visible(folder):
    return sorted(path.name for path in folder.glob("[!.]*"))


def everything(videos):
    n, views = len(videos), videos.views
    return videos.take(np.repeat(np.arange(n), views), np.tile(np.arange(views), n)).numpy()


def test_values_labels_and_declaration_are_those_of_the_source(source, call, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "BLOCK", 500)
    code, text = call(source, tmp_path / "out")
    assert code == 0, text
    assert re.search(r"train: 30 videos, [\d.]+ MiB -> [\d.]+ MiB, [\d.]+ s\n", text)
    before, after = load_folder(source, tmp_path), load_folder(tmp_path / "out", tmp_path)
    for name in SPLITS:
        np.testing.assert_array_equal(everything(after.split(name)), everything(before.split(name)))
        (file,) = after.split(name).files
        assert file.layout.offset is not None
    assert [after.split(name).stored for name in SPLITS] == [np.float32, np.float16, np.float32]
    assert after.split("train").views == 2
    for name in ("database", "query"):
        np.testing.assert_array_equal(after.labels(name), before.labels(name))
    for what in ("name", "title", "source", "classes", "protocol", "self_retrieval", "official"):
        assert getattr(after, what) == getattr(before, what)
    assert after.subset() and after.source == "a camera" and after.protocol == {"ties": "expected"}
    assert after.preview_file("query", 3).read_bytes() == b"GIF89a" and after.preview_file("query", 4) is None
    assert str(source) in (tmp_path / "out" / "dataset.toml").read_text().splitlines()[0]


@pytest.mark.parametrize("form", ['database = "train"\nquery = "database"', 'database = "train"'])
def test_splits_that_share_files_still_do(tmp_path, call, form):
    folder = tmp_path / "source"
    folder.mkdir()
    put(folder / "train.h5", (12,), chunks=(2, T, D), compression="gzip")
    put_labels(folder / "train.npy", 12)
    own_query = "" if "query" in form else '[query]\nfeatures = "train.h5"\nlabels = "train.npy"\n'
    (folder / "dataset.toml").write_text(f'{form}\n[train]\nfeatures = "train.h5"\nlabels = "train.npy"\n{own_query}')
    code, text = call(folder, tmp_path / "out")
    assert code == 0 and "database: 12 videos, in the file of train" in text
    before, after = load_folder(folder, tmp_path), load_folder(tmp_path / "out", tmp_path)
    assert [path.name for path in (tmp_path / "out").glob("*.h5")] == ["train.h5"]
    assert after.split("train") is after.split("database") is after.split("query")
    assert after.self_retrieval == before.self_retrieval == ("query" in form)
    assert after.fingerprint == before.fingerprint


def test_results_are_equal_and_of_the_same_cells(tiny, call, tmp_path, command):
    assert call(tiny, tmp_path / "out")[0] == 0
    found = []
    for dataset, results in ((tiny, "before"), (tmp_path / "out", "after")):
        words = ["--methods", "lsh", "random", "--bits", "16", "--device", "cpu", "--no-page"]
        done = command("run", *words, "--datasets", dataset, "--results", tmp_path / results)
        assert done.returncode == 0, done.stderr
        paths = sorted((tmp_path / results).rglob("record.json"))
        records = [json.loads(path.read_text()) for path in paths]
        found.append(
            [(str(p.relative_to(tmp_path / results)), r["metrics"]) for p, r in zip(paths, records, strict=True)]
        )
    assert len(found[0]) == 2 and found[0] == found[1]


def test_a_dataset_without_files(call, tmp_path, cache_root):
    code, text = call("synthetic:videos=40,database=20,query=9,dim=16,frames=3", tmp_path / "out", "--dtype", "float16")
    assert code == 0 and "train: 40 videos, computed -> " in text
    opened = load_folder(tmp_path / "out", tmp_path)
    made = registry.open_dataset("synthetic:videos=40,database=20,query=9,dim=16,frames=3", Roots(tmp_path, cache_root))
    for name in SPLITS:
        exact = everything(made.split(name))
        np.testing.assert_array_equal(everything(opened.split(name)), exact.astype(np.float16).astype(np.float32))
    told = float(re.search(r"train: .*largest relative rounding error ([\d.e-]+)", text).group(1))
    exact = everything(made.split("train"))
    large = exact >= 2.0**-14
    error = np.abs(exact.astype(np.float16).astype(np.float32) - exact)[large] / exact[large]
    assert told == pytest.approx(error.max(), rel=0.06) and told <= 2.0**-11


def test_finished_splits_are_kept_and_the_rest_is_made(source, call, tmp_path):
    out = tmp_path / "out"
    assert call(source, out)[0] == 0
    whole = {path.name: path.read_bytes() for path in out.glob("*.*")}
    times = {name: (out / f"{name}.h5").stat().st_mtime_ns for name in SPLITS}
    (out / "dataset.toml").unlink()
    (out / "query.h5").unlink()
    (out / ".query.h5.abc.tmp").write_bytes(b"half")
    code, text = call(source, out)
    assert code == 0 and len(re.findall(r"(train|database): .*, kept\n", text)) == 2
    assert [(out / f"{name}.h5").stat().st_mtime_ns == times[name] for name in SPLITS] == [True, True, False]
    assert {path.name: path.read_bytes() for path in out.glob("*.*")} == whole
    assert not list(out.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("spoil", "words", "told"),
    [
        (lambda out: (out / "notes.txt").write_text(""), [], "found 'notes.txt', which is not of this conversion"),
        (lambda out: (out / "train.h5").write_bytes(b""), [], "'train.h5', which is not of this conversion"),
        (lambda out: None, ["--dtype", "float16"], "'query.h5', which is not of this conversion"),
        (lambda out: [path.unlink() for path in out.glob("*.h5")], [], "'database.npy', which is not of this"),
    ],
)
def test_a_folder_with_something_else_is_left_alone(source, call, tmp_path, spoil, words, told):
    out = tmp_path / "out"
    assert call(source, out)[0] == 0
    spoil(out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    code, text = call(source, out, *words)
    assert code == 2 and told in text and len(text.strip().splitlines()) == 1
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_two_conversions_to_one_folder(source, call, tmp_path):
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / convert.LOCK):
        code, text = call(source, tmp_path / "out")
    assert code == 2 and "another conversion is writing to the folder; wait for it" in text


def test_a_source_that_has_changed_is_not_taken_for_the_old_one(source, call, tmp_path):
    assert call(source, tmp_path / "out")[0] == 0
    put(tmp_path / "another.h5", (9,), 8)
    (tmp_path / "another.h5").replace(source / "query.h5")  # HDF5 does not write a file that this process still reads
    code, text = call(source, tmp_path / "out")
    assert code == 2 and "'query.h5', which is not of this conversion" in text


def test_other_mistakes(source, call, tmp_path, monkeypatch):
    code, text = call(source, source)
    assert code == 2 and "is the dataset's own folder" in text
    (tmp_path / "file").write_text("")
    code, text = call(source, tmp_path / "file")
    assert code == 2 and "is no folder" in text
    code, text = call("fcvid", tmp_path / "out")
    assert code == 2 and "is not here" in text and not (tmp_path / "out").exists()
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda path: type("", (), {"free": 10}))
    code, text = call(source, tmp_path / "out")
    assert code == 2 and "has too little room; expected 0.0 GiB" in text and not visible(tmp_path / "out")


def test_a_disk_that_fills_up_leaves_nothing_half_written(source, call, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "narrowed", full)
    code, text = call(source, tmp_path / "out")
    assert code == 2 and "cannot be written (No space left on device)" in text
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {convert.LOCK}


@pytest.mark.parametrize(
    ("value", "words", "told"),
    [
        (np.nan, [], "a value of row 4 of the train split is not finite"),
        (1e300, [], "a value of row 4 of the train split is not finite"),
        (
            1e5,
            ["--dtype", "float16"],
            "row 4 of the train split does not fit float16; expected 65504 at most, found 100000",
        ),
    ],
)
def test_a_value_that_cannot_be_stored(source, call, tmp_path, value, words, told):
    with h5py.File(source / "train.h5", "r+") as file:
        file["feats"][4, 1, 2, 3] = value
    code, text = call(source, tmp_path / "out", *words)
    assert code == 2 and told in text and not list((tmp_path / "out").glob("*.h5"))


def test_a_damaged_chunk(source, call, tmp_path):
    with h5py.File(source / "b.h5", "r") as file:
        place = file["feats"].id.get_chunk_info(1)
    with open(source / "b.h5", "r+b") as stream:
        stream.seek(place.byte_offset)
        stream.write(b"\0" * place.size)
    code, text = call(source, tmp_path / "out")
    assert code == 2 and "b.h5: key 'feats': rows " in text and "cannot be read" in text
    assert visible(tmp_path / "out") == ["train.h5"]


def test_killed_while_writing(tmp_path, cache_root, call):
    dataset, out = "synthetic:videos=6000,database=20,query=9,dim=512", tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", "convert", "--dataset", dataset, "--out", out, "--cache", cache_root],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 120
    while not list(out.glob(".train.h5.*.tmp")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert not visible(out)
    # the next conversion, of anything, takes the folder and removes the rest
    assert call("synthetic:videos=40,database=20,query=9,dim=16", out)[0] == 0
    assert not list(out.glob(".*.tmp")) and len(load_folder(out, cache_root).split("train")) == 40


def test_ranges_of_a_sequential_pass_end_with_chunks_and_files(source):
    videos = ShardedVideos.open([source / "a.h5", source / "b.h5"])
    assert list(videos.spans(13)) == [(0, 11), (11, 23), (23, 31)]
    assert list(videos.spans(4)) == [(0, 4), (4, 8), (8, 11), (11, 17), (17, 23), (23, 29), (29, 31)]
