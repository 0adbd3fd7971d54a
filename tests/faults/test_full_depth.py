"""At full depth average precision is divided by the number of relevant items, in every protocol."""

import json

import numpy as np
import pytest

N, BITS = 40, 16


@pytest.fixture
def files(tmp_path):
    draws = np.random.default_rng(3)
    labels = np.arange(N) % 4
    codes = np.where(draws.random((4, BITS)) > 0.5, 1, -1)[labels] * np.where(draws.random((N, BITS)) < 0.1, -1, 1)
    np.save(tmp_path / "codes.npy", codes.astype(np.int8))
    np.save(tmp_path / "labels.npy", np.eye(4, dtype=np.uint8)[labels])
    return tmp_path


def measured(call, files, *words, ks=(20,)):
    call(
        *("evaluate", "--self", "--database-codes", files / "codes.npy", "--database-labels", files / "labels.npy"),
        *("--k", *ks, "--json", files / "out.json", *words),
    ).done()
    return json.loads((files / "out.json").read_text())["metrics"]


def expected(files, exclude):
    """Average precision over the whole ranking, divided by the relevant items, ties by row."""
    codes, labels = (np.load(files / f"{name}.npy").astype(int) for name in ("codes", "labels"))
    values = []
    for row in range(N):
        others = np.array([k for k in range(N) if k != row or not exclude])
        order = others[np.argsort(-(codes[others] @ codes[row]), kind="stable")]
        hits = (labels[order] @ labels[row]) > 0
        precision = np.cumsum(hits) / np.arange(1, len(order) + 1)
        values.append((precision * hits).sum() / hits.sum())
    return float(np.mean(values))


@pytest.mark.parametrize("denominator", [(), *(("--denominator", name) for name in ("min", "relevant", "hits"))])
def test_field(call, files, denominator):
    metrics = measured(call, files, *denominator)
    assert metrics["map"] == pytest.approx(expected(files, exclude=False), abs=1e-12)
    assert metrics["ceiling"] == pytest.approx(1.0, abs=1e-12)


def test_strict_with_ties_by_row(call, files):
    metrics = measured(call, files, "--protocol", "strict", "--ties", "index")
    assert metrics["map"] == pytest.approx(expected(files, exclude=True), abs=1e-12)


def test_a_cut_at_the_whole_database_keeps_its_denominator(call, files):
    metrics = measured(call, files, "--denominator", "k", ks=(20, N, 2 * N))
    whole = expected(files, exclude=False) * (N / 4)
    assert metrics[f"map@{N}"] == pytest.approx(whole / N, abs=1e-12)
    assert metrics[f"map@{2 * N}"] == pytest.approx(whole / (2 * N), abs=1e-12)


def test_what_a_run_records(bench):
    from tests.support.fault_inputs import make_dataset

    bench.run(make_dataset(bench.root / "plain")).done()
    (record,) = bench.records()
    for preset in ("field", "strict"):
        metrics = record["metrics"][preset]["metrics"]
        assert metrics["ceiling"] == pytest.approx(1.0, abs=1e-12)
        assert metrics["map"] > 0.5
