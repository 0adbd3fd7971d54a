"""A call on the write path of a sweep fails: nothing done is lost, the sweep goes on, the same command ends it."""

from __future__ import annotations

import errno
import json
import shutil

import pytest

from tests.support.failing_writes import Faults, failing
from tests.support.fault_inputs import LONGEST, make_dataset
from tests.support.mutations import call

EVERY = 25
"""The short form takes one in so many calls."""

NUMBERS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES}


class Sweep:
    """Three cells: one that is trained in epochs, with checkpoints, and two that are not."""

    def __init__(self, root):
        self.root = root
        self.folder = make_dataset(root / "plain")
        self.results, self.cache = root / "results", root / "cache"

    def run(self):
        return call(
            *("run", "--methods", "conmh", "lsh", "itq", "--datasets", self.folder, "--bits", 16, "--epochs", 2),
            *("--set", "conmh.size=mini", "--results", self.results, "--cache", self.cache, "--device", "cpu"),
            "--no-page",
        )

    def scores(self):
        found = {}
        for path in self.results.rglob("record.json"):
            record = json.loads(path.read_text())
            found[record["identity"]["method"]] = record["metrics"]["field"]["metrics"]["map@20"]
        return found

    def records(self):
        return {path: path.read_bytes() for path in self.results.rglob("record.json")}

    def clear(self):
        for folder in (self.results, self.cache):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return Sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def clean(sweep):
    """What an undisturbed sweep writes: the calls in order, and its scores."""
    sweep.clear()
    with failing(Faults((sweep.results, sweep.cache))) as faults:
        assert sweep.run().code == 0
    scores = sweep.scores()
    assert set(scores) == {"conmh", "lsh", "itq"}
    return faults.seen, scores


def disturbed(sweep, clean, at, number, lasting=False):
    """Let a call fail, check what the command made of it, and that the same command goes on to the end."""
    seen, scores = clean
    sweep.clear()
    told = f"{'all from' if lasting else 'only'} call {at} ({', '.join(seen[min(at, len(seen) - 1)])}), {number}"
    with failing(Faults((sweep.results, sweep.cache), number, at, lasting)) as faults:
        outcome = sweep.run()
    assert faults.failed, told
    assert outcome.code in (0, 1, 2), told
    assert max(map(len, outcome.err.splitlines()), default=0) <= LONGEST, (told, outcome.err)
    if outcome.code == 2:
        outcome.sentence()
    done = sweep.records()
    assert set(sweep.scores().items()) <= set(scores.items()), told
    if outcome.code == 0:
        assert len(done) == 3, told
    _, path = faults.failed[0]
    if not lasting and any(f"/{method}/16/" in path for method in scores):
        others = {method for method in scores if f"/{method}/16/" not in path}
        assert others <= set(sweep.scores()), f"{told}: the sweep did not go on"
        assert outcome.code in (0, 1), told
    call("status", "--results", sweep.results)
    again = sweep.run()
    assert again.code == 0, (told, again.text[-500:])
    assert sweep.scores() == scores, told
    for path, content in done.items():
        assert path.read_bytes() == content, f"{told}: a finished cell was made again"
    assert not list(sweep.results.rglob("*.tmp")), told


def places(seen, step):
    """Return the numbers of the calls to disturb: of each kind of call on each file, and every so many."""
    first = {}
    for place, (what, path) in enumerate(seen):
        first.setdefault((what, path.rpartition("/")[2].split(".tmp")[0][:12]), place)
    return sorted({*range(0, len(seen), step), *(first.values() if step == 1 else ())})


def test_the_write_path_is_seen(clean):
    kinds = {what for what, _ in clean[0]}
    assert {"os.open", "mkdir", "replace", "fsync", "write", "torch.save"} <= kinds
    assert any("record.json" in path for _, path in clean[0])
    assert any("checkpoint" in path for _, path in clean[0])


def test_one_call_fails(sweep, clean):
    numbers = list(NUMBERS.values())
    for turn, at in enumerate(places(clean[0], EVERY)):
        disturbed(sweep, clean, at, numbers[turn % 3])


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMBERS)
def test_each_call_fails_once(sweep, clean, name):
    for at in range(len(clean[0])):
        disturbed(sweep, clean, at, NUMBERS[name])


@pytest.mark.parametrize(
    "share", [0.0, 0.3, 0.7, 0.99, *(pytest.param(at, marks=pytest.mark.slow) for at in (0.1, 0.5, 0.9))]
)
def test_the_disk_stays_full(sweep, clean, share):
    disturbed(sweep, clean, int(share * len(clean[0])), errno.ENOSPC, lasting=True)


def test_the_disk_is_full_when_the_record_is_written(sweep, clean):
    """The cell fails, and the ones after it are done by the same command."""
    for at, (what, path) in enumerate(clean[0]):
        if "record.json" in path and "/conmh/" in path and what in ("os.open", "write", "fsync", "replace", "close"):
            disturbed(sweep, clean, at, errno.ENOSPC)


VERBS = ("convert", "encode", "evaluate", "report", "robustness")


@pytest.fixture(scope="module")
def words(sweep, clean, tmp_path_factory):
    import numpy as np

    root = tmp_path_factory.mktemp("verbs")
    sweep.clear()
    assert sweep.run().code == 0
    results = root / "results"
    shutil.copytree(sweep.results, results)
    (model,) = results.glob("plain/lsh/16/*/model.pt")
    with np.load(model.parent / "codes.npz") as stored:
        np.savez(root / "codes.npz", packed=stored["database"], bits=stored["bits"])
    out = root / "out"
    return out, {
        "convert": ("convert", "--dataset", sweep.folder, "--out", out),
        "encode": ("encode", "--method", "lsh", "--checkpoint", model, "--features", sweep.folder / "query.h5", "--out",
                   out / "codes.npz", "--device", "cpu"),
        "evaluate": ("evaluate", "--self", "--database-codes", root / "codes.npz", "--database-labels",
                     sweep.folder / "train.npy", "--json", out / "measured.json"),
        "report": ("report", "--results", results, "--out", out),
        "robustness": ("robustness", "--results", results, "--rerun", "--no-page", "--methods", "lsh", "--datasets",
                       sweep.folder),
    }  # fmt: skip


def verb_places(seen, full):
    return range(len(seen)) if full else sorted({0, len(seen) // 3, 2 * len(seen) // 3, len(seen) - 1})


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("full", [pytest.param(False, id="short"),
                                  pytest.param(True, id="long", marks=pytest.mark.slow)])  # fmt: skip
def test_other_verbs(sweep, words, tmp_path, verb, full):
    out, commands = words
    folders = (out, words[1]["report"][2]) if verb == "robustness" else (out,)
    common = () if verb == "evaluate" else ("--cache", sweep.cache)
    shutil.rmtree(out, ignore_errors=True)
    with failing(Faults(folders)) as faults:
        assert call(*commands[verb], *common).code == 0
    seen = list(faults.seen)
    assert seen
    for turn, at in enumerate(verb_places(seen, full)):
        number = list(NUMBERS.values())[turn % 3]
        shutil.rmtree(out, ignore_errors=True)
        with failing(Faults(folders, number, at)):
            outcome = call(*commands[verb], *common)
        told = (verb, seen[at], number, outcome.text[-300:])
        assert outcome.code in (0, 1, 2), told
        if outcome.code == 2:
            outcome.sentence()
        assert call(*commands[verb], *common).code == 0, told
