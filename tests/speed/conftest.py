"""The speed gate of a session: one object that the timings report to."""

from __future__ import annotations

import os

import pytest

from tests.speed.speed_gate import SpeedGate

_GATE = pytest.StashKey[SpeedGate]()


@pytest.fixture(scope="session")
def speed(request):
    """Return the gate; sizes that VIDEO_HASHING_FULL_SIZE asks for have no reference."""
    gate = SpeedGate(update=request.config.getoption("--update-speed"))
    if os.environ.get("VIDEO_HASHING_FULL_SIZE"):
        gate = SpeedGate(kind="full size")
    request.config.stash[_GATE] = gate
    yield gate
    if gate.update and gate.found:
        gate.write()


def pytest_terminal_summary(terminalreporter, config):
    gate = config.stash.get(_GATE, None)
    if gate is not None and gate.found:
        terminalreporter.section("speed")
        for line in gate.lines():
            terminalreporter.write_line(line)
