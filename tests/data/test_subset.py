"""Parts of a dataset: what is drawn, what stays together, and what is held out for a choice without labels."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.cells import validation
from benchmark.data.file_dataset import load_folder
from benchmark.data.sampling import alone, draw_rows, hold_out, one_class, quotas
from benchmark.data.subset import reduced
from benchmark.errors import BadInput
from benchmark.interfaces.videos import MemoryVideos, RowVideos
from benchmark.paths import Roots
from benchmark.seeds import generator
from tests.support.made_datasets import features, labels, put


def videos(n, seed=0):
    return MemoryVideos(np.random.default_rng(seed).normal(size=(n, 3, 8)).astype(np.float32))


def folder(path, *, train=60, database=40, query=20, shared=False, classes=4, groups=None, train_labels=True):
    """A dataset of one class after another; where shared, the training set is the database and its own queries."""
    counts = {"train": train} if shared else {"train": train, "database": database, "query": query}
    toml = 'name = "parts"\n' + ('database = "train"\nquery = "database"\n' if shared else "")
    for number, (split, n) in enumerate(counts.items()):
        put(path / f"{split}.h5", features(n, number))
        np.save(path / f"{split}.npy", labels(n, classes))
        held = "" if split == "train" and not train_labels else f'labels = "{split}.npy"\n'
        toml += f'[{split}]\nfeatures = "{split}.h5"\n{held}'
    (path / "dataset.toml").write_text(toml)
    if groups:
        lines = [f"{split},{row},{row // groups}" for split, n in counts.items() for row in range(n)]
        (path / "videos.csv").write_text("split,row,group\n" + "\n".join(lines) + "\n")
    return load_folder(path, path / "cache")


def test_rows_of_a_split_are_read_from_it_in_any_order():
    base = videos(12)
    part = RowVideos(base, np.array([3, 7, 11]))
    assert len(part) == 3 and part.shape == base.shape
    assert np.array_equal(part.take(np.array([2, 0, 2])), base.take(np.array([11, 3, 11])))
    assert np.array_equal(part.take_frames(np.array([1, 1]), np.array([0, 2])), base.take(np.array([7]))[0, [0, 2]])
    assert part.fingerprint != base.fingerprint != RowVideos(base, np.arange(12)).fingerprint
    assert part.fingerprint == RowVideos(videos(12), np.array([3, 7, 11])).fingerprint
    with pytest.raises(IndexError):
        part.take(np.array([3]))
    with pytest.raises(IndexError):
        RowVideos(base, np.array([12]))


@pytest.mark.parametrize(
    ("sizes", "n", "expected"),
    [([10, 10, 10], 6, [2, 2, 2]), ([1, 10, 10], 7, [1, 3, 3]), ([2, 3], 9, [2, 3]), ([0, 5], 2, [0, 2])],
)
def test_quotas_are_as_even_as_sizes_allow(sizes, n, expected):
    assert quotas(np.array(sizes), n, generator(0, "x")).tolist() == expected


def test_what_cannot_be_even_differs_by_one():
    found = quotas(np.array([9, 9, 9, 9]), 10, generator(0, "x"))
    assert found.sum() == 10 and sorted(found) == [2, 2, 3, 3]


def test_a_draw_takes_whole_groups_but_for_the_last_of_a_class():
    classes, groups = np.repeat([0, 1], 40), np.arange(80) // 5
    rows = draw_rows(24, classes, groups, generator(0, "x"))
    assert len(rows) == 24 and np.bincount(classes[rows]).tolist() == [12, 12]
    for name in (0, 1):
        sizes = np.bincount(groups[rows[classes[rows] == name]])
        assert sorted(sizes[sizes > 0]) == [2, 5, 5]
    assert np.array_equal(rows, draw_rows(24, classes, groups, generator(0, "x")))
    assert not np.array_equal(rows, draw_rows(24, classes, groups, generator(1, "x")))


def test_a_video_of_several_classes_counts_for_the_rarest():
    table = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [1, 0, 1], [0, 0, 0]])
    assert one_class(table).tolist() == [1, 0, 2, 2, -1]


def test_a_part_is_even_over_classes_and_in_proportion(tmp_path):
    whole = folder(tmp_path)
    part = reduced(whole, 24)
    assert [len(part.split(name)) for name in ("train", "database", "query")] == [24, 16, 8]
    for name in ("train", "database", "query"):
        sums = part.labels(name).sum(axis=0)
        assert sums.max() - sums.min() == 0
    assert part.name == whole.name and part.drawn == 24 and part.subset() and not whole.subset()
    assert part.fingerprint != whole.fingerprint
    assert part.fingerprint == reduced(load_folder(tmp_path, tmp_path / "cache"), 24).fingerprint
    assert part.fingerprint != reduced(whole, 28).fingerprint
    assert part.origin is whole


def test_a_part_of_self_retrieval_is_self_retrieval(tmp_path):
    part = reduced(folder(tmp_path, shared=True), 12)
    assert part.self_retrieval and part.split("train") is part.split("database") is part.split("query")
    assert np.array_equal(part.labels("query"), part.labels("database")) and len(part.split("query")) == 12


def test_labels_of_training_videos_are_not_needed(tmp_path):
    part = reduced(folder(tmp_path, train_labels=False), 24)
    assert len(part.split("train")) == 24
    with pytest.raises(BadInput, match="has no labels"):
        part.labels("train")


def test_database_and_queries_have_a_video_of_every_class(tmp_path):
    part = reduced(folder(tmp_path, train=400, query=20), 8)
    assert [len(part.split(name)) for name in ("train", "database", "query")] == [8, 4, 4]
    assert part.labels("query").any(axis=0).all() and part.labels("database").any(axis=0).all()


def test_a_part_that_is_too_small_is_refused_and_one_too_large_is_the_whole(tmp_path):
    whole = folder(tmp_path)
    with pytest.raises(BadInput, match="expected 4 or more, a training video for each of its 4 classes, found 3"):
        reduced(whole, 3)
    assert reduced(whole, 60) is whole and reduced(whole, None) is whole


def test_groups_of_a_folder_hold_through_a_part(tmp_path):
    whole = folder(tmp_path, groups=4, classes=1)
    assert whole.groups("query").max() == 4
    part = reduced(whole, 30)
    assert np.bincount(part.groups("train")).tolist().count(4) == 7
    assert (
        whole.groups("train").tolist()
        == (np.unique([f"{g}" for g in np.arange(60) // 4], return_inverse=True)[1]).tolist()
    )


def test_groups_are_the_same_however_rows_and_splits_are_written(tmp_path):
    whole = folder(tmp_path, groups=4, classes=1)
    path = tmp_path / "videos.csv"
    before, lines = whole.groups("train"), path.read_text().splitlines()
    for change in (
        lambda split, row, *rest: (f" {split.upper()} ", f"{row}.0", *rest),
        lambda split, row, *rest: (split, row.zfill(4), *rest),
    ):
        path.write_text("\n".join([lines[0], *(",".join(change(*line.split(","))) for line in lines[1:])]))
        assert np.array_equal(whole.groups("train"), before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("split,row\ntrain,0\n", "key 'group': no such column; found split, row; the first line must name"),
        ("split,row,group\ntrain,0,1\ntrain,0,1\n", "does not list each video of 'train' once"),
        (
            "split,row,group\ntrain,70,1\n",
            "0 to 59, found 1 lines, row 70 which is beyond the last, in line 2",
        ),
        ("split,row,group\ntrain,0,1\n", "found 1 lines, no row 1; correct the file"),
        ("split,row,group\ntrain,0,\n", "line 2: the video has no group; give it one"),
        ("split,row,group\ntrain,x,1\n", "key 'row': line 2: is no row; expected a whole number from 0, found 'x'"),
        ("split,row,group\ntrian,0,1\n", "key 'split': line 2: there is no split 'trian'; did you mean 'train'?"),
    ],
)
def test_a_wrong_list_of_groups_is_a_sentence(tmp_path, text, message):
    whole = folder(tmp_path)
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(BadInput) as caught:
        whole.groups("train")
    assert message in str(caught.value) and "videos.csv" in str(caught.value)
    assert folder(tmp_path / "other").groups("train") is None


def training_set(n, groups=None):
    split = videos(n)
    return SimpleNamespace(name="d", split=lambda name: split, groups=lambda name: groups)


def test_a_slice_parts_the_training_set_and_no_group_lies_on_both_sides():
    part = validation.carve(training_set(200))
    assert len(part.queries) == 20 and part.relevant == 18
    assert sorted([*part.queries, *part.rest]) == list(range(200)) and set(part.database) == set(part.rest)
    groups = np.arange(200) // 7
    part = validation.carve(training_set(200, groups))
    assert not set(groups[part.queries]) & set(groups[part.rest]) and 20 <= len(part.queries) < 27
    assert part.digest == validation.carve(training_set(200, groups)).digest
    assert part.digest != validation.carve(training_set(201)).digest


def test_a_slice_of_a_large_training_set_is_bounded():
    part = validation.carve(SimpleNamespace(name="d", split=lambda name: range(20_000), groups=lambda name: None))
    assert (len(part.queries), len(part.database), len(part.rest), part.relevant) == (500, 5_000, 19_500, 20)
    assert set(part.database) < set(part.rest)


def test_a_training_set_too_small_for_a_slice_is_a_sentence():
    with pytest.raises(BadInput, match="the training set of 'd' is too small to hold a part of it out"):
        validation.carve(training_set(39))
    with pytest.raises(BadInput, match="in groups of less than half of them"):
        validation.carve(training_set(100, np.zeros(100, int)))


def test_pseudo_relevance_is_the_nearest_by_centred_cosine_of_means():
    base = videos(60)
    part = validation.carve(training_set(60))
    found = validation.pseudo_labels(base, part)
    pooled = base.take(np.arange(60)).mean(1).numpy().astype(np.float64)
    pooled -= pooled[part.database].mean(0)
    for place, query in enumerate(part.queries):
        cosine = [
            pooled[query] @ pooled[row] / np.linalg.norm(pooled[query]) / np.linalg.norm(pooled[row])
            for row in part.database
        ]
        nearest = set(np.argsort(cosine)[::-1][: part.relevant])
        assert set(np.flatnonzero(found["database"][:, place])) == nearest
    assert np.array_equal(found["query"], np.eye(len(part.queries)))


def test_whole_groups_are_held_out_until_there_are_enough():
    rows = hold_out(10, np.arange(40) // 4, generator(0, "x"))
    assert len(rows) == 12 and len(hold_out(10, alone(40), generator(0, "x"))) == 10


def test_groups_of_ucf101_are_those_of_its_source_videos(shared, tmp_path):
    from datasets.ucf101 import UCF101

    whole = UCF101(Roots(shared("data/ucf101").parent, tmp_path))
    groups, classes = whole.groups("train"), one_class(whole.labels("train"))
    assert len(groups) == 755 and len(whole.groups("query")) == 299
    assert all(len(set(classes[groups == group])) == 1 for group in set(groups.tolist()))
    assert np.array_equal(groups, whole.groups("database"))
