"""The one lock: held by one at a time, given back at the end of the block, and asked for without waiting or with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.files.lock import is_locked, locked
from tests.support.locks import check_that_one_holds_it

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom benchmark.files.lock import locked\n"
    "with locked(Path(sys.argv[1]), wait=True):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path: Path, root: Path):
    """A process that holds the lock until its input ends."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / ".lock")]
    process = subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    process.wait(30)


def test_another_process_holds_it(tmp_path: Path, holder) -> None:
    check_that_one_holds_it(tmp_path / ".lock", holder)


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path) and not path.exists()
    with pytest.raises(ZeroDivisionError), locked(path, wait=False):
        assert is_locked(path)
        1 / 0
    assert not is_locked(path)


def test_busy_is_told_apart_from_what_the_block_raises(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError), locked(tmp_path / ".lock", wait=False):
        raise TimeoutError
