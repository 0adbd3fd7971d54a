"""File systems that grant no locks, and files that another program writes, are not damaged files."""

import errno
import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.support.fault_inputs import make_dataset

fcntl = pytest.importorskip("fcntl")

WRITER = """
import sys, time, h5py
file = h5py.File(sys.argv[1], sys.argv[2], libver="latest")
if sys.argv[2] == "w":
    import numpy
    file.create_dataset("feats", data=numpy.load(sys.argv[3]), chunks=(8, 6, 32), maxshape=(None, 6, 32))
    file.swmr_mode = True
print("open", flush=True)
time.sleep(120)
"""


@pytest.fixture
def writer():
    started = []

    def start(*words):
        process = subprocess.Popen([sys.executable, "-c", WRITER, *map(str, words)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_writer_elsewhere(bench, writer, whole_score):
    folder = make_dataset(bench.root / "plain")
    writer(folder / "train.h5", "r+")
    outcome = bench.run(folder)
    if outcome.code == 0:
        assert bench.map20() == whole_score
        return
    sentence = outcome.sentence()
    assert "train.h5" in sentence and "writ" in sentence
    assert "damaged" not in sentence and "obtain it again" not in sentence


def test_a_file_that_its_writer_did_not_close(bench, writer, whole_score):
    import numpy as np

    from tests.support.fault_inputs import TRAIN_FRAMES

    folder = make_dataset(bench.root / "plain")
    np.save(bench.root / "values.npy", TRAIN_FRAMES)
    process = writer(folder / "train.h5", "w", bench.root / "values.npy")
    process.kill()
    process.wait()
    outcome = bench.run(folder)
    if outcome.code == 0:
        assert bench.map20() == whole_score
        return
    sentence = outcome.sentence()
    assert "train.h5" in sentence and "h5clear" in sentence and "obtain it again" not in sentence


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_flock(request, monkeypatch):
    def refuse(descriptor, how):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return request.param


def test_cells_run_without_locks(bench, no_flock, whole_score):
    folder = make_dataset(bench.root / "plain")
    bench.run(folder).done()
    assert bench.map20() == whole_score
    assert "(kept" in bench.run(folder).done().out
    assert "1 done" in bench.call("status", "--results", bench.results).done().out
    bench.call("robustness", "--results", bench.results, "--no-page", "--cache", bench.root / "cache",
               "--datasets", folder).done()  # fmt: skip


def test_convert_without_locks(bench, no_flock):
    folder = make_dataset(bench.root / "plain")
    bench.call("convert", "--dataset", folder, "--out", bench.root / "out").done()
    assert (bench.root / "out" / "dataset.toml").is_file()


def test_artefacts_without_locks(bench, no_flock):
    bench.run(make_dataset(bench.root / "plain"), "--epochs", 1, method="mcmsh").done()


SECOND = """
import errno, fcntl, os, sys, time
def refuse(descriptor, how):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = refuse
from benchmark.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_runs_without_locks_do_a_cell_once(bench, root, tmp_path):
    folder = make_dataset(bench.root / "plain")
    words = (
        *("run", "--methods", "conmh", "--datasets", folder, "--bits", 16, "--epochs", 60, "--no-page"),
        *("--results", bench.results, "--cache", bench.root / "cache", "--device", "cpu"),
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SECOND, *map(str, words)], env=environment, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT, cwd=root,
        )
        for _ in range(2)
    ]  # fmt: skip
    texts = [process.communicate(timeout=240)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], texts
    assert sum("(kept" in text for text in texts) == 1, texts


def test_a_lock_of_a_dead_process_is_no_lock(bench, root):
    """A run that was killed where there are no locks does not stop the next one for ever."""
    folder = make_dataset(bench.root / "plain")
    words = (
        *("run", "--methods", "conmh", "--datasets", folder, "--bits", 16, "--epochs", 4000, "--no-page"),
        *("--results", bench.results, "--cache", bench.root / "cache", "--device", "cpu"),
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND, *map(str, words)], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=root,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(bench.results.rglob("checkpoint*")) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    other = [*words]
    other[other.index(4000)] = 1
    done = subprocess.run(
        [sys.executable, "-c", SECOND, *map(str, other)], env=environment, capture_output=True, text=True, cwd=root,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


NO_LOCKS = """
#include <errno.h>
int flock(int fd, int how) { (void)fd; (void)how; errno = ENOLCK; return -1; }
"""


@pytest.fixture(scope="session")
def no_locks_at_all(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or another system than Linux")
    folder = tmp_path_factory.mktemp("preload")
    (folder / "nolock.c").write_text(NO_LOCKS)
    library = folder / "nolock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "nolock.c"], check=True)
    return library


@pytest.mark.parametrize("locking", [None, "FALSE"])
def test_a_file_system_without_locks(bench, root, cache_root, no_locks_at_all, locking, whole_score):
    folder = make_dataset(bench.root / "plain")
    environment = {**os.environ, "LD_PRELOAD": str(no_locks_at_all), "VIDEO_HASHING_CACHE": str(cache_root)}
    if locking:
        environment["HDF5_USE_FILE_LOCKING"] = locking
    words = ["run", "--methods", "lsh", "--datasets", folder, "--bits", 16, "--no-page", "--results", bench.results]
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *map(str, words)], cwd=root, env=environment, capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-800:]
    assert bench.map20() == whole_score
