"""The command from folder to dataset: what is written, what is kept, what is done again, and what a kill costs."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from io import BytesIO

import h5py
import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from benchmark.cli import main
from benchmark.data.file_dataset import load_folder
from benchmark.extraction.decoding import read_clip
from benchmark.paths import ROOT
from tests.support import standin
from tests.support.made_videos import numbered, write_video

FRAMES = 6
ENDINGS = (".h5", ".npy", ".toml", ".webp", ".csv")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three classes of four noisy videos of their own colour, one more video that is broken, and one cut short."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for c in range(3):
        (folder / "abc"[c]).mkdir()
        for n in range(4):
            frames = rng.integers(0, 60, (9 + n, 48, 64, 3)).astype(np.uint8)
            frames[..., c] += 150
            write_video(folder / "abc"[c] / f"{n}.mkv", frames, "mjpeg", "yuvj420p")
    (folder / "a" / "broken.mp4").write_text("nothing")
    whole = write_video(folder / "b" / "cut.avi", rng.integers(0, 255, (40, 48, 64, 3), dtype=np.uint8))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return folder


@pytest.fixture
def extract(monkeypatch, capsys):
    """Return a function that runs the command with the stand-in and returns exit code, output and errors."""
    monkeypatch.setitem(sys.modules, "benchmark.extraction.backbones", None)
    monkeypatch.setitem(sys.modules, "benchmark.extraction.views", None)
    standin.install()

    def call(source, out, *words, backbone="tiny"):
        fixed = ["--frames", FRAMES, "--backbone", backbone, "--device", "cpu"]
        code = main([str(word) for word in ("extract", "--videos", source, "--out", out, *fixed, *words)])
        return code, *capsys.readouterr()

    return call


def table(out):
    with open(out / "extract.csv", encoding="utf-8", newline="") as stream:
        return {row["video"]: row for row in csv.DictReader(stream)}


def contents(out):
    """Return the bytes of every file of a dataset, but for its name; ``extract.json`` has times and is left out."""
    names = [p for p in sorted(out.rglob("*")) if p.suffix in ENDINGS and ".extract" not in p.parts]
    held = {str(path.relative_to(out)): path.read_bytes() for path in names}
    if "dataset.toml" in held:
        held["dataset.toml"] = held["dataset.toml"].replace(f'name = "{out.name}"'.encode(), b"")
    return held


def test_a_folder_becomes_a_dataset(source, extract, tmp_path):
    code, printed, _ = extract(source, tmp_path / "out", "--workers", 3)
    assert code == 1, "a video failed"
    assert "14 videos: 12 ok, 0 partial, 2 failed; 12 extracted now" in printed
    assert "failed   a/broken.mp4: is no video that FFmpeg reads" in printed
    assert "failed   b/cut.avi: is cut short" in printed
    assert "times the slower of the two" in printed
    dataset = load_folder(tmp_path / "out", tmp_path / "cache")
    assert dataset.shape == (FRAMES, standin.DIM) and dataset.classes == ("a", "b", "c")
    assert dataset.split("train") is dataset.split("database") and not dataset.self_retrieval
    rows = table(tmp_path / "out")
    backbone = standin.TinyBackbone("tiny")
    backbone.batch = FRAMES
    for split in ("database", "query"):
        mine = sorted(name for name, row in rows.items() if split in row["split"] and row["status"] == "ok")
        assert len(mine) == len(dataset.split(split)) >= 3
        for place, name in enumerate(mine):
            clip = torch.from_numpy(read_clip(source / name, FRAMES).frames).permute(0, 3, 1, 2)
            expected = backbone.features(backbone.prepare(clip))
            torch.testing.assert_close(dataset.split(split).take(np.array([place]))[0], expected)
            assert dataset.labels(split)[place].tolist() == [int(c == name[0]) for c in "abc"]
            assert dataset.preview(split, place).shape == (3, 48, 64, 3)
            assert dataset.preview(split, place).mean(axis=(0, 1, 2)).argmax() == "abc".index(name[0])
    told = json.loads((tmp_path / "out" / "extract.json").read_text())
    assert told["videos"] == {"ok": 12, "partial": 0, "failed": 2}
    assert set(told["failed"]) == {"a/broken.mp4", "b/cut.avi"}
    assert all(seconds > 0 for seconds in told["busy_seconds"].values())


def test_the_files_say_how_every_feature_was_made(source, extract, tmp_path):
    extract(source, tmp_path / "out", "--views", 2)
    rows = table(tmp_path / "out")
    with h5py.File(tmp_path / "out" / "query.h5") as file:
        assert file.attrs["backbone"] == "tiny" and file.attrs["backbone.source"] == "stand-in"
        assert "(k + 1/2) / T" in file.attrs["sampling"] and file.attrs["frames"] == str(FRAMES)
        assert (file.attrs["views_recipe"], file.attrs["views_seed"]) == ("stand-in 1", "0")
        assert "PyAV" in file.attrs["software"] and "torch" in file.attrs["software"]
        for name, digest in zip(file["video"].asstr(), file["sha256"].asstr(), strict=True):
            assert rows[name]["sha256"] == digest
        assert file["feats"].chunks is None and len(file["feats"]) == len(file["video_frames"])


def test_views_are_stored_plain_first_and_drawn_by_seed_and_name(source, extract, tmp_path):
    extract(source, tmp_path / "one")
    for name, seed in {"two": 0, "again": 0, "other": 1}.items():
        extract(source, tmp_path / name, "--views", 3, "--seed", seed, "--splits", tmp_path / "one" / "extract.csv")

    def feats(name):
        with h5py.File(tmp_path / name / "train.h5") as file:
            return file["feats"][:]

    assert feats("two").shape == (feats("one").shape[0], 3, FRAMES, standin.DIM)
    assert load_folder(tmp_path / "two", tmp_path / "cache").split("train").views == 3
    np.testing.assert_allclose(feats("two")[:, 0], feats("one"), rtol=1e-5, atol=1e-6)
    assert not np.allclose(feats("two")[:, 1], feats("two")[:, 0])
    assert contents(tmp_path / "two") == contents(tmp_path / "again")
    assert not np.array_equal(feats("two")[:, 1:], feats("other")[:, 1:])


def test_the_number_of_workers_changes_nothing(source, extract, tmp_path):
    for workers in (1, 4):
        extract(source, tmp_path / str(workers), "--workers", workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_float16_and_blocks_of_frames(source, extract, tmp_path):
    extract(source, tmp_path / "whole")
    extract(source, tmp_path / "half", "--dtype", "float16", "--batch", 4, "--no-thumbnails")
    with h5py.File(tmp_path / "whole" / "train.h5") as whole, h5py.File(tmp_path / "half" / "train.h5") as half:
        assert half["feats"].dtype == np.float16
        np.testing.assert_allclose(half["feats"][:], whole["feats"][:], rtol=1e-3, atol=1e-3)
        assert "3 frames at a time" in half.attrs["software"]
    assert not (tmp_path / "half" / "previews").exists()
    assert load_folder(tmp_path / "half", tmp_path / "cache").preview("query", 0) is None


def test_a_second_call_does_only_what_is_missing(source, extract, tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    shutil.copytree(source, videos)
    extract(videos, out)
    pinned = tmp_path / "pinned.csv"
    pinned.write_text((out / "extract.csv").read_text())
    before, written = contents(out), (out / "train.h5").stat().st_ino
    code, printed, _ = extract(videos, out)
    assert code == 1 and "0 extracted now" in printed
    assert contents(out) == before and (out / "train.h5").stat().st_ino == written

    write_video(videos / "c" / "new.mkv", numbered(10), "mjpeg", "yuvj420p")
    write_video(videos / "a" / "0.mkv", numbered(7), "mjpeg", "yuvj420p")
    os.utime(videos / "a" / "1.mkv")
    with open(pinned, "a") as stream:
        stream.write("c/new.mkv,query,,,,,,,,\n")
    _, printed, _ = extract(videos, out, "--splits", pinned)
    assert "15 videos: 13 ok, 0 partial, 2 failed; 2 extracted now" in printed
    rows = table(out)
    assert (rows["a/0.mkv"]["frames"], rows["c/new.mkv"]["split"]) == ("7", "query")
    extract(videos, tmp_path / "fresh", "--splits", pinned)
    assert contents(out) == contents(tmp_path / "fresh")

    (videos / "c" / "new.mkv").unlink()
    _, printed, _ = extract(videos, out, "--splits", pinned)
    assert "14 videos" in printed and "1 row names no video" in printed and "c/new.mkv" not in table(out)


def test_damaged_files_come_and_go_with_the_option(source, extract, tmp_path):
    extract(source, tmp_path / "out")
    code, printed, _ = extract(source, tmp_path / "out", "--allow-partial")
    assert code == 1 and "12 ok, 1 partial, 1 failed; 1 extracted now" in printed
    assert table(tmp_path / "out")["b/cut.avi"]["status"] == "partial"
    _, printed, _ = extract(source, tmp_path / "out")
    assert "12 ok, 0 partial, 2 failed" in printed


@pytest.mark.parametrize(
    ("words", "backbone", "message"),
    [
        (["--frames", 7], "tiny", "key 'frames': holds features that were made in another way; expected 6, found 7"),
        (["--views", 2], "tiny", "key 'views': holds"),
        (["--dtype", "float16"], "tiny", "key 'dtype': holds"),
        (
            [],
            "another",
            "key 'backbone.name': holds features that were made in another way; expected tiny, found another",
        ),
    ],
)
def test_other_settings_are_refused_in_the_same_folder(source, extract, tmp_path, words, backbone, message):
    extract(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    code, _, told = extract(source, tmp_path / "out", *words, backbone=backbone)
    assert code == 2 and message in told and len(told.splitlines()) == 1
    assert contents(tmp_path / "out") == before


def test_wrong_usage_is_told_in_one_sentence(source, extract, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "busy" / ".extract").mkdir(parents=True)
    lock = FileLock(tmp_path / "busy" / ".extract" / ".lock", is_singleton=False, thread_local=False)
    with lock:
        for out, words, message in [
            ("out", ["--frames", 0], "--frames is out of range"),
            ("out", ["--query-share", 1.5], "--query-share is out of range"),
            ("out", ["--labels", tmp_path / "absent.csv"], "absent.csv: no such file"),
            ("full", [], "is not empty; expected a new folder, or one that an earlier call wrote to, found 'mine.txt'"),
            ("busy", [], "another process is extracting to the folder"),
        ]:
            code, _, told = extract(source, tmp_path / out, *words)
            assert code == 2 and message in told and len(told.splitlines()) == 1


def test_a_split_that_failed_altogether_gives_no_dataset(source, extract, tmp_path):
    splits = tmp_path / "splits.csv"
    splits.write_text("video,split\na/0.mkv,train\na/broken.mp4,query\n")
    code, printed, _ = extract(source, tmp_path / "out", "--splits", splits)
    assert code == 1 and "no dataset was written: no video of the query split could be extracted" in printed
    assert "12 videos of the folder are in no split" in printed
    assert not (tmp_path / "out" / "dataset.toml").exists() and table(tmp_path / "out")["a/0.mkv"]["status"] == "ok"


def test_without_labels_the_dataset_opens_and_says_so(source, extract, tmp_path):
    shutil.copytree(source / "c", tmp_path / "videos")
    code, printed, _ = extract(tmp_path / "videos", tmp_path / "out")
    assert code == 0 and "no video has a label" in printed
    dataset = load_folder(tmp_path / "out", tmp_path / "cache")
    assert not dataset.labels("query").any() and len(dataset.split("train")) == 3


def test_thumbnails_are_small_moving_pictures():
    from benchmark.extraction.thumbnails import thumbnail

    frames = np.random.default_rng(0).integers(0, 255, (12, 240, 320, 3), dtype=np.uint8)
    with Image.open(BytesIO(thumbnail(frames))) as picture:
        assert (picture.n_frames, picture.size, picture.format) == (3, (128, 96), "WEBP")


def test_killed_in_the_middle_and_continued_equals_uninterrupted(source, extract, tmp_path):
    words = ["extract", "--videos", source, "--out", tmp_path / "killed", "--frames", FRAMES, "--backbone", "tiny"]
    process = subprocess.Popen(
        [sys.executable, "tests/support/standin.py", *map(str, words), "--device", "cpu"],
        cwd=ROOT,
        env={**os.environ, "STANDIN_SECONDS": "0.2", "STANDIN_SHARD_SECONDS": "0.3"},
    )
    shards, until = tmp_path / "killed" / ".extract" / "shards", time.monotonic() + 60
    while len(list(shards.glob("*.h5"))) < 2:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "dataset.toml").exists()
    _, printed, _ = extract(source, tmp_path / "killed")
    new = int(printed.partition(" failed; ")[2].partition(" ")[0])
    assert 0 < new <= 10
    extract(source, tmp_path / "whole")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert {"train.h5", "query.h5", "dataset.toml", "previews/train/0.webp"} < contents(tmp_path / "whole").keys()
    assert not list((tmp_path / "killed").rglob("*.tmp"))
