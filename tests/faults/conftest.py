"""Commands run in this process, with everything that they print."""

from __future__ import annotations

import traceback

import pytest

from benchmark.cli import main
from tests.support.fault_inputs import Bench, Outcome, make_dataset
from tests.support.pages import plain_figures


@pytest.fixture(scope="module", autouse=True)
def figures_without_drawing():
    """Pages that are built in this process have all of their figures as files, and nothing in them."""
    with plain_figures():
        yield


@pytest.fixture
def call(capfd, monkeypatch, tmp_path, cache_root):
    monkeypatch.setenv("VIDEO_HASHING_CACHE", str(cache_root))
    monkeypatch.setenv("VIDEO_HASHING_DATA", str(tmp_path / "no-data"))

    def run(*words):
        words = tuple(str(word) for word in words)
        capfd.readouterr()
        try:
            code = main(list(words))
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except Exception:
            pytest.fail(f"{' '.join(words)[:300]}\n{traceback.format_exc()[-1500:]}")
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Outcome(words, code, printed.out, printed.err, str(tmp_path))

    return run


@pytest.fixture
def bench(tmp_path, call):
    return Bench(tmp_path, call)


@pytest.fixture(scope="session")
def whole_score(tmp_path_factory):
    """mAP@20 of the plain dataset, as every other way of storing the same values has to give it."""
    root = tmp_path_factory.mktemp("whole")
    folder = make_dataset(root / "plain")
    bench = Bench(root, lambda *words: Outcome((), main([str(word) for word in words]), "", ""))
    bench.run(folder).done()
    return bench.map20()


@pytest.fixture(scope="session")
def stored_cells(tmp_path_factory):
    """A results folder with two finished cells of one dataset, with robustness."""
    root = tmp_path_factory.mktemp("stored")
    folder = make_dataset(root / "plain")
    bench = Bench(root, lambda *words: Outcome((), main([str(word) for word in words]), "", ""))
    for method in ("lsh", "random"):
        bench.run(folder, "--robustness", method=method).done()
    return bench.results
