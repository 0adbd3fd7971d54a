"""Tables about videos as people save them, and the names that files have on other systems."""

import csv
import os
import unicodedata

import numpy as np
import pytest

av = pytest.importorskip("av")

BACKBONE = "py:tests.support.tiny_backbone:open_mean_levels"
CAFE = unicodedata.normalize("NFD", "caf\u00e9.mp4")
NAMES = ("sub/v1.mp4", "v2.mp4", "v3.mp4", "v4.mp4", CAFE, "a b.mp4", "c,d.mp4", "v8.MP4")
LABELS = dict(zip(NAMES, ("cat", "dog") * 4, strict=True))


@pytest.fixture(scope="module")
def one_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "one.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 30 * index, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture
def videos(tmp_path, one_video):
    for name in NAMES:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one_video)
    return tmp_path / "videos"


def extract(call, videos, out, *words):
    return call(
        *("extract", "--videos", videos, "--backbone", BACKBONE, "--frames", 2, "--out", out, "--device", "cpu"),
        *("--no-thumbnails", *words),
    )


def table(path, rows, column="label", write=None):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("video", column), *rows])
    if write:
        path.write_bytes(write(path.read_bytes()))
    return path


def labels_of(out):
    with open(out / "extract.csv", encoding="utf-8", newline="") as stream:
        return {unicodedata.normalize("NFD", row["video"]): row["label"] for row in csv.DictReader(stream)}


WAYS = {
    "as they are": lambda name, folder: name,
    "composed": lambda name, folder: unicodedata.normalize("NFC", name),
    "decomposed": lambda name, folder: unicodedata.normalize("NFD", name),
    "compatibility form": lambda name, folder: unicodedata.normalize("NFKC", name),
    "with ./": lambda name, folder: f"./{name}",
    "with .\\": lambda name, folder: ".\\" + name.replace("/", "\\"),
    "absolute": lambda name, folder: str(folder / name),
    "absolute with //": lambda name, folder: f"{folder}//{name}",
    "by way of ..": lambda name, folder: f"sub/../{name}",
    "with the folder's own name": lambda name, folder: f"{folder.name}/{name}",
    "backslashes": lambda name, folder: name.replace("/", "\\"),
    "file names": lambda name, folder: name.rpartition("/")[2],
    "without endings": lambda name, folder: name.rpartition(".")[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_match_their_videos(call, videos, tmp_path, way):
    rows = [(WAYS[way](name, videos), label) for name, label in LABELS.items()]
    outcome = extract(call, videos, tmp_path / "out", "--labels", table(tmp_path / "labels.csv", rows)).done()
    assert labels_of(tmp_path / "out") == LABELS
    assert "name no video" not in outcome.text


@pytest.mark.parametrize("option", ["--labels", "--splits", "--groups"])
def test_rows_that_match_nothing_are_named(call, videos, tmp_path, option):
    column, value = {"--labels": ("label", "cat"), "--splits": ("split", "train"), "--groups": ("group", "g")}[option]
    rows = [(name, value) for name in NAMES] + [(f"gone{k}.mp4", value) for k in range(30)]
    beside = ()
    if option == "--splits":
        rows += [(name, "query") for name in NAMES[:2]]
    if option == "--groups":  # one group of all videos could not be divided into queries and the rest
        rows = [(name, f"g{k}") for k, (name, _) in enumerate(rows)]
        beside = ("--labels", table(tmp_path / "labels.csv", LABELS.items()))
    outcome = extract(call, videos, tmp_path / "out", option, table(tmp_path / "t.csv", rows, column), *beside).done()
    (line,) = [line for line in outcome.text.splitlines() if "name no video" in line]
    assert "30" in line and "gone0.mp4" in line and "t.csv" in line
    assert len(line) <= 400


def test_case_is_told_where_it_is_the_only_difference(call, videos, tmp_path):
    rows = [(name.replace("v8.MP4", "v8.mp4"), label) for name, label in LABELS.items()]
    outcome = extract(call, videos, tmp_path / "out", "--labels", table(tmp_path / "labels.csv", rows)).done()
    assert labels_of(tmp_path / "out")["v8.MP4"] == "dog" or "v8.mp4" in outcome.text


SAVED = {
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "line ends of Windows": lambda data: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "line ends of old Macs": lambda data: data.replace(b"\r\n", b"\r"),
    "empty last lines": lambda data: data + b",\r\n\r\n,,\r\n",
    "more columns": lambda data: data.replace(b"\r\n", b",x,y\r\n"),
}


@pytest.mark.parametrize("form", SAVED)
def test_forms_of_saving(call, videos, tmp_path, form):
    path = table(tmp_path / "labels.csv", LABELS.items(), write=SAVED[form])
    outcome = extract(call, videos, tmp_path / "out", "--labels", path).done()
    assert labels_of(tmp_path / "out") == LABELS
    assert "name no video" not in outcome.text


REFUSED = {
    "two bytes a character": lambda data: data.decode().encode("utf-16"),
    "semicolons": lambda data: data.replace(b",cat", b";cat").replace(b",dog", b";dog").replace(b"o,l", b"o;l"),
    "tabs": lambda data: data.replace(b",cat", b"\tcat").replace(b",dog", b"\tdog").replace(b"o,l", b"o\tl"),
    "no header": lambda data: data.split(b"\r\n", 1)[1],
    "nothing": lambda data: b"",
    "a workbook": lambda data: b"PK\x03\x04" + bytes(range(256)) * 20,
    "one line without end": lambda data: b"video,label" + b"x" * 200_000,
}


@pytest.mark.parametrize("form", REFUSED)
def test_tables_of_another_form_work_or_are_refused_in_words(call, videos, tmp_path, form):
    path = table(tmp_path / "labels.csv", LABELS.items(), write=REFUSED[form])
    outcome = extract(call, videos, tmp_path / "out", "--labels", path)
    if outcome.code == 0:
        assert labels_of(tmp_path / "out") == LABELS
    else:
        assert "labels.csv" in outcome.sentence()


def test_a_line_without_its_value_is_named(call, videos, tmp_path):
    path = table(tmp_path / "labels.csv", LABELS.items(), write=lambda data: data.replace(b"v3.mp4,cat", b"v3.mp4"))
    outcome = extract(call, videos, tmp_path / "out", "--labels", path)
    assert "v3.mp4" in outcome.text or "line 4" in outcome.text


STRANGE = {
    "narrow no-break space": "Screen Recording 2024-01-01 at 1.23.45\u202fPM.mov",
    "no-break space": "nb\u00a0sp.mp4",
    "ideographic space": "full\u3000width.mp4",
    "joined emoji": "zwj\U0001f468\u200d\U0001f469.mp4",
    "soft hyphen": "soft\u00adhyphen.mp4",
    "left to right mark": "\u200eltr.mp4",
    "right to left override": "\u202egpm.mp4",
    "leading minus": "-dash.mp4",
    "quotes": "quo'te\".mp4",
    "percent": "%d.mp4",
    "semicolon": "x;y.mp4",
    "formula": "=cmd.mp4",
    "markup": "<b>html.mp4",
    "private use": "\ue000.mp4",
    "long": "l" * 240 + ".mp4",
    "combining marks": "a" + "\u0301" * 20 + ".mp4",
}


def test_valid_names_are_taken(call, videos, tmp_path, one_video):
    for name in STRANGE.values():
        (videos / name).write_bytes(one_video)
    outcome = extract(call, videos, tmp_path / "out", "--splits", every(tmp_path, videos)).done()
    assert "failed" not in outcome.out.replace("0 failed", "")
    with open(tmp_path / "out" / "extract.csv", encoding="utf-8", newline="") as stream:
        status = {row["video"]: row["status"] for row in csv.DictReader(stream)}
    assert {name: status.get(name) for name in STRANGE.values()} == dict.fromkeys(STRANGE.values(), "ok")


def every(tmp_path, videos):
    names = [str(path.relative_to(videos)) for path in sorted(videos.rglob("*.m*")) + sorted(videos.rglob("*.M*"))]
    return table(tmp_path / "splits.csv", [(name, "train;query") for name in names], "split")


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="names of any bytes are Linux's")
def test_what_cannot_be_stored_is_named_and_the_rest_is_done(call, videos, tmp_path, one_video):
    (videos / os.fsdecode(b"latin\xe9.mp4")).write_bytes(one_video)
    (videos / "new\nline.mp4").write_bytes(one_video)
    outcome = extract(call, videos, tmp_path / "out", "--labels", table(tmp_path / "labels.csv", LABELS.items()))
    assert outcome.code in (0, 1)
    assert "latin" in outcome.text
    assert labels_of(tmp_path / "out").items() >= LABELS.items()


def test_hidden_files_are_no_videos(call, videos, tmp_path, one_video):
    (videos / "._v2.mp4").write_bytes(b"Mac OS X" + bytes(40))
    (videos / ".hidden.mp4").write_bytes(one_video)
    outcome = extract(call, videos, tmp_path / "out", "--labels", table(tmp_path / "l.csv", LABELS.items())).done()
    assert "8 ok, 0 partial, 0 failed" in outcome.out
