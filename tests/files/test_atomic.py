"""Writes that happen whole or not at all, and what is said where they cannot happen."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchmark.errors import LONGEST, BadInput, Unwritable, nearest, of_system, shortened
from benchmark.files.atomic import check_writable, replacing, sweep, write_text, writing_to


@pytest.mark.parametrize("name", ["n" * 255, "\u00e9" * 127, "[x]*?"])
def test_any_name_that_a_file_can_have(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    for name in ("[x]", "n" * 255, "other"):
        with pytest.raises(KeyboardInterrupt), replacing(tmp_path / name) as temporary:
            temporary.rename(tmp_path / "aside")
            raise KeyboardInterrupt
        (tmp_path / "aside").rename(temporary)
    sweep(tmp_path, "[x]")
    sweep(tmp_path, "n" * 255)
    assert [path.name[:6] for path in tmp_path.iterdir()] == [".other"]
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device); make room"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "make room"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error)"),
        (OSError("Can't synchronously write data (file write failed)"), "file write failed"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), "the disk is full"),
    ],
)
def test_writing_that_fails_names_the_target(tmp_path: Path, error: Exception, words: str) -> None:
    with pytest.raises(Unwritable) as told, replacing(tmp_path / "target"):
        raise error
    assert str(told.value).startswith(f"{tmp_path / 'target'}: cannot be written (") and words in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "", "another file"), RuntimeError("a defect"), BadInput("a reading")]
)
def test_other_errors_in_the_block_pass(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as passed, replacing(tmp_path / "target"):
        raise error
    assert passed.value is error


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "x", tmp_path / ("n" * 300), tmp_path / "nu\0ll"):
        with pytest.raises(Unwritable):
            check_writable(path)
        with pytest.raises(Unwritable):
            write_text(path, "")
    check_writable(tmp_path / "new" / "file")
    assert not list((tmp_path / "new").iterdir())


def test_advice_follows_the_cause(tmp_path: Path) -> None:
    for number, advice in ((errno.ENOSPC, "; mine"), (errno.EROFS, "; give another folder"), (errno.ENOENT, ")")):
        with pytest.raises(Unwritable) as told, writing_to(tmp_path, "mine"):
            raise OSError(number, os.strerror(number))
        assert str(told.value).endswith(advice)


def test_sentences_are_short_and_of_one_line() -> None:
    long = "\u00e9x\n" * 100_000
    for error in (
        BadInput(long, file=long, key=long, expected=long, found=long, next_step=long),
        BadInput("is odd", file=f"/folder/{long}/train.h5", found=long),
        BadInput(f"unknown method '{long}'; {nearest(long, [long, *map(str, range(5000))])}"),
        of_system(OSError(errno.ENAMETOOLONG, "File name too long", long)),
        Unwritable(long, OSError(errno.ENOSPC, "No space left on device"), long),
    ):
        assert len(str(error)) <= LONGEST and len(str(error).splitlines()) == 1
    assert "train.h5: is odd; found" in str(BadInput("is odd", file=f"/folder/{long}/train.h5", found=long))
    assert str(BadInput("is odd", key="k", expected=1, found=0)) == "key 'k': is odd; expected 1, found 0"
    assert "and 92 more" in nearest("zzz", [f"name{number}" for number in range(100)])
    assert shortened("abcdefgh", 7) == "ab...gh" and shortened("abc", 7) == "abc"
    assert "\0" not in str(BadInput("x", file="a\0b"))
