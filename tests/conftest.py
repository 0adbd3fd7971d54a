"""Fixtures that every room shares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The tests' tensors are tiny: more threads only wait for each other, and the tests run in parallel anyway.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-speed", action="store_true", help="write the speeds of this run as the reference of the speed gate"
    )


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    return ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def cache_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that the tests share, so that the embedded data are built once."""
    given = os.environ.get("VIDEO_HASHING_CACHE")
    return Path(given) if given else tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function that finds the team's data beside the checkout, or skips the test."""

    def find(relative: str) -> Path:
        path = ROOT.parent / "shared" / relative
        if not path.exists():
            pytest.skip(f"the development data '{relative}' lie beside the checkout only on the team's machines")
        return path

    return find


@pytest.fixture
def command(tmp_path: Path, cache_root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``python -m benchmark`` with the shared cache and captures what it prints."""

    def call(*words: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "VIDEO_HASHING_CACHE": str(cache_root),
            "VIDEO_HASHING_DATA": str(tmp_path / "data"),
        }
        return subprocess.run(
            [sys.executable, "-m", "benchmark", *map(str, words)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return call


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``dataset.toml``: 120 train, 80 database and 30 query videos of 6 frames x 24, 4 classes."""
    import h5py
    import numpy as np

    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 24))
    toml = 'name = "tiny"\n'
    for split, n in {"train": 120, "database": 80, "query": 30}.items():
        classes = np.arange(n) % 4
        frames = np.maximum(centres[classes][:, None] + 0.6 * rng.normal(size=(n, 6, 24)), 0)
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["feats"] = frames.astype(np.float32)
        np.save(folder / f"{split}.npy", np.eye(4, dtype=np.uint8)[classes])
        toml += f'[{split}]\nfeatures = "{split}.h5"\n' + ("" if split == "train" else f'labels = "{split}.npy"\n')
    (folder / "dataset.toml").write_text(toml)
    return folder
