"""A cell is known by its dataset and its key: two datasets of equal content are two datasets everywhere."""

import json
import re

import pytest

from tests.support.fault_inputs import make_dataset


@pytest.fixture
def twins(bench):
    return [make_dataset(bench.root / name) for name in ("first", "second")]


def page(path):
    return (path / "index.html").read_text(encoding="utf-8")


def test_the_page_misses_no_finished_cell(bench, twins):
    outcome = bench.call(
        *("run", "--methods", "lsh", "random", "--datasets", *twins, "--bits", 16, "--results", bench.results),
        *("--cache", bench.root / "cache"),
    ).done()
    assert "page: " in outcome.out
    text = page(bench.results / "html")
    assert "this cell was not run" not in text
    assert re.search(r"\b0 not run", text)


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
