"""Stored views in a dataset: the methods that say they use them do, and for all others the extra views do not exist."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.catalogue import registry
from benchmark.cli import main
from benchmark.data.file_dataset import load_folder
from benchmark.records.code_file import read_codes

T, D, VIEWS = 6, 24, 3
SIZES = {"train": 90, "database": 60, "query": 20}
USES_VIEWS = "chain"
OTHERS = [name for name in registry.methods() if name != USES_VIEWS]


def write(folder: Path, values: dict[str, np.ndarray], **storage: object) -> Path:
    folder.mkdir()
    toml = 'name = "viewed"\n'
    for split, array in values.items():
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file.create_dataset("feats", data=array, **storage)
        np.save(folder / f"{split}.npy", np.eye(4, dtype=np.uint8)[np.arange(len(array)) % 4])
        toml += f'[{split}]\nfeatures = "{split}.h5"\nlabels = "{split}.npy"\n'
    (folder / "dataset.toml").write_text(toml)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders with three views, [N, 3, T, D], and with the first of them alone, [N, T, D]."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("viewed")
    centres, values = rng.normal(size=(4, D)), {}
    for split, n in SIZES.items():
        plain = centres[np.arange(n) % 4][:, None] + 0.6 * rng.normal(size=(n, T, D))
        views = plain[:, None] + np.array([0, 0.5, 0.5])[:, None, None] * rng.normal(size=(n, VIEWS, 1, D))
        values[split] = np.maximum(views, 0).astype(np.float32)
    return {
        "views": write(root / "views", values, chunks=(7, 1, T, D), compression="gzip"),
        "plain": write(root / "plain", {split: array[:, 0] for split, array in values.items()}),
    }


@pytest.fixture(scope="module")
def ran(folders, tmp_path_factory, cache_root):
    """Return a function that runs methods on a folder and returns, by method, the record and the packed codes."""
    results = tmp_path_factory.mktemp("results")

    def run(folder: Path, methods, *more: str, place: str = ""):
        out = results / f"{folder.name}{place}"
        words = ["run", "--methods", *methods, "--datasets", str(folder), "--bits", "16", "--epochs", "1", *more]
        words += ["--device", "cpu", "--no-page", "--results", str(out), "--cache", str(cache_root)]
        code = main(words)
        found = {}
        for path in out.rglob("record.json"):
            record = json.loads(path.read_text())
            assert record["status"] == "done", record["failure"]
            found[record["identity"]["method"]] = (record, read_codes(path.parent / "codes.npz"), path.parent)
        assert code == 0 and set(found) >= set(methods)
        return found

    return run


@pytest.fixture(scope="module")
def others(ran, folders):
    """Return what all methods that use no views gave on both folders."""
    return {name: ran(folder, OTHERS) for name, folder in folders.items()}


def same(first, second) -> bool:
    return all(np.array_equal(first[split].packed, second[split].packed) for split in ("database", "query"))


def test_the_files_hold_what_they_should(folders, tmp_path):
    views, plain = (load_folder(folders[name], tmp_path) for name in ("views", "plain"))
    for split, n in SIZES.items():
        assert views.split(split).views == VIEWS and plain.split(split).views == 1
        rows = np.arange(n)
        assert np.array_equal(views.split(split).take(rows), plain.split(split).take(rows))
        assert not np.array_equal(views.split(split).take(rows, np.ones(n)), plain.split(split).take(rows))


@pytest.mark.parametrize("name", OTHERS)
def test_extra_views_change_no_code_of_the_others(others, name):
    (viewed, codes, _), (plain, expected, _) = others["views"][name], others["plain"][name]
    assert viewed["data"]["fingerprint"] != plain["data"]["fingerprint"] and viewed["key"] != plain["key"]
    assert same(codes, expected)
    assert viewed["metrics"] == plain["metrics"]
    assert [stage["losses"] for stage in viewed["training"]["stages"]] == [
        stage["losses"] for stage in plain["training"]["stages"]
    ]


def test_the_method_that_uses_views_takes_them(ran, folders):
    viewed, plain = (ran(folders[name], [USES_VIEWS])[USES_VIEWS] for name in ("views", "plain"))
    assert viewed[0]["training"]["scalars"]["spatial_views"] == 1
    assert plain[0]["training"]["scalars"]["spatial_views"] == 0
    losses = [found[0]["training"]["stages"][0]["losses"]["contrast"] for found in (viewed, plain)]
    assert losses[0] != losses[1] and not same(viewed[1], plain[1])
    for spatial in ("none", "feature"):  # without the views it sees what is in the plain folder
        setting = ("--set", f"{USES_VIEWS}.spatial={spatial}")
        with_views, without = (
            ran(folders[name], [USES_VIEWS], *setting, place=spatial)[USES_VIEWS] for name in ("views", "plain")
        )
        assert same(with_views[1], without[1])


def test_asking_for_views_of_a_plain_dataset_is_told(folders, tmp_path, cache_root, capsys):
    words = ["run", "--methods", USES_VIEWS, "--datasets", str(folders["plain"]), "--bits", "16", "--no-page"]
    words += ["--set", f"{USES_VIEWS}.spatial=views", "--device", "cpu", "--results", str(tmp_path)]
    assert main([*words, "--cache", str(cache_root)]) == 1
    printed = capsys.readouterr()
    assert "needs features with several views of each video (at least 2)" in printed.out + printed.err


def test_encoding_uses_view_0(ran, folders, tmp_path, cache_root):
    model = ran(folders["views"], [USES_VIEWS])[USES_VIEWS][2] / "model.pt"
    written = {}
    for name, folder in folders.items():
        out = tmp_path / f"{name}.npz"
        words = ["encode", "--method", USES_VIEWS, "--checkpoint", str(model), "--features", str(folder / "query.h5")]
        assert main([*words, "--device", "cpu", "--cache", str(cache_root), "--out", str(out)]) == 0
        written[name] = np.load(out)["codes"]
    assert written["views"].shape == (SIZES["query"], 16)
    assert np.array_equal(written["views"], written["plain"])


def test_a_converted_dataset_keeps_its_views(ran, folders, tmp_path, cache_root):
    out = tmp_path / "views"
    assert main(["convert", "--dataset", str(folders["views"]), "--out", str(out), "--cache", str(cache_root)]) == 0
    converted = load_folder(out, tmp_path)
    assert [converted.split(split).views for split in SIZES] == [VIEWS] * 3
    before = ran(folders["views"], [USES_VIEWS])[USES_VIEWS]
    after = ran(out, [USES_VIEWS], place="-converted")[USES_VIEWS]
    assert after[0]["key"] == before[0]["key"] and same(after[1], before[1])
