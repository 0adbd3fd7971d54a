"""A sweep that is killed again and again at random moments loses no cell that it had finished."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from tests.support.fault_inputs import make_dataset

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that is ready is copied by fork")

READY = '''
"""Import all that a run needs once, then run copies of this process and kill each at a random moment."""
import json, os, random, signal, sys, time
words, kills, seed, longest = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
from benchmark.cli import main
main(["run", *words, "--results", sys.argv[5]])  # compiles kernels and imports everything; elsewhere
draws = random.Random(seed)
for kill in range(kills):
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(main(["run", *words, "--results", sys.argv[6]]))
    time.sleep(draws.random() * longest)
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status = os.waitpid(child, 0)
    print(json.dumps([kill, status]), flush=True)
print(main(["run", *words, "--results", sys.argv[6]]))
'''


@pytest.mark.parametrize("kills", [pytest.param(8, id="short"),
                                   pytest.param(100, id="long", marks=pytest.mark.slow)])  # fmt: skip
def test_no_cell_is_lost(root, tmp_path, kills):
    folder = make_dataset(tmp_path / "plain")
    seeds = range(4 if kills < 100 else 30)
    words = ["--methods", "lsh", "random", "itq", "--datasets", folder, "--bits", 16, "--no-page", "--device", "cpu",
             "--seeds", *seeds, "--cache", tmp_path / "cache"]  # fmt: skip
    told = json.dumps([str(word) for word in words])
    results = tmp_path / "results"
    process = subprocess.Popen(
        [sys.executable, "-c", READY, told, str(kills), str(random.Random(1).random())[2:6], "0.6", tmp_path / "whole",
         results], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    known, count = {}, 0
    try:
        for line in process.stdout:
            if not line.startswith("[") or "," not in line or not line.strip().endswith("]"):
                continue
            count += 1
            for path in results.rglob("record.json"):
                content = path.read_bytes()
                json.loads(content)
                assert known.setdefault(path, content) == content, "a finished cell was made again"
            assert all(path.exists() for path in known), "a finished cell is gone"
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
    assert count >= kills
    assert scores(results) == scores(tmp_path / "whole")
    assert not list(results.rglob("*.tmp"))


def scores(results):
    found = {}
    for path in results.rglob("record.json"):
        record = json.loads(path.read_text())
        found[record["identity"]["method"], record["identity"]["seed"]] = record["metrics"]["field"]["metrics"][
            "map@20"
        ]
    return found
