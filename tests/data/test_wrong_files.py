"""Everything that can be wrong with a folder of features and labels: one sentence each."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.data.file_dataset import load_folder
from tests.support.made_datasets import C, D, T, features, labels, put, refusal, write_own

TRAIN = '[train]\nfeatures = "train.h5"\nkey = "vgg"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own")


def edit(old: str, new: str):
    def change(folder: Path) -> None:
        text = (folder / "dataset.toml").read_text()
        assert old in text
        (folder / "dataset.toml").write_text(text.replace(old, new))

    return change


def cut(folder: Path) -> None:
    content = (folder / "query.h5").read_bytes()
    (folder / "query.h5").write_bytes(content[:-50])


def spoiled(value: float):
    def change(folder: Path) -> None:
        values = features(3, 3)
        values[2, 1, 4] = value
        put(folder / "query.h5", values)

    return change


def query_labels(values: np.ndarray):
    return lambda folder: np.savez(folder / "query.npz", y=values)


MISTAKES = {
    "no dataset.toml": (lambda f: (f / "dataset.toml").unlink(), "{f}: no dataset.toml in the folder; write one"),
    "bad TOML": (edit("[query]", "[query"), "{f}/dataset.toml: is not readable TOML (Expected ']'"),
    "unknown table": (
        edit("[query]", "[querry]"),
        "{f}/dataset.toml: key 'querry': unknown key; did you mean 'query'?",
    ),
    "unknown key": (edit("labels_key", "label_key"), "key 'query.label_key': unknown key; did you mean 'labels_key'?"),
    "unknown protocol": (edit("ties", "tie"), "key 'protocol.tie': unknown key; did you mean 'ties'?"),
    "wrong option": (
        edit('"expected"', '"random"'),
        "key 'protocol.ties': input should be 'index' or 'expected'; found",
    ),
    "neither table nor split": (
        lambda f: (f / "dataset.toml").write_text('query = "databse"\ndatabase = "train"\n' + TRAIN),
        "/dataset.toml: key 'query': input should be 'database'; found 'databse'",
    ),
    "table without features": (edit('features = "query.h5"\n', ""), "key 'query.features': is missing; add it"),
    "missing table": (
        edit(TRAIN, ""),
        "/dataset.toml: key 'train': is missing; add it",
    ),
    "missing labels": (
        edit('labels = "db.mat"', ""),
        "key 'database.labels': is missing; name the file with the labels",
    ),
    "odd name": (edit('"mine"', '"../mine"'), "/dataset.toml: key 'name': string should match pattern"),
    "wrong classes": (edit('"dogs", ', ""), "key 'classes': names the wrong number of classes; expected 3 as in the"),
    "label files": (
        edit('"db.mat"', '["a", "b", "c"]'),
        "lists the wrong number of label files; expected 1 or 2, found 3",
    ),
    "self-retrieval": (
        edit("ties", "self_retrieval = true\nties"),
        'write query = "database" in place of the table [query]',
    ),
    "no feature file": (lambda f: (f / "query.h5").unlink(), "{f}/query.h5: no such file; put it there"),
    "no label file": (lambda f: (f / "db.mat").unlink(), "{f}/db.mat: no such file; put it there or correct the path"),
    "wrong key": (
        edit('"vgg"', '"vg"'),
        "{f}/train.h5: key 'vg': no such data set in the file; found the keys vgg; did you mean 'vgg'?",
    ),
    "key is a group": (lambda f: put(f / "query.h5", features(3), key="feats/x"), "found the keys feats/x"),
    "two axes": (
        lambda f: put(f / "query.h5", features(3)[:, 0]),
        "{f}/query.h5: key 'feats': has the wrong number of axes; expected (videos, frames, dim) or",
    ),
    "integers": (
        lambda f: put(f / "query.h5", np.ones((3, T, D), int)),
        "has the wrong type; expected float16, float32 or float64, found int64",
    ),
    "no videos": (
        lambda f: put(f / "query.h5", features(0)),
        "is empty; expected at least one video, found the shape (0,",
    ),
    "other dimension": (
        lambda f: put(f / "query.h5", features(3, shape=(T, D + 1))),
        "{f}/query.h5: key 'feats': the query split has another shape than the training split; "
        "expected 4 frames of 6 values, found 4 of 7",
    ),
    "other frames": (
        lambda f: put(f / "query.h5", features(3, shape=(T + 2, D))),
        "expected 4 frames of 6 values, found 6 of 6",
    ),
    "shards disagree": (
        lambda f: put(f / "db_2.h5", features(5, shape=(T, 9))),
        "{f}/db_2.h5: key 'feats': disagrees with the other files of the split; "
        "expected 4 frames of 6 values as in db_1.h5, found 4 frames of 9 values",
    ),
    "NaN": (spoiled(np.nan), "{f}/query.h5: key 'feats': value 4 of row 2, frame 1 is not finite"),
    "Inf": (spoiled(np.inf), "expected finite values only, found inf; extract the features of that video again"),
    "no HDF5": (
        lambda f: (f / "query.h5").write_text("<html>"),
        "{f}/query.h5: is not an HDF5 file; check the download",
    ),
    "cut short": (cut, "{f}/query.h5: cannot be opened (truncated file: eof ="),
    "too few labels": (
        query_labels(labels(4, 5)),
        "{f}/query.npz: key 'y': the number of labels does not fit; "
        "expected 3 rows, one per video of query.h5, found 4",
    ),
    "too many labels": (
        lambda f: savemat(f / "db.mat", {"labels": labels(8)}),
        "{f}/db.mat: key 'labels': the number of labels does not fit; "
        "expected 9 rows, one per video of db_1.h5, db_2.h5, found 8",
    ),
    "transposed labels": (
        lambda f: savemat(f / "db.mat", {"labels": labels(9).T}),
        "the label matrix is transposed; expected (videos, classes) with the 9 videos of db_1.h5, db_2.h5 as rows, "
        "found (3, 9); transpose it",
    ),
    "labels of two": (query_labels(2 * labels(3)), "labels are not multi-hot; expected 0 and 1 only, found 2"),
    "labels of NaN": (
        query_labels(np.full((3, C), np.nan)),
        "labels are not multi-hot; expected 0 and 1 only, found nan",
    ),
    "class ids": (
        query_labels(np.arange(3)),
        "{f}/query.npz: holds class ids, while the other label file is multi-hot; expected the same kind",
    ),
    "words": (
        query_labels(np.array([["a", "b", "c"]] * 3)),
        "{f}/query.npz: key 'y': labels are not numbers; found <U1",
    ),
    "other classes": (
        query_labels(labels(3, 5)),
        "{f}/query.npz: the label files disagree on the number of classes; expected 3 as in db.mat, found 5",
    ),
    "wrong variable": (
        edit('labels = "db.mat"', 'labels = "db.mat"\nlabels_key = "label"'),
        "{f}/db.mat: key 'label': no such variable in the file; found labels; did you mean 'labels'?",
    ),
    "wrong array": (edit('"y"', '"z"'), "{f}/query.npz: key 'z': no such variable in the file; found y"),
    "pickled labels": (
        query_labels(np.array([[{}]] * 3, dtype=object)),
        "{f}/query.npz: holds Python objects, which are refused; store numbers only",
    ),
    "damaged .mat": (
        lambda f: (f / "db.mat").write_bytes(b"MATLAB 5.0" + bytes(200)),
        "{f}/db.mat: cannot be read as .mat",
    ),
    "empty .mat": (lambda f: (f / "db.mat").write_bytes(b""), "{f}/db.mat: cannot be read as .mat"),
    "MATLAB 7.3": (
        lambda f: (f / "db.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(64)),
        "{f}/db.mat: cannot be read as .mat (its header says MATLAB 7.3, and no HDF5 follows)",
    ),
    "kind of labels": (
        edit('"query.npz"', '"query.h5"'),
        "is not a kind of file that is read here; expected .mat or .npy or .npz",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(folder, tmp_path, mistake):
    make, message = MISTAKES[mistake]
    make(folder)
    told = refusal(load_folder, folder, tmp_path / "cache")
    assert message.replace("{f}", str(folder)) in told
    assert "\n" not in told


def test_every_repair_is_noticed(folder, tmp_path):
    """The same folder, broken and mended, opens: nothing of the failure is remembered."""
    kept = tmp_path / "kept.h5"
    shutil.copy(folder / "query.h5", kept)
    spoiled(np.nan)(folder)
    refusal(load_folder, folder, tmp_path / "cache")
    shutil.copy(kept, folder / "query.h5")
    assert load_folder(folder, tmp_path / "cache").fingerprint
