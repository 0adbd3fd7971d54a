"""``run`` from the command line: cells, records, the table, what is kept, what is run again."""

import json

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.evaluation.hamming import unpack
from benchmark.records import record, store
from benchmark.records.code_file import read_codes


@pytest.fixture
def run(tiny, tmp_path, cache_root, monkeypatch, capsys):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))

    def call(*words, datasets=(tiny,), results="results", page=False):
        words = words if page else (*words, "--no-page")
        code = main(["run", "--datasets", *map(str, datasets), "--results", str(tmp_path / results), *map(str, words)])
        return code, capsys.readouterr()

    return call


def records(tmp_path, name="results"):
    return store.scan(tmp_path / name)


def test_a_matrix_ends_with_records_a_table_and_a_page(run, tmp_path):
    code, printed = run("--methods", "itq", "lsh", "--bits", 8, 16, "--seeds", 0, 1, page=True)
    assert code == 0
    found = records(tmp_path)
    cells = {(r.identity.method, r.identity.bits, r.identity.seed) for r in found.records}
    assert cells == {(m, b, s) for m in ("itq", "lsh") for b in (8, 16) for s in (0, 1)}
    assert "[8/8] lsh on tiny, 16 bits, seed 1: mAP@5 " in printed.out
    page = tmp_path / "results" / "html" / "index.html"
    assert f"page: {page}" in printed.out
    assert page.stat().st_size > 5000
    itq = np.array(
        [
            r.metrics["field"].metrics["map@5"]
            for r in found.records
            if (r.identity.method, r.identity.bits) == ("itq", 8)
        ]
    )
    assert f"{itq.mean():.4f} ± {itq.std(ddof=1):.4f}" in printed.out


def test_the_record_holds_what_made_the_number(run, tmp_path):
    run("--methods", "conmh", "--bits", 8, "--epochs", 2, "--set", "conmh.size=mini", "conmh.batch_size=50")
    (found,) = records(tmp_path).records
    assert found.identity.config["batch_size"] == 50
    assert found.identity.budget == {"epochs": 2}
    assert found.training.stages[-1].epochs == 2
    assert found.training.stages[-1].steps == 6
    assert len(found.training.stages[-1].losses["total"]) == 2
    assert {name: split.n for name, split in found.data.splits.items()} == {"train": 120, "database": 80, "query": 30}
    assert found.environment["packages"]["torch"].startswith("2.13.0")
    assert found.code["digest"] and found.peak_memory_bytes > 1e7
    assert {"prepare", "fit", "encode", "evaluate"} <= set(found.timing)
    assert (
        "--set conmh.batch_size=50" in found.rerun and "conmh.size=mini" in found.rerun and "--epochs 2" in found.rerun
    )
    assert len(found.examples) == 9
    assert all(len(example["results"]) == 5 for example in found.examples)
    folder = records(tmp_path).folders[found.place]
    assert not (folder / record.CHECKPOINT).exists()
    codes = read_codes(folder / record.CODES)
    assert unpack(codes["database"]).shape == (80, 8)
    with np.load(folder / record.QUERIES, allow_pickle=False) as per_query:
        mean = per_query["ap_field"].mean(axis=0)
    assert mean[list(np.load(folder / record.QUERIES)["k"]).index(5)] == found.metrics["field"].metrics["map@5"]


def test_a_finished_cell_is_kept_and_rerun_on_request(run, tmp_path):
    run("--methods", "lsh", "--bits", 8)
    (first,) = records(tmp_path).records
    _, printed = run("--methods", "lsh", "--bits", 8)
    assert "(kept, made" in printed.out
    _, printed = run("--methods", "lsh", "--bits", 8, "--rerun", "failed")
    assert "(kept, made" in printed.out
    _, printed = run("--methods", "lsh", "--bits", 8, "--rerun", "all")
    assert "(kept, made" not in printed.out
    (second,) = records(tmp_path).records
    assert second.metrics == first.metrics


def test_a_cell_whose_code_changed_is_stale_and_rerun_on_request(run, tmp_path, capsys):
    run("--methods", "lsh", "--bits", 8)
    (path,) = (tmp_path / "results").glob(f"*/*/*/*/{record.RECORD}")
    old = json.loads(path.read_text())
    old["code"]["digest"] = "of-yesterday"
    path.write_text(json.dumps(old))
    _, printed = run("--methods", "lsh", "--bits", 8, "--dry-run")
    assert printed.out.startswith("stale        lsh on tiny, 8 bits, seed 0")
    main(["status", "--results", str(tmp_path / "results")])
    assert capsys.readouterr().out.startswith("stale ")
    _, printed = run("--methods", "lsh", "--bits", 8)
    assert "(kept, made" in printed.out
    run("--methods", "lsh", "--bits", 8, "--rerun", "stale")
    assert json.loads(path.read_text())["code"]["digest"] != "of-yesterday"


def test_a_failed_cell_is_recorded_and_the_others_still_run(run, tmp_path, capsys):
    words = ("--methods", "conmh", "lsh", "--bits", 8, "--epochs", 2, "--set", "conmh.size=mini")
    code, printed = run(*words, "conmh.learning_rate=1e30")
    assert code == 1
    assert "FAILED in fit: the loss term" in printed.out
    assert "not run" in printed.out
    found = {r.identity.method: r for r in records(tmp_path).records}
    assert found["lsh"].status == "done"
    assert found["conmh"].status == "failed"
    assert found["conmh"].failure.type == "TrainingDiverged"
    assert "Traceback" in found["conmh"].failure.traceback
    assert main(["status", "--results", str(tmp_path / "results"), "--json"]) == 0
    states = {row["cell"].split("/")[1]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert states == {"conmh": "failed", "lsh": "done"}


def test_dry_run_shows_the_cells_and_runs_nothing(run, tmp_path):
    code, printed = run("--methods", "itq", "--bits", 8, 4096, "--dry-run")
    assert code == 0
    assert printed.out.splitlines()[0] == "missing      itq on tiny, 8 bits, seed 0"
    assert printed.out.splitlines()[1].startswith("unsupported  itq on tiny, 4096 bits, seed 0 (")
    assert not (tmp_path / "results").exists()


def test_an_unsupported_cell_is_not_run_and_no_failure(run, tmp_path):
    code, printed = run("--methods", "itq", "--bits", 8, 4096)
    assert code == 0
    assert "itq on tiny, 4096 bits, seed 0: not run, " in printed.out
    assert len(records(tmp_path).records) == 1


def test_same_seed_same_codes_and_another_seed_others(run, tmp_path):
    def codes(results, seed):
        run(
            "--methods",
            "conmh",
            "--bits",
            16,
            "--epochs",
            2,
            "--set",
            "conmh.size=mini",
            "--seeds",
            seed,
            results=results,
        )
        (path,) = (tmp_path / results).glob(f"*/*/*/seed{seed}-*/{record.CODES}")
        return unpack(read_codes(path)["database"])

    first = codes("a", 0)
    assert np.array_equal(first, codes("b", 0))
    assert not np.array_equal(first, codes("a", 1))


def test_self_retrieval_encodes_the_database_once(run, tiny, tmp_path):
    folder = tmp_path / "self"
    folder.mkdir()
    for name in ("train.h5", "database.h5", "database.npy"):
        (folder / name).write_bytes((tiny / name).read_bytes())
    (folder / "dataset.toml").write_text(
        'query = "database"\n[train]\nfeatures = "train.h5"\n'
        '[database]\nfeatures = "database.h5"\nlabels = "database.npy"\n'
    )
    code, _ = run("--methods", "random", "--bits", 32, datasets=(folder,))
    assert code == 0
    (found,) = records(tmp_path).records
    assert found.data.self_retrieval
    assert found.data.splits["query"].n == 80
    assert found.metrics["field"].metrics["map@5"] >= 0.2  # the query finds itself first
    assert found.metrics["strict"].metrics["map@5"] < 0.2
    assert all(item["row"] != example["query"] for example in found.examples for item in example["results"])


def test_a_cell_in_bfloat16_is_a_cell_of_its_own_and_its_model_encodes_alike(run, tmp_path, tiny):
    words = ["--methods", "conmh", "itq", "--bits", 8, "--epochs", 2]
    words += ["--set", "conmh.size=mini", "conmh.batch_size=50"]
    assert run(*words)[0] == 0
    code, printed = run(*words, "--precision", "bf16")
    assert code == 0 and "8 bits, seed 0, bf16: mAP@5" in printed.out
    assert "itq on tiny, 8 bits, seed 0: mAP@5" in printed.out
    found = {(r.identity.method, r.identity.precision): r for r in records(tmp_path).records}
    assert set(found) == {("conmh", "fp32"), ("conmh", "bf16"), ("itq", "fp32")}
    lowered = found["conmh", "bf16"]
    assert "--precision bf16" in lowered.rerun and "precision" not in found["conmh", "fp32"].rerun
    assert lowered.training.stages[-1].waited >= 0
    folder = records(tmp_path).folders[lowered.place]
    out = tmp_path / "codes.npz"
    features = tiny / "query.h5"
    words = ["--method", "conmh", "--checkpoint", folder / record.MODEL, "--features", features, "--out", out]
    assert main(["encode", *map(str, words)]) == 0
    assert np.array_equal(np.load(out)["packed"], read_codes(folder / record.CODES)["query"].packed)
