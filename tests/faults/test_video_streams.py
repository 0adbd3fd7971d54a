"""Of several video streams the default one is taken, else the largest; interlaced video is told."""

import csv
from fractions import Fraction

import h5py
import numpy as np
import pytest

av = pytest.importorskip("av")

from av.stream import Disposition  # noqa: E402

COUNT = 4
BACKBONE = "py:tests.support.tiny_backbone:open_mean_levels"


def write_streams(path, streams, codec="mpeg4"):
    """Write a container with several streams, each ``(level, side, disposition)``: grey frames of one level."""
    with av.open(str(path), "w") as container:
        made = []
        for level, side, disposition in streams:
            stream = container.add_stream(codec, rate=10)
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            stream.disposition = disposition
            made.append((stream, level, side))
        for index in range(10):
            for stream, level, side in made:
                picture = av.VideoFrame.from_ndarray(np.full((side, side, 3), level, np.uint8), format="rgb24")
                picture.pts, picture.time_base = index, Fraction(1, 10)
                container.mux(stream.encode(picture))
        for stream, _, _ in made:
            container.mux(stream.encode())
    return path


def levels(call, folder, out, *words):
    """Extract a folder of videos and return the mean grey level of each by name."""
    names = sorted(path.name for path in folder.iterdir())
    table = folder.parent / "splits.csv"
    with open(table, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("video", "split"), *((name, "train;query") for name in names)])
    outcome = call(
        *("extract", "--videos", folder, "--backbone", BACKBONE, "--frames", COUNT, "--out", out, "--device", "cpu"),
        *("--splits", table, "--no-thumbnails", *words),
    )
    with h5py.File(out / "train.h5") as file:
        values = file["feats"][:, :, 0].mean(axis=1)
    return dict(zip(names, values, strict=True)), outcome


DEFAULT, PLAIN, COVER = Disposition.default, Disposition(0), Disposition.attached_pic
CASES = {
    "the default one comes second": ([(40, 64, PLAIN), (200, 32, DEFAULT)], 200),
    "the default one comes first and is small": ([(200, 32, DEFAULT), (40, 64, PLAIN)], 200),
    "none is the default: the largest": ([(40, 32, PLAIN), (200, 64, PLAIN)], 200),
    "two are the default: the larger of them": ([(40, 32, DEFAULT), (200, 64, DEFAULT), (90, 96, PLAIN)], 200),
    "equal sizes: the first": ([(200, 64, PLAIN), (40, 64, PLAIN)], 200),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_which_stream(call, tmp_path, case, ending):
    streams, level = CASES[case]
    (tmp_path / "videos").mkdir()
    path = write_streams(tmp_path / "videos" / f"two{ending}", streams)
    with av.open(str(path)) as stored:  # a muxer may set a default of its own
        found = [bool(s.disposition & DEFAULT) for s in stored.streams.video]
    if found != [bool(d & DEFAULT) for _, _, d in streams]:
        pytest.skip(f"{ending} cannot hold these dispositions")
    values, _ = levels(call, tmp_path / "videos", tmp_path / "out")
    assert values[f"two{ending}"] == pytest.approx(level, abs=6)


def test_several_streams_are_told(call, tmp_path):
    (tmp_path / "videos").mkdir()
    write_streams(tmp_path / "videos" / "one.mkv", [(40, 64, DEFAULT)])
    write_streams(tmp_path / "videos" / "two.mkv", [(40, 32, PLAIN), (200, 64, DEFAULT)])
    _, outcome = levels(call, tmp_path / "videos", tmp_path / "out")
    assert "1 video with several video streams, the default one is taken" in outcome.text
    with open(tmp_path / "out" / "extract.csv", encoding="utf-8", newline="") as stream:
        taken = {row["video"]: (row["stream"], row["interlaced"]) for row in csv.DictReader(stream)}
    assert taken == {"one.mkv": ("", ""), "two.mkv": ("2 of 2, 64 x 64", "")}


def test_interlaced_video_is_told(call, tmp_path):
    (tmp_path / "videos").mkdir()
    path = tmp_path / "videos" / "lines.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.options = {"flags": "+ilme+ildct"}
        for index in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * index, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with av.open(str(path)) as stored:
        if not next(stored.decode(video=0)).interlaced_frame:
            pytest.skip("this FFmpeg does not write interlaced frames")
    _, outcome = levels(call, tmp_path / "videos", tmp_path / "out")
    assert "1 interlaced video: both fields of a frame stay together" in outcome.text
    assert outcome.code == 0
