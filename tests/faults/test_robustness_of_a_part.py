"""Robustness of a cell on a part of a dataset names the file that defines the dataset."""

import json

from tests.support.fault_inputs import make_dataset


def test_the_source_file_is_that_of_the_cell(bench):
    folder = make_dataset(bench.root / "plain")
    bench.run(folder, "--subset", 32, "--robustness").done()
    (record,) = bench.records()
    (path,) = bench.results.rglob("robustness.json")
    measured = json.loads(path.read_text())
    assert measured["code"]["dataset_file"] == record["code"]["dataset_file"]
    assert measured["code"]["digest"] == record["code"]["digest"]
