"""``list``, ``status``, ``doctor``, ``encode``, ``evaluate``, ``report``."""

import json

import h5py
import numpy as np
import pytest

from benchmark.catalogue import registry
from benchmark.cells.state import LOCK
from benchmark.cli import main
from benchmark.records import record, store


@pytest.fixture
def call(capsys, monkeypatch, tmp_path, cache_root):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    monkeypatch.setenv("VIDEO_HASHING_DATA", str(tmp_path / "data"))

    def run(*words):
        code = main([str(word) for word in words])
        return code, capsys.readouterr().out

    return run


def test_list_methods(call):
    code, text = call("list", "methods", "--json")
    rows = {row["name"]: row for row in json.loads(text)}
    assert code == 0
    assert set(rows) == set(registry.methods())
    assert "AAAI 2023" in rows["conmh"]["paper"]
    assert rows["conmh"]["presets"]["fcvid"]["epochs"] == 800
    _, text = call("list", "methods", "--verbose")
    assert "mask_ratio = " in text


def test_verbose_cards_count_parameters_as_the_facts_give_them(call):
    _, text = call("list", "methods", "--json", "--verbose")
    rows = {row["name"]: row for row in json.loads(text)}
    assert rows["mcmsh"]["parameters"] == 1_761_397
    dead = 1_049_344  # of BTH's released network: embeddings that nothing reads
    assert rows["bth"]["parameters"] == 3_170_624 - dead
    # The widest product of MCMSH is that of the first layer.
    assert rows["mcmsh"]["encode_gflop"] > 2 * 25 * 4096 * 256 / 1e9
    assert "parameters" not in rows["itq"]


def test_list_datasets_says_what_is_present_and_where_the_rest_is_obtained(call):
    _, text = call("list", "datasets", "--json")
    rows = {row["name"]: row for row in json.loads(text)}
    assert rows["moving_digits"]["present"]
    assert not rows["fcvid"]["present"]
    assert rows["fcvid"]["official"]["train"] == 45_585
    assert "fcv_train_feats.h5" in rows["fcvid"]["reason"]
    _, text = call("list", "datasets")
    assert "absent" in text and "present" in text


def test_status_of_an_empty_folder(call, tmp_path):
    code, text = call("status", "--results", tmp_path / "none")
    assert code == 0 and text.startswith("no cell in")


def test_status_tells_running_from_interrupted(call, tmp_path):
    from filelock import FileLock

    folder = record.cell_folder(tmp_path, "d", "m", 16, 0, "key")
    folder.mkdir(parents=True)
    (folder / record.CHECKPOINT).write_bytes(b"")
    with FileLock(folder / LOCK):
        assert call("status", "--results", tmp_path)[1].startswith("running ")
    assert call("status", "--results", tmp_path)[1].startswith("interrupted ")


def test_doctor(call, tmp_path):
    code, text = call("doctor", "--results", tmp_path)
    assert code == 0
    assert "ok  torch              2.13.0" in text
    assert "--  fcvid" in text and "all that is needed is here" in text
    assert "benchmark convert" not in text


def test_doctor_advises_a_conversion_where_compressed_files_are_not_kept_whole(call, tmp_path, monkeypatch):
    from benchmark.data import file_dataset

    folder = tmp_path / "data" / "hmdb51"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        (folder / f"hmdb_{part}_labels.mat").touch()
        with h5py.File(folder / f"hmdb_{part}_feats.h5", "w") as file:
            file.create_dataset("feats", data=np.zeros((8, 25, 4096), "f2"), compression="gzip", chunks=(1, 25, 4096))
    assert "benchmark convert" not in call("doctor", "--results", tmp_path)[1]
    monkeypatch.setattr(file_dataset, "CHUNK_CACHE", 2**20)
    code, text = call("doctor", "--results", tmp_path)
    assert code == 0 and "compressed features of 0.0 GiB: 'python -m benchmark convert' makes a copy" in text
    rows = {row["name"]: row["advice"] for row in json.loads(call("list", "datasets", "--json")[1])}
    assert "benchmark convert" in rows["hmdb51"] and not rows["moving_digits"]


@pytest.mark.parametrize("method", ["conmh", "itq"])
def test_encode_gives_the_codes_of_the_record(call, tiny, tmp_path, method):
    results = tmp_path / "results"
    words = ["--epochs", 1, "--set", "conmh.size=mini"] if method == "conmh" else []
    call("run", "--methods", method, "--datasets", tiny, "--bits", 16, "--results", results, "--no-page", *words)
    (folder,) = store.scan(results).folders.values()
    out = tmp_path / "codes.npz"
    model, features = folder / record.MODEL, tiny / "query.h5"
    code, text = call("encode", "--method", method, "--checkpoint", model, "--features", features, "--out", out)
    assert code == 0 and text.startswith("30 videos, 16 bits: ")
    with np.load(out, allow_pickle=False) as made, np.load(folder / record.CODES, allow_pickle=False) as kept:
        assert made["codes"].dtype == np.int8 and made["codes"].shape == (30, 16)
        assert set(np.unique(made["codes"])) == {-1, 1}
        assert np.array_equal(made["packed"], kept["query"])


def test_evaluate_agrees_with_the_record(call, tiny, tmp_path):
    results = tmp_path / "results"
    call("run", "--methods", "itq", "--datasets", tiny, "--bits", 16, "--results", results, "--no-page")
    (found,) = store.scan(results).records
    (folder,) = store.scan(results).folders.values()
    for split in ("query", "database"):
        words = ["--method", "itq", "--checkpoint", folder / record.MODEL, "--features", tiny / f"{split}.h5"]
        call("encode", *words, "--out", tmp_path / f"{split}.npz")
    out = tmp_path / "metrics.json"
    words = []
    for split in ("query", "database"):
        words += [f"--{split}-codes", tmp_path / f"{split}.npz", f"--{split}-labels", tiny / f"{split}.npy"]
    for protocol in ("field", "strict"):
        code, text = call("evaluate", *words, "--protocol", protocol, "--json", out)
        made = json.loads(out.read_text())
        kept = found.metrics[protocol].metrics
        assert code == 0 and "30 queries, 80 database items, 16 bits" in text
        assert (made["n_query"], made["n_database"], made["bits"]) == (30, 80, 16)
        assert made["metrics"]["map"] == kept["map"]
        assert made["metrics"]["map@20"] == kept["map@20"]
        assert made["metrics"]["precision@radius2"] == kept["precision@radius2"]
        assert {"pr_rank", "pr_radius"} <= set(made["metrics"])
    call("evaluate", *words, "--k", 3, 7, "--denominator", "relevant", "--ties", "expected", "--json", out)
    made = json.loads(out.read_text())
    assert {"map@3", "map@7", "precision@3", "recall@7"} <= set(made["metrics"])
    assert made["protocol"]["denominator"] == "relevant"


def test_encode_takes_features_that_hold_a_nan_for_bad_input(call, tiny, tmp_path, capsys):
    results = tmp_path / "results"
    call("run", "--methods", "lsh", "--datasets", tiny, "--bits", 8, "--results", results, "--no-page")
    (folder,) = store.scan(results).folders.values()
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        frames = np.ones((4, 6, 24), np.float32)
        frames[2, 3, 5] = np.nan
        file["feats"] = frames
    words = ["--method", "lsh", "--checkpoint", folder / record.MODEL, "--features", tmp_path / "bad.h5"]
    assert main([str(word) for word in ["encode", *words, "--out", tmp_path / "c.npz"]]) == 2
    assert "bad.h5" in capsys.readouterr().err


def test_report_builds_a_page_where_it_is_asked(call, tiny, tmp_path):
    results = tmp_path / "results"
    call("run", "--methods", "lsh", "--datasets", tiny, "--bits", 8, "--results", results, "--no-page")
    code, text = call("report", "--results", results, "--out", tmp_path / "page")
    assert code == 0 and text.strip().endswith("index.html")
    assert "LSH" in (tmp_path / "page" / "index.html").read_text()
