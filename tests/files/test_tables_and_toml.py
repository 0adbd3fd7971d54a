"""Tables and TOML as people save them, and what is said of those that cannot be read."""

from __future__ import annotations

import pytest

from benchmark.errors import BadInput
from benchmark.files.tables import Row, read_rows
from benchmark.files.toml import read_toml

TABLE = 'video, label\r\n"c,d.mp4", cat\r\nb.mp4 ,dog\r\n,\r\n\r\n'


@pytest.mark.parametrize("text", [TABLE, TABLE.replace("\r\n", "\n"), TABLE.replace("\r\n", "\r"), "\ufeff" + TABLE])
def test_rows_have_their_lines_and_bare_cells(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    rows = read_rows(tmp_path / "t.csv", ["video", "label"])
    assert rows == [
        Row(2, {"video": "c,d.mp4", "label": "cat"}),
        Row(3, {"video": "b.mp4", "label": "dog"}),
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"video,label\na.mp4,cat\nb.mp4\n", "line 3: has another number of fields .* expected 2, found 1"),
        (b"video,label\nc,d.mp4,cat\n", "line 2: .* found 3, the first 'c'; .* needs quotes"),
        (b"video;label\na;b\n", "key 'video': no such column; found video;label; .* with commas"),
        (b"video,label,label\n", "key 'label': the first line names this column twice"),
        (b"", "found an empty file"),
        ("video,label\na,b\n".encode("utf-16"), "is UTF-16 text; .* save it as UTF-8"),
        ("video,label\na,b\n".encode("utf-16-le"), "zero bytes"),
        (b"video,label\na,b\n\xe9,c\n", "line 3: is no UTF-8 text"),
        (b'video,label\n"a,b\n', "line 2: cannot be read as CSV"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, data, what):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(BadInput, match=what) as error:
        read_rows(tmp_path / "t.csv", ["video", "label"])
    assert "t.csv" in str(error.value)


def test_toml_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfbits = [16]\r\n")
    assert read_toml(tmp_path / "a.toml") == {"bits": [16]}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'a = "D:\\data"\n', "line 1"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"a = " + b"[" * 100_000, "nested too deeply|not readable"),
        (b"a = " + b"1" * 10_000, "not readable TOML"),
        (b"x" * 300_000, "not readable TOML"),
        ("a = 1".encode("utf-16"), "save it as UTF-8"),
        (b"a = '\xff'", "no UTF-8"),
    ],
)
def test_toml_that_cannot_be_read(tmp_path, data, what):
    (tmp_path / "a.toml").write_bytes(data)
    with pytest.raises(BadInput, match=what) as error:
        read_toml(tmp_path / "a.toml")
    assert "a.toml" in str(error.value) and len(str(error.value).replace(str(tmp_path), "")) <= 400


@pytest.mark.parametrize("read", [read_toml, lambda path: read_rows(path, ["video"])])
def test_what_is_no_file(tmp_path, read):
    with pytest.raises(BadInput, match="no such file; correct the path"):
        read(tmp_path / "gone")
    with pytest.raises(BadInput, match="is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(BadInput, match="cannot be"):
        read(tmp_path / "nu\0ll")
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path / ("n" * 300))
