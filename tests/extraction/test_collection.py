"""Which files are videos, what their classes are, and which split they go to."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import BadInput
from benchmark.extraction.collection import Video, collect
from benchmark.extraction.labels import Labels, read_labels
from benchmark.extraction.naming import VideoNames
from benchmark.extraction.splits import draw_splits, read_groups, read_splits

FOLDER = Path("videos")


def videos(*names):
    return [Video(name, None) for name in names]


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_videos_are_found_by_their_endings_at_any_depth_in_order(tmp_path):
    names = ["b/2.MP4", "b/1.avi", "a.gif", "b/c/x.WebM", "b/notes.txt", ".hidden.mp4", ".cache/y.mp4", "out/z.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "film.mov").mkdir()
    (tmp_path / "film.mov" / "inside.mp4").touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = collect(tmp_path, tmp_path / "out")
    assert [video.name for video in found] == ["a.gif", "b/1.avi", "b/2.MP4", "b/c/x.WebM", "film.mov"]
    assert [video.problem for video in found if video.problem] == ["is a folder, not a file"]


def test_a_folder_without_videos_is_told(tmp_path):
    with pytest.raises(BadInput, match="holds no video"):
        collect(tmp_path, tmp_path / "out")
    with pytest.raises(BadInput, match="no such folder"):
        collect(tmp_path / "absent", tmp_path / "out")


def test_the_class_of_a_video_is_its_folder():
    found = videos("a/1.mp4", "a/b/2.mp4", "3.mp4")
    labels, _ = read_labels(found, None, FOLDER)
    assert labels.classes == ("a", "a/b")
    np.testing.assert_array_equal(labels.matrix([video.name for video in found]), [[1, 0], [0, 1], [0, 0]])


def test_a_table_gives_several_labels_in_rows_or_in_one(tmp_path):
    found = videos("x/1.mp4", "x/2.mp4", "y/3.mp4")
    path = table(tmp_path, "video,label,by\nx/1.mp4,cats;dogs,me\n2,cats,me\n2.mp4,birds,me\nelse.mp4,cats,me\n")
    labels, strangers = read_labels(found, path, FOLDER)
    assert labels.classes == ("birds", "cats", "dogs") and len(strangers) == 1
    assert "1 row names no video below videos, first 'else.mp4' (line 5)" in strangers[0]
    np.testing.assert_array_equal(labels.matrix(["x/1.mp4", "x/2.mp4", "y/3.mp4"]), [[0, 1, 1], [1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,class\na/1.mp4,x\n", "key 'label': no such column; found video, class"),
        ("", "key 'video': no such column; found an empty file"),
        ("video,label\nb/9.mp4,x\n", "names no video of the folder; expected names such as 'a/1.mp4', found 'b/9.mp4'"),
        ("video,label\n", "found no row"),
        ("video,label\n1.mp4,x\n", "line 2: several videos are called '1.mp4'; found a/1.mp4, b/1.mp4"),
    ],
)
def test_a_wrong_table_is_told_in_one_sentence(tmp_path, text, message):
    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        read_labels(videos("a/1.mp4", "b/1.mp4"), table(tmp_path, text), FOLDER)


def test_a_table_gives_the_splits(tmp_path):
    found = videos("1.mp4", "2.mp4", "3.mp4", "4.mp4")
    both, _ = read_splits(
        found, table(tmp_path, "video,split\n1,train\n2,train;database\n3,database\n4,query\n"), FOLDER
    )
    assert both == {"train": ["1.mp4", "2.mp4"], "database": ["2.mp4", "3.mp4"], "query": ["4.mp4"]}
    shared, _ = read_splits(found, table(tmp_path, "video,split\n3,train\n1,train\n4,query\n"), FOLDER)
    assert shared == {"train": ["1.mp4", "3.mp4"], "database": ["1.mp4", "3.mp4"], "query": ["4.mp4"]}
    itself, _ = read_splits(found, table(tmp_path, "video,split\n1,train\n2,database\n"), FOLDER)
    assert itself["query"] == itself["database"] == ["2.mp4"]
    with pytest.raises(BadInput, match="unknown split 'tain'; did you mean 'train'"):
        read_splits(found, table(tmp_path, "video,split\n1,tain\n"), FOLDER)
    with pytest.raises(BadInput, match="neither training nor database"):
        read_splits(found, table(tmp_path, "video,split\n1,query\n"), FOLDER)


def recordings():
    """UCF101's way: 4 classes of 12 recordings of 1 to 7 clips."""
    rng = np.random.default_rng(0)
    return videos(
        *(f"{c}/v_{c}_g{g:02d}_c{k:02d}.avi" for c in "abcd" for g in range(12) for k in range(rng.integers(1, 8)))
    )


def test_a_drawn_split_is_balanced_and_divides_no_group():
    found = recordings()
    labels, _ = read_labels(found, None, FOLDER)
    groups, _ = read_groups(found, None, FOLDER)
    assert len(set(groups.values())) == 48
    for seed in range(5):
        splits = draw_splits(found, labels, groups, 0.25, seed)
        assert splits["train"] == splits["database"]
        assert sorted(splits["train"] + splits["query"]) == sorted(video.name for video in found)
        for group in groups.values():
            sides = {name in splits["query"] for name, mine in groups.items() if mine == group}
            assert len(sides) == 1
        totals, asked = Counter(v.folder for v in found), Counter(name[0] for name in splits["query"])
        for label, n in totals.items():
            assert abs(asked[label] - 0.25 * n) <= 3.5, "half a recording at most"
    assert draw_splits(found, labels, groups, 0.25, 0) != draw_splits(found, labels, groups, 0.25, 1)


def test_every_class_that_can_has_a_query_and_keeps_a_video():
    found = videos("a/1.mp4", "a/2.mp4", "b/1.mp4", *(f"c/{n}.mp4" for n in range(40)), "loose.mp4")
    labels, _ = read_labels(found, None, FOLDER)
    asked = Counter(name[0] for name in draw_splits(found, labels, {}, 0.1, 3)["query"])
    assert asked == {"a": 1, "c": 4}


def test_several_labels_are_balanced_together():
    rng = np.random.default_rng(1)
    found = videos(*(f"{n:03d}.mp4" for n in range(200)))
    of = {video.name: [c for c in "abcde" if rng.random() < 0.3] or ["a"] for video in found}
    query = draw_splits(found, Labels(tuple("abcde"), of), {}, 0.2, 0)["query"]
    for label in "abcde":
        n, asked = (sum(label in of[name] for name in names) for names in (of, query))
        assert abs(asked - 0.2 * n) <= 2


def test_groups_of_a_table(tmp_path):
    found = videos("1.mp4", "2.mp4", "3.mp4")
    groups, _ = read_groups(found, table(tmp_path, "video,group\n1,x\n2,x\n"), FOLDER)
    assert groups == {"1.mp4": "group x", "2.mp4": "group x"}
    with pytest.raises(BadInput, match="two groups"):
        read_groups(found, table(tmp_path, "video,group\n1,x\n1,y\n"), FOLDER)


def test_without_labels_a_share_of_all_is_drawn_and_one_class_of_one_group_is_told():
    found = videos(*(f"{n}.mp4" for n in range(10)))
    splits = draw_splits(found, Labels((), {}), {}, 0.2, 0)
    assert len(splits["query"]) == 2 and len(splits["train"]) == 8
    with pytest.raises(BadInput, match="too few videos"):
        draw_splits(found[:1], Labels((), {}), {}, 0.2, 0)


MEANT = {
    "sub/1.mp4": "sub/1.mp4",
    "top/videos/sub/1.mp4": "sub/1.mp4",
    "videos\\sub\\1": "sub/1.mp4",
    "\u202asub/1.mp4": "sub/1.mp4",
    "2.mp4": "2.mp4",
    "only.mp4": "sub/only.mp4",
    "SUB/ONLY.MP4": "sub/only.mp4",
    "a\\b.mp4": "a\\b.mp4",
    "a/b.mp4": None,
    "elsewhere/only.mp4": None,
    "../other/only.mp4": None,
}


@pytest.mark.parametrize("text", MEANT)
def test_which_video_a_text_means(tmp_path, text):
    folder = tmp_path / "top" / "videos"
    names = VideoNames(("sub/1.mp4", "2.mp4", "sub/2.mp4", "sub/only.mp4", "a\\b.mp4"), folder, tmp_path / "table.csv")
    assert list(names.match(text).names) == [name for name in [MEANT[text]] if name]
    assert not names.match(str(folder / "only.mp4")).names, "a whole path is no file name"


def test_a_folder_that_cannot_be_listed_is_not_missed(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "1.mp4").touch()
    listing = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    problems = {video.name: video.problem for video in collect(tmp_path, tmp_path / "out")}
    assert problems == {"1.mp4": "", "closed": "cannot be listed (Permission denied)"}
