"""What every kind of lock does while another process holds it."""

import threading
from pathlib import Path

import pytest

from benchmark.files.lock import Busy, is_locked, locked


def check_that_one_holds_it(path: Path, holder) -> None:
    """Ask for a lock that the process ``holder`` holds until its input ends: refused, then waited for, then free."""
    assert is_locked(path)
    with pytest.raises(Busy), locked(path, wait=False):
        pass
    threading.Timer(0.2, holder.stdin.close).start()
    with locked(path, wait=True):
        assert holder.wait(30) == 0
        assert is_locked(path)
    assert not is_locked(path)
