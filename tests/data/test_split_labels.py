"""Labels of the splits of a dataset: class ids are numbered over all files, and only absent labels are none."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.data.file_dataset import load_folder
from benchmark.data.subset import reduced
from benchmark.errors import BadInput
from benchmark.interfaces.dataset import NoLabels
from tests.support.fault_inputs import QUERY, TRAIN, class_ids, make_dataset

SEPARATE = '[train]\nfeatures = "train.h5"\nlabels = "own.npy"\n[database]\nfeatures = "db.h5"\nlabels = "train.npy"\n'
SEPARATE += '[query]\nfeatures = "query.h5"\nlabels = "query.npy"\n'


@pytest.fixture
def folder(tmp_path):
    """Class ids in three files; classes 7 and 9 are the queries' and the training split's alone."""
    made = make_dataset(tmp_path / "ids")
    (made / "db.h5").write_bytes((made / "train.h5").read_bytes())
    np.save(made / "train.npy", class_ids(TRAIN))
    np.save(made / "query.npy", np.where(class_ids(QUERY) == 3, 7, class_ids(QUERY))[:, None])
    np.save(made / "own.npy", np.where(class_ids(TRAIN) == 0, 9, class_ids(TRAIN)))
    (made / "dataset.toml").write_text(SEPARATE)
    return made


def test_a_number_means_one_class_in_every_split(folder, tmp_path):
    dataset = load_folder(folder, tmp_path / "cache")
    assert dataset.classes == tuple(f"class {number}" for number in (0, 1, 2, 3, 7, 9))
    for split, file in (("train", "own.npy"), ("database", "train.npy"), ("query", "query.npy")):
        labels = dataset.labels(split)
        assert labels.dtype == np.uint8 and (labels.sum(axis=1) == 1).all()
        assert np.array_equal(np.array([0, 1, 2, 3, 7, 9])[labels.argmax(axis=1)], np.load(folder / file).ravel())


def test_labels_of_the_training_split_may_be_absent_but_not_damaged(folder, tmp_path):
    (folder / "own.npy").write_bytes((folder / "own.npy").read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"own.npy"):
        load_folder(folder, tmp_path / "cache")
    (folder / "own.npy").unlink()
    dataset = load_folder(folder, tmp_path / "cache")
    assert len(dataset.classes) == 5
    with pytest.raises(NoLabels, match=r"own.npy: no such file"):
        dataset.labels("train")
    assert len(reduced(dataset, 32).split("train")) == 32


def test_a_part_is_not_drawn_by_damaged_labels(tmp_path):
    made = make_dataset(tmp_path / "hot")
    (made / "dataset.toml").write_text(SEPARATE)
    (made / "db.h5").write_bytes((made / "train.h5").read_bytes())
    (made / "own.npy").write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"own.npy: cannot be read as .npy"):
        reduced(load_folder(made, tmp_path / "cache"), 32)


def test_kinds_are_not_mixed(folder, tmp_path):
    np.save(folder / "own.npy", np.eye(4, dtype=np.uint8)[class_ids(TRAIN)])
    with pytest.raises(BadInput, match=r"train.npy: holds class ids, while the other label file is multi-hot; .*own"):
        load_folder(folder, tmp_path / "cache")


def test_one_note_for_one_file(folder, tmp_path, capsys):
    for file in ("train.npy", "query.npy", "own.npy"):
        np.save(folder / file, np.load(folder / file) % 2)
    dataset = load_folder(folder, tmp_path / "cache")
    dataset.labels("train")
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 3 and all("read as class ids" in note for note in notes)
