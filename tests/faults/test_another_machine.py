"""A checkout or home that cannot be written to, and settings of a notebook's environment."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.support.fault_inputs import class_ids, make_dataset, multi_hot

PARTS = ("benchmark", "methods", "datasets", "reports", "pyproject.toml", "README.md", "CITATION.cff", "LICENSE")


@pytest.fixture
def checkout(root, tmp_path):
    """A copy of the suite without caches of compiled code."""
    target = tmp_path / "checkout"
    target.mkdir()
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (root / name).exists():
            shutil.copy(root / name, target / name)
    return target


@pytest.fixture
def codes(tmp_path):
    draws = np.random.default_rng(0)
    np.save(tmp_path / "codes.npy", np.where(draws.random((40, 16)) > 0.5, 1, -1))
    np.save(tmp_path / "labels.npy", multi_hot(class_ids(40)))
    return ["evaluate", "--self", "--database-codes", tmp_path / "codes.npy", "--database-labels",
            tmp_path / "labels.npy", "--json", tmp_path / "out.json"]  # fmt: skip


def command(checkout, words, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-B", "-m", "benchmark", *map(str, words)],
        cwd=checkout, env={**kept, **environment}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


NOWHERE = "/proc/no-such-folder" if sys.platform == "linux" else "/no-such-root/home"
HOMELESS = {"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "MPLCONFIGDIR": ""}


def close_caches(checkout):
    """Put files where folders of compiled code would be made: modes would not stop the superuser."""
    for folder in {path.parent for path in checkout.rglob("*.py")}:
        (folder / "__pycache__").write_text("")
    (checkout / ".cache").write_text("")


def test_kernels_without_any_place_for_a_cache(checkout, codes, tmp_path):
    close_caches(checkout)
    done = command(checkout, codes, **HOMELESS, VIDEO_HASHING_CACHE=NOWHERE, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr[-800:]
    assert json.loads((tmp_path / "out.json").read_text())["metrics"]["map@20"] > 0


def test_kernels_with_a_wrong_cache_folder(checkout, codes):
    close_caches(checkout)
    done = command(checkout, codes, **HOMELESS, NUMBA_CACHE_DIR=NOWHERE)
    assert done.returncode == 0, done.stderr[-800:]


def test_a_run_from_a_read_only_checkout(checkout, tmp_path):
    close_caches(checkout)
    folder = make_dataset(tmp_path / "plain")
    words = ["run", "--methods", "lsh", "--datasets", folder, "--bits", 16, "--no-page", "--results", tmp_path / "r"]
    kept = {name: value for name, value in os.environ.items() if name != "VIDEO_HASHING_CACHE"}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "benchmark", *map(str, words)], cwd=checkout, env={**kept, **HOMELESS},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-800:]
    assert list((tmp_path / "r").rglob("record.json"))


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "nosuch", pytest.param("TkAgg", marks=pytest.mark.slow)]
)
def test_the_page_with_the_backend_of_a_notebook(root, stored_cells, tmp_path, backend):
    done = command(
        root, ["report", "--results", stored_cells, "--out", tmp_path / "html"], MPLBACKEND=backend,
        PYTHONPATH=str(root),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-800:]
    assert (tmp_path / "html" / "index.html").is_file()


@pytest.mark.slow
def test_figures_do_not_follow_a_users_settings(root, stored_cells, tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: nosuch\nfont.size: 40\nlines.linewidth: 9\n")
    pages = []
    for name, variables in (("own", {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}), ("none", {})):
        done = command(root, ["report", "--results", stored_cells, "--out", tmp_path / name], **variables)
        assert done.returncode == 0, done.stderr[-800:]
        drawings = sorted((tmp_path / name).rglob("*.svg"))
        assert drawings
        pages.append({path.name: path.read_bytes() for path in drawings})
    assert pages[0] == pages[1]


@pytest.mark.parametrize("variables", [
    {"PYTHONIOENCODING": "ascii"},
    pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, marks=pytest.mark.slow),
])  # fmt: skip
def test_terminals_that_know_ascii_alone(root, tmp_path, cache_root, variables):
    folder = make_dataset(tmp_path / "plain")
    words = [
        "run",
        "--methods",
        "lsh",
        "--datasets",
        folder,
        "--bits",
        16,
        "--seeds",
        0,
        1,
        "--results",
        tmp_path / "r",
    ]
    for command_words in (words, ["status", "--results", tmp_path / "r"], ["list", "methods", "--verbose"]):
        done = command(root, command_words, VIDEO_HASHING_CACHE=str(cache_root), **variables)
        assert done.returncode == 0, done.stderr[-800:]
