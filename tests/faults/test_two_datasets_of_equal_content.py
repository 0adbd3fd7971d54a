"""A cell is known by its dataset and its key: two datasets of equal content are two datasets everywhere."""

import json
import re

import h5py
import pytest

from reports.matrix.grouping import build
from tests.support.fakes import make
from tests.support.fault_inputs import make_dataset
from tests.support.pages import Page


@pytest.fixture
def twins(bench):
    return [make_dataset(bench.root / name) for name in ("first", "second")]


def page(path):
    return (path / "index.html").read_text(encoding="utf-8")


def assert_ids_are_unique(text):
    parsed = Page(text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.references if link.startswith("#")} <= set(parsed.ids)


def test_the_page_misses_no_finished_cell(bench, twins):
    outcome = bench.call(
        *("run", "--methods", "lsh", "random", "--datasets", *twins, "--bits", 16, "--results", bench.results),
        *("--cache", bench.root / "cache"),
    ).done()
    assert "page: " in outcome.out
    text = page(bench.results / "html")
    assert "this cell was not run" not in text
    assert re.search(r"\b0 not run", text)
    assert_ids_are_unique(text)
    assert text.count('id="r-first-') == text.count('id="r-second-') == 2


def test_each_finds_its_own_files(bench, twins):
    """Labels of one cell are replaced by copies that cannot be read: the other dataset's are looked at on their own."""
    for folder in twins:
        bench.run(folder, "--robustness").done()
    for name in ("first", "second"):
        (stored,) = bench.results.glob(f"{name}/lsh/16/*/robustness.json")
        assert json.loads(stored.read_text())["key"]
    (damaged,) = bench.results.glob("second/lsh/16/*/codes.npz")
    damaged.write_bytes(b"")
    outcome = bench.call(
        *("robustness", "--results", bench.results, "--datasets", *twins, "--rerun", "--no-page"),
        *("--cache", bench.root / "cache"),
    )
    assert outcome.code == 1
    lines = [line for line in outcome.out.splitlines() if re.match(r"\[\d/2\]", line)]
    told = {line.split(" on ")[1].split(",")[0]: "NOT MEASURED" in line for line in lines}
    assert told == {"first": False, "second": True}


def test_the_cell_of_one_alone_is_shown_as_missing_for_the_other(bench, twins):
    bench.run(twins[0]).done()
    bench.run(twins[1], method="random").done()
    bench.call("report", "--results", bench.results, "--out", bench.root / "html").done()
    text = page(bench.root / "html")
    assert text.count("this cell was not run") >= 2  # lsh on second, random on first
    status = json.loads(bench.call("status", "--results", bench.results, "--json").done().out)
    assert sorted(row["cell"].split("/")[0] for row in status) == ["first", "second"]


def twin(name, title):
    record = make("lsh", name, fingerprint="same", dataset_title=title)
    record.key = "0123456789abcdef"
    return record


@pytest.mark.parametrize("names", [("first", "second"), ("Plain", "plain"), ("a.b", "a-b"), ("x", "x-2")])
def test_twins_of_one_title_have_their_own_labels_and_anchors(names):
    groups = build([twin(name, "Same title") for name in names])
    assert [len(row.records) for group in groups for row in group.rows] == [1, 1]
    called = [(group.label, group.slug, group.anchor(group.rows[0].records[0])) for group in groups]
    for words in zip(*called, strict=True):
        assert len(set(words)) == 2


def test_two_contents_of_one_name_are_not_averaged(bench):
    folders = [make_dataset(bench.root / place / "plain") for place in ("a", "b")]
    with h5py.File(folders[1] / "query.h5", "r+") as file:
        file["feats"][0] += 1
    words = (
        "run",
        "--methods",
        "lsh",
        "--datasets",
        *folders,
        "--bits",
        16,
        "--device",
        "cpu",
        "--robustness",
        "--no-page",
    )
    outcome = bench.call(*words, "--results", bench.results, "--cache", bench.root / "cache").done()
    for table in ("mAP, field protocol", "share of mAP@20 that is lost"):
        assert len(set(re.findall(rf"plain \(data [0-9a-f]{{8}}\): {table}", outcome.out))) == 2
