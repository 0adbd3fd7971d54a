"""``run`` with a part of the data, a chosen epoch, a learning curve and a budget of time, from flags and from TOML."""

import json
import shlex

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.records import record, store
from benchmark.records.code_file import read_codes

WORDS = ["--methods", "conmh", "--bits", "8", "--epochs", "4", "--set", "conmh.size=mini", "conmh.batch_size=50"]


@pytest.fixture
def run(tiny, tmp_path, cache_root, monkeypatch, capsys):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))

    def call(*words, results="results", page=False):
        words = words if page else (*words, "--no-page")
        code = main(["run", "--datasets", str(tiny), "--results", str(tmp_path / results), *map(str, words)])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed

    return call


def found(tmp_path, results="results"):
    held = store.scan(tmp_path / results)
    return sorted(held.records, key=lambda item: (held.folders[item.place] / record.RECORD).stat().st_mtime_ns)


def codes(tmp_path, key, results="results"):
    held = store.scan(tmp_path / results)
    return {name: part.packed for name, part in read_codes(held.folders["tiny", key] / record.CODES).items()}


def test_a_curve_leaves_key_codes_and_losses_as_they_are_and_is_added_to_a_record_that_lacks_it(run, tmp_path):
    run(*WORDS)
    (plain,) = found(tmp_path)
    before = codes(tmp_path, plain.key)
    printed = run(*WORDS, "--curve", "every:3", "--dry-run")
    assert printed.out.startswith("no curve     conmh on tiny, 8 bits, seed 0, curve every:3")
    printed = run(*WORDS, "--curve", "every:3")
    assert "(kept, made" not in printed.out
    (curved,) = found(tmp_path)
    assert curved.key == plain.key and curved.metrics == plain.metrics
    assert curved.training.stages[-1].losses == plain.training.stages[-1].losses
    assert all(np.array_equal(before[name], part) for name, part in codes(tmp_path, curved.key).items())
    assert [point.epoch for point in curved.training.curve] == [3, 4]
    last = curved.training.curve[-1].metrics
    for preset in ("field", "strict"):
        assert {"map@5", "map@20", "map@100", "map"} <= set(last[preset])
        assert all(curved.metrics[preset].metrics[key] == value for key, value in last[preset].items())
    assert "(kept, made" in run(*WORDS, "--curve", "3").out
    assert "(kept, made" in run(*WORDS).out
    assert "--curve every:3" in curved.rerun and curved.timing["watch"] > 0


def test_the_epoch_chosen_on_test_queries_is_a_cell_of_its_own_and_says_so(run, tmp_path, capsys):
    run(*WORDS, "--curve", "every:1")
    printed = run(*WORDS, "--select", "test", page=True)
    plain, chosen = found(tmp_path)
    assert chosen.key != plain.key and chosen.identity.selection == "test"
    maps = {point.epoch: point.metrics["field"] for point in plain.training.curve}
    best = max(maps, key=lambda epoch: (maps[epoch]["map@20"], -epoch))
    assert chosen.selection.epoch == best and chosen.selection.last.epoch == 4
    assert chosen.metrics["field"].metrics["map@20"] == maps[best]["map@20"]
    assert chosen.selection.last.metrics["field"] == maps[4]
    assert [item.value for item in chosen.selection.candidates] == [maps[e]["map@20"] for e in (1, 2, 3, 4)]
    gain = maps[best]["map@20"] - maps[4]["map@20"]
    line = f"ConMH [select test], 8 bits: epoch {best} CHOSEN ON THE TEST QUERIES, mAP@20 {maps[best]['map@20']:.4f}"
    assert f"{line}, at the last epoch {maps[4]['map@20']:.4f} ({gain:+.4f})" in printed.out
    assert f"epoch {best} chosen on the test queries" in printed.out
    assert "--select test" in chosen.rerun
    page = (tmp_path / "results" / "html" / "index.html").read_text(encoding="utf-8")
    assert "saw the test queries" in page and "No checkpoint was chosen by looking at test queries" not in page
    main(["status", "--results", str(tmp_path / "results")])
    assert f"epoch {best} chosen on the test queries" in capsys.readouterr().out


def test_an_epoch_chosen_on_held_out_videos_trains_without_them_and_reads_no_label(run, tmp_path):
    """The training split of this dataset has no labels at all."""
    run(*WORDS, "--select", "validation", "--eval-every", 2)
    (chosen,) = found(tmp_path)
    selection = chosen.selection
    assert selection.slice.queries == 12 and selection.slice.trained_on == 108
    assert [item.epoch for item in selection.candidates] == [2, 4]
    assert selection.epoch == max(selection.candidates, key=lambda item: (item.value, -item.epoch)).epoch
    assert chosen.training.stages[-1].steps == 4 * 3
    assert (chosen.identity.selection, chosen.identity.eval_every) == ("validation", 2)
    assert "--select validation --eval-every 2" in chosen.rerun
    assert "(kept, made" in run(*WORDS, "--select", "validation", "--eval-every", 2).out
    assert "(kept, made" not in run(*WORDS, "--select", "validation").out


def test_time_that_runs_out_is_said_and_no_whole_schedule_is_claimed(run, tmp_path, capsys):
    words = [word for word in WORDS if word not in ("--epochs", "4")]
    printed = run(*words, "--epochs", 40, "--time-budget", "0.01s", page=True)
    (short,) = found(tmp_path)
    assert short.training.stopped_by == "time" and short.identity.budget == {"epochs": 40, "seconds": 0.01}
    assert (short.training.stages[-1].epochs, short.training.stages[-1].planned) == (1, 40)
    assert "1 of 40 epochs" in printed.out and "stopped by time after 1 of 40 epochs" in printed.out
    assert "--time-budget 0.01s" in short.rerun
    main(["status", "--results", str(tmp_path / "results")])
    assert "stopped by time after 1 of 40 epochs" in capsys.readouterr().out
    page = (tmp_path / "results" / "html" / "index.html").read_text(encoding="utf-8")
    assert "1 of 40 (time)" in page and "time budget 0.01 s" in page


def test_a_part_of_a_dataset_has_its_name_and_another_content(run, tmp_path):
    run(*WORDS)
    printed = run(*WORDS, "--subset", 24, page=True)
    whole, part = found(tmp_path)
    assert part.identity.dataset == whole.identity.dataset == "tiny" and part.key != whole.key
    assert part.identity.subset == 24 and part.data.subset and not whole.data.subset
    assert {name: split.n for name, split in part.data.splits.items()} == {"train": 24, "database": 16, "query": 6}
    assert part.data.fingerprint != whole.data.fingerprint
    assert part.code["dataset_file"] == whole.code["dataset_file"] and part.code["digest"] == whole.code["digest"]
    assert "subset of 24" in printed.out and "--subset 24" in part.rerun
    page = (tmp_path / "results" / "html" / "index.html").read_text(encoding="utf-8")
    assert "tiny (subset of 24)" in page and "a rehearsal" in page
    assert "has 120 training videos, so --subset 500 takes all of it" in run(*WORDS, "--subset", 500).err


def test_the_command_of_a_record_makes_the_same_cell(run, tmp_path, tiny):
    asked = [
        "--subset",
        60,
        "--select",
        "validation",
        "--eval-every",
        2,
        "--time-budget",
        "1h",
        "--curve",
        1,
        "every:2",
    ]
    run(*WORDS, *asked)
    (first,) = found(tmp_path)
    words = shlex.split(first.rerun)[3:]
    assert main([*words, "--results", str(tmp_path / "again"), "--no-page"]) == 0
    (second,) = found(tmp_path, "again")
    assert second.key == first.key and second.metrics == first.metrics
    assert [p.metrics for p in second.training.curve] == [p.metrics for p in first.training.curve]


def test_classical_methods_have_the_same_cell_and_it_is_said(run, tmp_path):
    run("--methods", "lsh", "--bits", 8)
    asked = ["--select", "test", "--time-budget", "10m", "--curve", "every:1"]
    printed = run("--methods", "lsh", "--bits", 8, *asked)
    assert "(kept, made" in printed.out
    assert "lsh: trained in no epochs, so --select test --curve every:1 --time-budget 600s changes" in printed.err
    (only,) = found(tmp_path)
    assert only.selection is None and only.identity.budget == {} and only.identity.selection == "last"


def test_toml_asks_for_the_same_cell(run, tmp_path):
    asked = 'subset = 60\nselect = "test"\neval_every = 2\ntime_budget = "1h"\ncurve = [1, "every:3"]\n'
    path = tmp_path / "run.toml"
    path.write_text(asked)
    printed = run(*WORDS, "--config", path, "--dry-run")
    told = "conmh on tiny, 8 bits, seed 0, subset of 60, select test every 2, curve 1 every:3, at most 3600s"
    assert printed.out == f"missing      {told}\n"
    flags = ["--subset", 60, "--select", "test", "--eval-every", 2, "--time-budget", "1h", "--curve", 1, "every:3"]
    assert run(*WORDS, *flags, "--dry-run").out == printed.out
    assert "select validation every 2" in run(*WORDS, "--config", path, "--select", "validation", "--dry-run").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--curve", "x"], "cannot read --curve x; expected epochs from 1, such as 1 2 5 10, or every:N"),
        (["--curve", "0"], "cannot read --curve 0"),
        (["--curve", "each:2"], "cannot read --curve each:2"),
        (["--curve", "every:2", "every:3"], "--curve has more than one every:N"),
        (["--time-budget", "90"], "cannot read --time-budget 90; expected a time above 0, such as 90s, 10m or 1.5h"),
        (["--time-budget", "0s"], "cannot read --time-budget 0s"),
        (["--eval-every", "2"], "add --select validation, or leave it out"),
        (["--select", "test", "--eval-every", "0"], "--eval-every is out of range"),
        (["--subset", "3"], "--subset is too small for dataset 'tiny'; expected 4 or more"),
        (
            ["--subset", "30", "--select", "validation"],
            "the training set of 'tiny' is too small to hold a part of it out",
        ),
    ],
)
def test_mistakes_are_told_in_one_sentence(tiny, tmp_path, cache_root, monkeypatch, capsys, words, message):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    assert main(["run", "--datasets", str(tiny), "--results", str(tmp_path), *WORDS, *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("curve = 3.5", "key 'curve': has the wrong type; expected epochs such as [1, 2, 5], or \"every:5\""),
        ('select = "best"', "key 'select': has an unknown value; expected last | validation | test, found 'best'"),
        ('subset = "240"', "key 'subset': has the wrong type; expected int"),
    ],
)
def test_mistakes_in_toml(tmp_path, capsys, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    assert main(["run", "--methods", "lsh", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_default_records_hold_nothing_of_it(run, tmp_path):
    run("--methods", "lsh", "--bits", 8)
    (path,) = (tmp_path / "results").glob(f"*/*/*/*/{record.RECORD}")
    held = json.loads(path.read_text())
    assert held["selection"] is None and held["identity"]["subset"] is None
    assert held["training"]["curve"] == [] and held["training"]["stopped_by"] == ""
