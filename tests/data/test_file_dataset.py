"""Datasets made of files: the field's five, and a user's own folder."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from benchmark.data.file_dataset import load_folder
from benchmark.paths import Roots
from datasets.activitynet import ActivityNet
from datasets.fcvid import FCVID
from datasets.hmdb51 import HMDB51
from datasets.ucf101 import UCF101
from datasets.yfcc import YFCC
from tests.support.made_datasets import D, T, features, labels, put, refusal, write_own


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(tmp_path / "data", tmp_path / "cache")


def put_hmdb51(roots: Roots) -> Path:
    folder = roots.data / "hmdb51"
    put(folder / "hmdb_train_feats.h5", features(12))
    put(folder / "hmdb_test_feats.h5", features(5, 1))
    savemat(folder / "hmdb_train_labels.mat", {"labels": labels(12)})
    savemat(folder / "hmdb_test_labels.mat", {"labels": labels(5).astype(np.float64)})
    return folder


def put_yfcc(roots: Roots, train: tuple[int, ...] = (1, 2), database: tuple[int, ...] = (1, 2)) -> Path:
    folder = roots.data / "yfcc"
    for shard in train:
        put(folder / f"yfcc_train_feats_{shard}.h5", features(3 + shard, shard))
    for shard in database:
        put(folder / f"yfcc_test_feats_{shard}.h5", features(5 + shard, 10 + shard))
        savemat(folder / f"yfcc_test_labels_{shard}.mat", {"labels": labels(5 + shard)})
    put(folder / "query1000_feats.h5", features(4, 99))
    savemat(folder / "query1000_labels.mat", {"labels": labels(4)})
    return folder


def test_hmdb51_database_is_the_training_split(roots):
    put_hmdb51(roots)
    dataset = HMDB51(roots)
    assert (dataset.name, dataset.shape, dataset.self_retrieval) == ("hmdb51", (T, D), False)
    assert [len(dataset.split(split)) for split in ("train", "database", "query")] == [12, 12, 5]
    assert dataset.split("train") is dataset.split("database")
    np.testing.assert_array_equal(dataset.labels("query"), labels(5))
    assert dataset.labels("query").dtype == np.uint8 and dataset.classes == ("class 1", "class 2", "class 3")
    assert dataset.subset() and dataset.preview("query", 0) is None


def test_fcvid_queries_are_the_database_and_its_labels_may_be_sparse(roots):
    folder = roots.data / "fcvid"
    put(folder / "fcv_train_feats.h5", features(6), chunks=(1, T, D), compression="gzip")
    put(folder / "fcv_test_feats.h5", features(7, 1).astype(np.float16))
    multi = labels(7) | labels(7)[::-1]
    savemat(folder / "fcv_test_labels.mat", {"labels": csc_matrix(multi.astype(float))})
    dataset = FCVID(roots)
    assert dataset.self_retrieval and dataset.split("query") is dataset.split("database")
    np.testing.assert_array_equal(dataset.labels("query"), multi)
    assert refusal(dataset.labels, "train").startswith(f"{folder / 'fcv_train_labels.mat'}: no such file")


def test_activitynet_has_its_own_label_keys_and_no_training_labels(roots):
    folder = roots.data / "activitynet"
    for name, n in {"train": 5, "test": 6, "query": 3}.items():
        put(folder / f"{name}_feats.h5", features(n, n))
    savemat(folder / "re_label.mat", {"re_label": labels(6)})
    savemat(folder / "q_label.mat", {"q_label": labels(3)})
    dataset = ActivityNet(roots)
    np.testing.assert_array_equal(dataset.labels("database"), labels(6))
    np.testing.assert_array_equal(dataset.labels("query"), labels(3))
    assert refusal(dataset.labels, "train") == "the train split of 'activitynet' has no labels"


def test_official_counts():
    assert [FCVID.official, ActivityNet.official, YFCC.official, UCF101.official, HMDB51.official] == [
        {"train": 45_585, "database": 45_600, "query": 45_600},
        {"train": 9_722, "database": 3_758, "query": 1_000},
        {"train": 409_788, "database": 101_256, "query": 1_000},
        {"train": 9_537, "database": 9_537, "query": 3_783},
        {"train": 3_570, "database": 3_570, "query": 1_530},
    ]


def test_a_set_of_the_official_size_is_no_subset(roots, monkeypatch):
    put_hmdb51(roots)
    monkeypatch.setattr(HMDB51, "official", {"train": 12, "database": 12, "query": 5})
    assert not HMDB51(roots).subset()
    monkeypatch.setattr(HMDB51, "official", {"train": 12, "database": 12, "query": 6})
    assert HMDB51(roots).subset()


def test_yfcc_shards_are_joined_and_the_first_few_will_do(roots):
    put_yfcc(roots, train=(1, 2, 3), database=(1, 2))
    dataset = YFCC(roots)
    assert [len(dataset.split(split)) for split in ("train", "database", "query")] == [15, 13, 4]
    np.testing.assert_array_equal(dataset.labels("database"), np.concatenate([labels(6), labels(7)]))
    np.testing.assert_array_equal(dataset.split("train").take(np.arange(4, 9)).numpy(), features(5, 2))


def test_yfcc_with_a_gap_in_its_shards(roots):
    folder = put_yfcc(roots, train=(1, 3))
    assert not YFCC.presence(roots).available
    assert refusal(YFCC, roots).startswith(f"missing in {folder}: yfcc_train_feats_2.h5; to obtain them: YFCC100M")


def test_yfcc_without_the_labels_of_a_shard(roots):
    folder = put_yfcc(roots)
    (folder / "yfcc_test_labels_2.mat").unlink()
    assert f"missing in {folder}: yfcc_test_labels_2.mat;" in refusal(YFCC, roots)


def test_presence_lists_what_is_missing_and_where_it_is_obtained(roots):
    folder = put_hmdb51(roots)
    assert HMDB51.presence(roots).available
    (folder / "hmdb_test_feats.h5").unlink()
    presence = HMDB51.presence(roots)
    assert not presence.available
    assert presence.reason == f"missing in {folder}: hmdb_test_feats.h5; to obtain them: {HMDB51.source}"
    assert refusal(HMDB51, roots) == presence.reason


def test_real_features_of_ucf101(shared, tmp_path):
    dataset = UCF101(Roots(shared("data/ucf101").parent, tmp_path))
    assert [len(dataset.split(split)) for split in ("train", "database", "query")] == [755, 755, 299]
    assert dataset.shape == (25, 4096) and dataset.subset()
    assert dataset.labels("query").shape == (299, 8) and (dataset.labels("query").sum(axis=1) == 1).all()
    assert dataset.fingerprint == UCF101(dataset.roots).fingerprint
    frames = dataset.split("query").take(np.array([298, 0])).numpy()
    with h5py.File(dataset.roots.data / "ucf101" / "ucf_test_feats.h5", "r") as file:
        np.testing.assert_array_equal(frames, file["feats"][:][[298, 0]].astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own")


def test_a_users_own_folder(folder, tmp_path):
    dataset = load_folder(folder, tmp_path / "cache")
    assert (dataset.name, dataset.title) == ("mine", "My archive")
    assert dataset.classes == ("cats", "dogs", "other") and dataset.protocol == {"ties": "expected"}
    assert [len(dataset.split(split)) for split in ("train", "database", "query")] == [8, 9, 3]
    assert not dataset.self_retrieval and not dataset.subset()
    np.testing.assert_array_equal(dataset.labels("query"), labels(3))
    assert len(dataset.fingerprint) == 32


def test_labels_change_the_fingerprint_of_a_dataset_and_not_of_its_features(folder, tmp_path):
    before = load_folder(folder, tmp_path)
    savemat(folder / "db.mat", {"labels": np.roll(labels(9), 1, axis=1)})
    after = load_folder(folder, tmp_path)
    assert before.fingerprint != after.fingerprint
    assert before.split("database").fingerprint == after.split("database").fingerprint


def test_shared_splits_and_self_retrieval(folder, tmp_path):
    np.save(folder / "train.npy", labels(8).astype(np.int64))
    (folder / "dataset.toml").write_text(
        'database = "train"\nquery = "database"\n[train]\nfeatures = "train.h5"\nkey = "vgg"\nlabels = "train.npy"\n'
    )
    dataset = load_folder(folder, tmp_path)
    assert dataset.name == "own" and dataset.self_retrieval
    assert dataset.split("train") is dataset.split("query")
    np.testing.assert_array_equal(dataset.labels("query"), labels(8))
