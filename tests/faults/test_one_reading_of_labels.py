"""``run`` and ``evaluate`` read a label file in one way, and say so where it could mean two things."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from tests.support.fault_inputs import QUERY, TRAIN, class_ids, make_dataset, multi_hot

TWO_CLASSES = {"train": class_ids(TRAIN) % 2, "query": class_ids(QUERY) % 2}
FOUR_CLASSES = {"train": class_ids(TRAIN), "query": class_ids(QUERY)}


def evaluated(bench, folder, suffix=".npy"):
    """Return mAP@20 of the stored codes of the only cell with the dataset's own label files."""
    (codes,) = bench.results.rglob("codes.npz")
    with np.load(codes) as stored:
        bits = stored["bits"]
        for split in ("database", "query"):
            np.savez(bench.root / f"{split}.npz", packed=stored[split], bits=bits)
    outcome = bench.call(
        *("evaluate", "--database-codes", bench.root / "database.npz", "--query-codes", bench.root / "query.npz"),
        *("--database-labels", folder / f"train{suffix}", "--query-labels", folder / f"query{suffix}"),
        *("--json", bench.root / "measured.json"),
    ).done()
    return json.loads((bench.root / "measured.json").read_text())["metrics"]["map@20"], outcome


FORMS = {
    "one column of 0 and 1": (TWO_CLASSES, lambda ids: ids[:, None].astype(np.uint8), 2),
    "one column of True and False": (TWO_CLASSES, lambda ids: ids[:, None].astype(bool), 2),
    "one axis of 0 and 1": (TWO_CLASSES, lambda ids: ids, 2),
    "one column of 1 and 2": (TWO_CLASSES, lambda ids: ids[:, None] + 1, 2),
    "one column of ids": (FOUR_CLASSES, lambda ids: ids[:, None], 4),
    "one axis of ids": (FOUR_CLASSES, lambda ids: ids, 4),
    "one axis of ids as floats": (FOUR_CLASSES, lambda ids: ids.astype(float), 4),
    "one row of ids": (FOUR_CLASSES, lambda ids: ids[None], 4),
    "two columns of 0 and 1": (TWO_CLASSES, lambda ids: multi_hot(ids, 2), 2),
    "big-endian columns": (FOUR_CLASSES, lambda ids: multi_hot(ids).astype(">f8"), 4),
}


@pytest.mark.parametrize("form", FORMS)
def test_both_verbs_give_one_number(bench, form):
    ids, shape, classes = FORMS[form]
    folder = make_dataset(bench.root / "odd")
    for split in ("train", "query"):
        np.save(folder / f"{split}.npy", shape(ids[split]))
    ran = bench.run(folder).done()
    (record,) = bench.records()
    assert record["data"]["classes"] == classes
    again, measured = evaluated(bench, folder)
    assert again == pytest.approx(bench.map20(), abs=1e-12)
    if form in ("one column of 0 and 1", "one column of True and False"):
        for outcome in (ran, measured):
            assert "class ids" in outcome.text and ".npy" in outcome.text


def test_both_verbs_give_the_number_of_the_same_classes_in_columns(bench):
    ids, shape, _ = FORMS["one column of 0 and 1"]
    for name, save in (("column", shape), ("columns", lambda values: multi_hot(values, 2))):
        folder = make_dataset(bench.root / name)
        for split in ("train", "query"):
            np.save(folder / f"{split}.npy", save(ids[split]))
        bench.run(folder, results=bench.root / f"of-{name}").done()
    assert bench.map20(bench.root / "of-column") == bench.map20(bench.root / "of-columns")


def test_ids_in_matlab_files_count_from_one(bench):
    folder = make_dataset(bench.root / "matlab")
    for split, ids in FOUR_CLASSES.items():
        savemat(folder / f"{split}.mat", {"labels": ids[:, None] + 1.0})
    text = (folder / "dataset.toml").read_text().replace(".npy", ".mat")
    (folder / "dataset.toml").write_text(text)
    bench.run(folder).done()
    assert evaluated(bench, folder, ".mat")[0] == pytest.approx(bench.map20(), abs=1e-12)


def test_a_class_of_the_queries_that_the_database_lacks(bench):
    folder = make_dataset(bench.root / "more")
    np.save(folder / "train.npy", class_ids(TRAIN))
    np.save(folder / "query.npy", np.where(class_ids(QUERY) == 3, 7, class_ids(QUERY)))
    bench.run(folder).done()
    assert evaluated(bench, folder)[0] == pytest.approx(bench.map20(), abs=1e-12)


@pytest.mark.parametrize("verb", ["run", "evaluate"])
def test_ids_on_one_side_and_columns_on_the_other(bench, verb):
    folder = make_dataset(bench.root / "mixed")
    bench.run(folder).done()
    np.save(folder / "train.npy", class_ids(TRAIN)[:, None])
    if verb == "run":
        sentence = bench.run(folder).sentence()
    else:
        (codes,) = bench.results.rglob("codes.npz")
        with np.load(codes) as stored:
            for split in ("database", "query"):
                np.savez(bench.root / f"{split}.npz", packed=stored[split], bits=stored["bits"])
        sentence = bench.call(
            *("evaluate", "--database-codes", bench.root / "database.npz", "--query-codes", bench.root / "query.npz"),
            *("--database-labels", folder / "train.npy", "--query-labels", folder / "query.npy"),
        ).sentence()
    assert "class ids" in sentence and (".npy" in sentence)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (multi_hot(class_ids(TRAIN)).T, "transposed"),
        (multi_hot(class_ids(TRAIN)).astype(int) * 2 - 1, "-1"),
        (np.where(np.arange(TRAIN)[:, None] == 3, np.nan, multi_hot(class_ids(TRAIN)).astype(float)), "nan"),
        (multi_hot(class_ids(TRAIN))[:-1], "63"),
        (class_ids(TRAIN) + 0.5, "whole"),
        (class_ids(TRAIN).astype(str), "train.npy"),
    ],
)
def test_refusals_name_the_file(bench, values, told):
    folder = make_dataset(bench.root / "odd")
    np.save(folder / "train.npy", values)
    sentence = bench.run(folder).sentence()
    assert "train.npy" in sentence and told.lower() in sentence.lower()
