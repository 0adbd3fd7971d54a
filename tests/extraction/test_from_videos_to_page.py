"""The whole way from the command line: 60 video files of moving digits, features, hash codes, a page with pictures."""

import re
import subprocess
import sys
from itertools import cycle

import h5py
import pytest

from benchmark.data.file_dataset import load_folder
from benchmark.data.subset import reduced
from benchmark.paths import ROOT
from datasets.moving_digits import LEVELS, class_of_rows, draw
from tests.support import tiny_models
from tests.support.made_videos import write_video

KINDS = {8: "0", 12: "2", 16: "6", 0: "3-right", 2: "5-grows", 4: "1-cuts-to-7"}
"""Class of moving digits -> the folder of its videos."""

FORMATS = (("avi", "mpeg4", "yuv420p"), ("mp4", "libx264", "yuv420p"), ("mkv", "mjpeg", "yuvj420p"))
CHANCE = 0.1
"""mAP@5 of a random order is about 0.07 with six equal classes."""

METHODS = {"conmh": ["conmh.size=mini"], "chain": ["chain.width=32", "chain.depth=1", "chain.heads=2"], "itq": []}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    classes = class_of_rows("query")
    formats = cycle(FORMATS)
    for kind, name in KINDS.items():
        (folder / name).mkdir()
        rows = (classes == kind).nonzero()[0][:10]
        for row, pixels in zip(rows, draw("query", rows), strict=True):
            ending, codec, layout = next(formats)
            grey = pixels * (255 // (LEVELS - 1))
            colour = grey.repeat(2, 1).repeat(2, 2)[..., None].repeat(3, -1)
            write_video(folder / name / f"v_{name}_g{row:03d}_c01.{ending}", colour, codec, layout)
    return folder


def run(*words):
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_video_files_to_a_page_with_pictures(videos, tmp_path):
    model = tiny_models.save(tmp_path / "model", "convnext")
    out, results, cache = tmp_path / "digits", tmp_path / "results", tmp_path / "cache"
    command = (sys.executable, "-m", "benchmark")
    printed = run(*command, "extract", "--videos", videos, "--backbone", model, "--views", 2, "--out", out)
    assert "60 videos: 60 ok, 0 partial, 0 failed; 60 extracted now" in printed
    dataset = load_folder(out, cache)
    assert set(dataset.classes) == set(KINDS.values()) and dataset.shape.frames == 25
    assert (dataset.labels("query").sum(axis=0) == 2).all() and (dataset.labels("database").sum(axis=0) == 8).all()
    with h5py.File(out / "train.h5") as file:
        assert {name.rpartition(".")[2] for name in file["video"].asstr()} == {"avi", "mp4", "mkv"}

    assert len(set(dataset.groups("train"))) == 48 and len(reduced(dataset, 24).split("train")) == 24

    settings = [setting for values in METHODS.values() for setting in values]
    printed = run(
        *(*command, "run", "--methods", *METHODS, "--datasets", out, "--bits", 16),
        *("--epochs", 3, "--set", *settings, "--device", "cpu", "--results", results, "--cache", cache),
    )
    scores = {m: float(v) for m, v in re.findall(r"(\w+)(?::\w+)? on digits, 16 bits, seed 0: mAP@5 ([\d.]+)", printed)}
    assert scores.keys() == METHODS.keys() and min(scores.values()) > CHANCE, scores
    page = (results / "html" / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r"data:image/(?:png|jpeg);base64,", page)) >= 12
    assert len(list(results.glob("digits/data-*/previews/*.jpg"))) >= 12
