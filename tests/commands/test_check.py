"""``check`` end to end: green as committed, red at planted faults, and what ``--update`` does."""

import json
import shutil

import numpy as np
import pytest
import torch

import methods.conmh
import methods.itq
from benchmark.catalogue import registry
from benchmark.cells import measure
from benchmark.cli import main
from benchmark.compute import machine
from benchmark.evaluation import results
from benchmark.evaluation.evaluator import evaluate, warm_up
from benchmark.paths import ROOT, Roots
from benchmark.regression import cells, plan

BASELINES = ROOT / "results" / "baselines"


@pytest.fixture
def check(monkeypatch, cache_root, tmp_path, capfd):
    """Return a function that runs ``check`` with its cells in this process, where a fault can be planted."""
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))

    def here(tasks, how, jobs):
        machine.set_up()
        warm_up()
        yield from (cells.run_task(task) for task in tasks)

    monkeypatch.setattr(cells, "run", here)

    def call(*words):
        code = main([str(word) for word in ["check", "--out", tmp_path / "out", *words]])
        return code, capfd.readouterr().out

    return call


@pytest.fixture
def baselines(tmp_path):
    """A copy of the committed baselines that a test may spoil."""
    return shutil.copytree(BASELINES, tmp_path / "baselines")


def failing(out, verdict):
    """Return the rows of the printed table with this verdict."""
    return [line for line in out.splitlines() if line.strip().endswith(verdict) or f" {verdict}: " in line]


def test_methods_without_a_fault_pass(check):
    code, out = check("--methods", "conmh", "itq", "pcah")
    assert code == 0, out
    assert "check passed" in out and "failing" not in out
    assert "what moved" not in out or "better" in out


def test_a_flipped_loss_sign_is_caught(check, monkeypatch):
    straight = methods.conmh.debiased_contrast
    monkeypatch.setattr(methods.conmh, "debiased_contrast", lambda *words: -straight(*words))
    code, out = check("--methods", "conmh")
    assert code == 1
    assert any("loss train/contrastive, epoch 1" in row for row in failing(out, "left its band"))
    assert any("mAP@20 field" in row for row in failing(out, "fell"))


@pytest.mark.parametrize("by", [1, -1])
def test_an_off_by_one_in_the_masks_is_caught(check, monkeypatch, by):
    straight = methods.conmh.masked_count
    monkeypatch.setattr(methods.conmh, "masked_count", lambda frames, ratio: straight(frames, ratio) + by)
    code, out = check("--methods", "conmh")
    assert code == 1
    assert any("loss train/" in row for row in failing(out, "left its band"))


def test_a_swapped_query_and_database_is_caught(check, monkeypatch):
    def swapped(query, database, query_labels, database_labels, *words, **named):
        return evaluate(database, query, database_labels, query_labels, *words, **named)

    monkeypatch.setattr(measure, "evaluate", swapped)
    monkeypatch.setattr(measure, "choose_examples", lambda *words: [])  # it would notice the number of queries
    code, out = check("--methods", "pcah")
    assert code == 1
    assert any("mAP@20 field" in row for row in failing(out, "fell"))


def one_more(protocol, relevant, ks):
    return np.broadcast_to(np.array(ks) + 1, (len(relevant), len(ks)))


def always_relevant(protocol, relevant, ks):
    return np.broadcast_to(relevant[:, None], (len(relevant), len(ks)))


def least(protocol, relevant, ks):
    return np.minimum(np.array(ks), relevant[:, None])


@pytest.mark.parametrize(("wrong", "verdict"), [(one_more, "fell"), (always_relevant, "fell"), (least, "suspicious")])
def test_a_wrong_denominator_is_caught(check, monkeypatch, wrong, verdict):
    monkeypatch.setattr(results, "_denominators", wrong)
    code, out = check("--methods", "pcah")
    assert code == 1
    assert failing(out, verdict)


def test_labels_that_leak_into_training_are_suspicious(check, monkeypatch, cache_root):
    """The projection is fitted to codewords of the classes, as a method could that was given labels."""
    part = plan.read(BASELINES).open(Roots(cache_root / "none", cache_root))
    labels = part.labels("train").astype(np.float64)

    def supervised(self, train):
        mean_frames = train.take(np.arange(len(train))).mean(1, dtype=torch.float64).numpy()
        mean = mean_frames.mean(0)
        centred = mean_frames - mean
        words = np.random.default_rng(0).choice([-1.0, 1.0], (labels.shape[1], self.bits))
        ridge = centred.T @ centred + 1e-3 * np.trace(centred.T @ centred) / len(mean) * np.eye(len(mean))
        self.hold(mean, np.linalg.solve(ridge, centred.T @ (labels @ words)))

    monkeypatch.setattr(methods.itq.ITQ, "fit", supervised)
    code, out = check("--methods", "itq")
    assert code == 1
    assert any("mAP" in row for row in failing(out, "suspicious"))


def test_a_cell_that_fails_fails_the_check_and_is_not_written(check, monkeypatch, baselines):
    def broken(self, train):
        raise RuntimeError("planted")

    monkeypatch.setattr(methods.itq.ITQ, "fit", broken)
    before = (baselines / "itq.json").read_bytes()
    for words in ((), ("--update",)):
        code, out = check("--methods", "itq", "random", "--baseline", baselines, *words)
        assert code == 1
        assert "RuntimeError: planted" in out
    assert (baselines / "itq.json").read_bytes() == before


def test_a_new_method_has_no_baseline_until_update(check, baselines):
    (baselines / "random.json").unlink()
    code, out = check("--methods", "random", "--baseline", baselines)
    assert code == 1
    assert len(failing(out, "no baseline")) == 2 and "check --update" in out
    assert check("--methods", "random", "--baseline", baselines, "--update")[0] == 0
    held, committed = (json.loads((folder / "random.json").read_text()) for folder in (baselines, BASELINES))
    assert held["bits"] == committed["bits"]
    assert check("--methods", "random", "--baseline", baselines)[0] == 0


def test_update_shows_what_changes_and_keeps_what_does_not(check, baselines):
    path = baselines / "random.json"
    held = json.loads(path.read_text())
    held["bits"]["16"]["map"]["field"]["map@20"] += 0.25
    path.write_text(json.dumps(held))
    code, out = check("--methods", "random", "--baseline", baselines)
    assert code == 1 and failing(out, "fell")
    code, out = check("--methods", "random", "--baseline", baselines, "--update")
    assert code == 0
    assert "-0.25" in out and "1 baselines written" in out
    assert check("--methods", "random", "--baseline", baselines, "--update")[1].count("no number differs") == 1


def test_a_baseline_made_from_something_else_asks_for_update(check, baselines):
    toml = (baselines / "check.toml").read_text()
    (baselines / "check.toml").write_text(toml.replace("query = 120", "query = 110"))
    code, out = check("--methods", "random", "--baseline", baselines)
    assert code == 1
    assert "other check" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "conhm"], "did you mean 'conmh'?"),
        (["--methods", "bth:paper"], "give the name alone"),
        (["--jobs", 0], "--jobs is out of range"),
        (["--baseline", "/nowhere"], "check.toml: says what a check runs, and is missing"),
    ],
)
def test_mistakes_are_told_in_one_sentence(command, words, said):
    done = command("check", *words)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_cells_run_in_processes_of_their_own(command):
    done = command("check", "--methods", "pcah", "random", "--jobs", 2, "--threads", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "check passed" in done.stdout and done.stderr.count("bits: ") == 4


def test_the_committed_baselines_are_those_of_the_checkout():
    held = {path.stem for path in BASELINES.glob("*.json")}
    assert held == {*registry.methods(), "spreads"}
