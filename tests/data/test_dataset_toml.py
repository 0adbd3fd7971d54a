"""``dataset.toml`` as the suite writes it: read again, it declares the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmark.data.dataset_toml import (
    FILE,
    Declaration,
    OfficialTable,
    ProtocolTable,
    SplitTable,
    declared_name,
    read_declaration,
    toml_value,
    write_declaration,
)

TRAIN = SplitTable(features=["a.h5", "b.h5"], key="vgg", labels=["a.npy", "b.npy"], labels_key="y")
QUERY = SplitTable(features="q.h5", labels="q.npy", previews="thumbs/{row}.gif")
DECLARATIONS = {
    "everything": Declaration(
        name="mine",
        title='a "title" with \\ and é and \x7f and \n',
        source="a camera",
        classes=["a", "b\tc"],
        train=TRAIN,
        database=SplitTable(features="d.h5", labels="d.mat"),
        query=QUERY,
        official=OfficialTable(query=10),
        protocol=ProtocolTable(ties="expected", zeros="positive"),
    ),
    "shared splits": Declaration(train=TRAIN, database="train", query="database"),
    "self-retrieval": Declaration(
        train=TRAIN, database="train", query="database", protocol=ProtocolTable(self_retrieval=True)
    ),
}


@pytest.mark.parametrize("declaration", DECLARATIONS.values(), ids=DECLARATIONS)
def test_what_is_written_is_read_again(tmp_path: Path, declaration: Declaration) -> None:
    (tmp_path / "thumbs").mkdir()
    write_declaration(tmp_path, declaration, "test")
    assert read_declaration(tmp_path) == declaration
    assert (tmp_path / FILE).read_text(encoding="utf-8").startswith("# made by: python -m benchmark test\n")


@pytest.mark.parametrize("value", ["", "\x7f\x00\x1f", "'\"\\", "\u2028 é", 3, True, ["a", "b\n"]])
def test_values_are_toml(value: object) -> None:
    assert tomllib.loads(f"key = {toml_value(value)}")["key"] == value


def test_a_name_that_cannot_be_declared_is_left_out() -> None:
    assert declared_name("ucf-101") == "ucf-101"
    for name in ("", "-a", "a b", "a/b", "a\n"):
        assert declared_name(name) is None
