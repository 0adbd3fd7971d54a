"""Made-up features: any row without the others, options as text, and the way to disk and back."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.data.file_dataset import load_folder
from benchmark.errors import BadInput
from benchmark.paths import Roots
from datasets.synthetic import Recipe, Synthetic, SyntheticVideos
from tests.support.hdf5 import write_folder, write_hdf5

ROOTS = Roots(Path("nowhere"), Path("nowhere"))
SMALL = {"videos": "70", "database": "50", "query": "20", "frames": "6", "dim": "40", "classes": "5"}


def test_a_row_does_not_depend_on_the_others():
    videos = SyntheticVideos(Recipe(videos=100, frames=7, dim=33), "train")
    whole = videos.take(np.arange(100)).numpy()
    rows = np.array([99, 3, 3, 50, 16, 15])
    np.testing.assert_array_equal(videos.take(rows).numpy(), whole[rows])
    again = SyntheticVideos(Recipe(videos=18, frames=7, dim=33), "train")
    np.testing.assert_array_equal(again.take(np.arange(18)).numpy(), whole[:18])


def test_seed_and_split_change_the_videos():
    one = SyntheticVideos(Recipe(), "train")
    for other in (SyntheticVideos(Recipe(seed=1), "train"), SyntheticVideos(Recipe(), "query")):
        assert not np.array_equal(one.take(np.arange(3)).numpy(), other.take(np.arange(3)).numpy())
        assert one.fingerprint != other.fingerprint


def test_features_look_like_those_of_a_network():
    frames = SyntheticVideos(Recipe(), "query").take(np.arange(300)).numpy()
    assert frames.min() == 0.0 and 0.4 < (frames == 0).mean() < 0.6 and np.isfinite(frames).all()


def test_classes_can_be_retrieved_from_the_mean_frame():
    dataset = Synthetic(ROOTS)
    pooled = {split: dataset.split(split).take(np.arange(300)).numpy().mean(axis=1) for split in ("database", "query")}
    centre = pooled["database"].mean(axis=0)
    unit = {s: (x - centre) / np.linalg.norm(x - centre, axis=1, keepdims=True) for s, x in pooled.items()}
    nearest = (unit["query"] @ unit["database"].T).argmax(axis=1)
    hits = (dataset.labels("query") * dataset.labels("database")[:300][nearest]).sum(axis=1)
    assert 0.5 < hits.mean() < 1.0


@pytest.mark.parametrize(("multi_label", "most"), [("false", 1), ("true", 3)])
def test_labels(multi_label, most):
    dataset = Synthetic.with_options(ROOTS, {"multi_label": multi_label, "classes": "7"})
    labels = dataset.labels("train")
    assert labels.shape == (2000, 7) and labels.dtype == np.uint8
    assert set(labels.sum(axis=1)) == set(range(1, most + 1))
    assert labels.sum(axis=0).min() > 200


def test_options_are_part_of_the_name_and_of_the_fingerprint():
    plain, other = Synthetic(ROOTS), Synthetic.with_options(ROOTS, {"dim": "64", "query": "5"})
    assert (plain.name, other.name) == ("synthetic", "synthetic-dim64-query5")
    assert other.shape == (25, 64) and len(other.split("query")) == 5
    assert plain.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vidos": "3"}, "dataset 'synthetic': unknown option 'vidos'; did you mean 'videos'?"),
        ({"dim": "0"}, "option 'dim' has no usable value; expected a whole number from 1, found '0'"),
        ({"dim": "many"}, "option 'dim' has no usable value; expected a whole number from 1, found 'many'"),
        ({"multi_label": "2"}, "option 'multi_label' has no usable value; expected true or false, found '2'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(BadInput) as error:
        Synthetic.with_options(ROOTS, options)
    assert message in str(error.value)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_written_file_is_contiguous_and_equal(tmp_path, dtype):
    videos = SyntheticVideos(Recipe(videos=70, frames=6, dim=40), "train")
    write_hdf5(tmp_path / "a.h5", dtype=dtype, videos=70, frames=6, dim=40)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert file["feats"].chunks is None and file["feats"].dtype == dtype
        np.testing.assert_array_equal(file["feats"][:], videos.take(np.arange(70)).numpy().astype(dtype))


def test_a_folder_of_it_opens_as_a_dataset(tmp_path):
    dataset = Synthetic.with_options(ROOTS, SMALL)
    write_folder(tmp_path / "mine", dataset, "float32")
    opened = load_folder(tmp_path / "mine", tmp_path / "cache")
    assert opened.name == "mine" and opened.shape == (6, 40) and len(opened.fingerprint) == 32
    for split in ("train", "database", "query"):
        np.testing.assert_array_equal(opened.labels(split), dataset.labels(split))
        rows = np.arange(len(dataset.split(split)))
        np.testing.assert_array_equal(opened.split(split).take(rows).numpy(), dataset.split(split).take(rows).numpy())
