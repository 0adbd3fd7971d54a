"""The lock of file systems without locks: one holder at a time, given back, and lost by the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.errors import Unwritable
from benchmark.files import heartbeat
from benchmark.files.lock import Busy, is_locked, locked
from tests.support.locks import check_that_one_holds_it

fcntl = pytest.importorskip("fcntl")

REFUSE = """
import errno, fcntl, os, sys
from pathlib import Path
def refuse(descriptor, how):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
from benchmark.files import lock
"""
HOLD = f"""{REFUSE}
with lock.locked(Path(sys.argv[1]), wait=True):
    print('held', flush=True)
    sys.stdin.read()
"""
COUNT = f"""{REFUSE}
folder = Path(sys.argv[1])
for _ in range(15):
    with lock.locked(folder / ".lock", wait=True):
        inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
        number = int((folder / "number").read_text())
        (folder / "number").write_text(str(number + 1))
        os.close(inside)
        os.unlink(folder / "inside")
"""


@pytest.fixture(autouse=True)
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor, how):
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(heartbeat, "POLL", 0.02)


@pytest.fixture
def holder(tmp_path: Path, root: Path):
    words = [sys.executable, "-c", HOLD, str(tmp_path / ".lock")]
    process = subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def leave(path: Path, age: float = 0, **words: object) -> None:
    """Leave the marker of a holder, by default on another machine, touched ``age`` seconds ago."""
    path.write_text(json.dumps({"host": "elsewhere", "processes": "pid:[1]", "pid": 1, "token": "x", **words}))
    os.utime(path, (time.time() - age,) * 2)


def test_another_process_holds_it(tmp_path: Path, holder) -> None:
    check_that_one_holds_it(tmp_path / ".lock", holder)


def test_a_killed_holder_of_this_machine_loses_it_at_once(tmp_path: Path, holder) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock.held").exists()
    assert not is_locked(tmp_path / ".lock")
    with locked(tmp_path / ".lock", wait=False):
        assert is_locked(tmp_path / ".lock")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_processes_take_turns(tmp_path: Path, root: Path) -> None:
    (tmp_path / "number").write_text("0")
    leave(tmp_path / ".lock.held", heartbeat.STALE + 1)
    words = [sys.executable, "-c", COUNT, str(tmp_path)]
    processes = [subprocess.Popen(words, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert errors == ["", "", ""]
    assert (tmp_path / "number").read_text() == "45"


def test_threads_take_turns(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock", wait=False), pytest.raises(Busy), locked(tmp_path / ".lock", wait=False):
        pass


def test_a_holder_elsewhere_is_believed_while_it_beats(tmp_path: Path) -> None:
    path, marker = tmp_path / ".lock", tmp_path / ".lock.held"
    leave(marker, heartbeat.STALE - 5)
    assert is_locked(path)
    with pytest.raises(Busy), locked(path, wait=False):
        pass
    leave(marker, heartbeat.STALE + 5)
    assert not is_locked(path)
    with locked(path, wait=False):
        pass


def test_a_process_of_another_container_is_not_taken_for_dead(tmp_path: Path) -> None:
    leave(tmp_path / ".lock.held", host=heartbeat.socket.gethostname(), pid=2**22 + 1)
    assert is_locked(tmp_path / ".lock")


@pytest.mark.parametrize("content", ["", "no json", '["x"]', '{"host": 3}'])
def test_a_damaged_marker_is_judged_by_its_age(tmp_path: Path, content: str) -> None:
    marker = tmp_path / ".lock.held"
    marker.write_text(content)
    assert is_locked(tmp_path / ".lock")
    os.utime(marker, (time.time() - heartbeat.STALE - 1,) * 2)
    with locked(tmp_path / ".lock", wait=False):
        pass


def test_it_is_touched_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.05)
    marker = tmp_path / ".lock.held"
    with locked(tmp_path / ".lock", wait=False):
        os.utime(marker, (0, 0))
        until = time.monotonic() + 10
        while marker.stat().st_mtime < 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert marker.stat().st_mtime > 1
    assert not marker.exists()


def test_a_lock_that_was_lost_is_not_taken_from_its_new_holder(tmp_path: Path) -> None:
    marker = tmp_path / ".lock.held"
    with locked(tmp_path / ".lock", wait=False):
        leave(marker)
    assert marker.exists()


def test_a_remover_that_was_killed_stops_nobody_for_ever(tmp_path: Path) -> None:
    leave(tmp_path / ".lock.held", heartbeat.STALE + 5)
    leave(tmp_path / ".lock.held.breaking", heartbeat.STALE + 5)
    with locked(tmp_path / ".lock", wait=True):
        pass


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="file: cannot be written"), locked(tmp_path / "file" / ".lock", wait=False):
        pass
