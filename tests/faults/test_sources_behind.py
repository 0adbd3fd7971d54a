"""A cell is kept only while every file that its bytes come from is as it was."""

import os

import h5py
import numpy as np
import pytest

from tests.support.fault_inputs import (
    TRAIN_FRAMES,
    make_dataset,
    write_linked,
    write_linked_twice,
    write_plain,
    write_raw,
    write_virtual,
)


def write_symbolic(folder):
    write_plain(folder)
    (folder / "train.h5").rename(folder / "real.h5")
    (folder / "train.h5").symlink_to("real.h5")


def write_virtual_of_virtual(folder):
    write_virtual(folder)
    (folder / "train.h5").rename(folder / "inner.h5")
    layout = h5py.VirtualLayout(shape=TRAIN_FRAMES.shape, dtype="f4")
    layout[:] = h5py.VirtualSource("inner.h5", "feats", shape=TRAIN_FRAMES.shape)
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


CASES = {
    "link": (write_linked, "real.h5", "x"),
    "link to a link": (write_linked_twice, "real.h5", "x"),
    "virtual": (write_virtual, "part1.h5", "feats"),
    "virtual of virtual": (write_virtual_of_virtual, "part0.h5", "feats"),
    "raw file": (write_raw, "raw.bin", None),
    "symbolic link": (write_symbolic, "real.h5", "feats"),
}


def rewrite(path, key):
    """Write other values in place, so that the size stays."""
    draws = np.random.default_rng(9)
    if key is None:
        path.write_bytes(draws.normal(size=path.stat().st_size // 4).astype("f4").tobytes())
        return
    with h5py.File(path, "r+") as file:
        file[key][...] = draws.normal(size=file[key].shape).astype("f4")


@pytest.mark.parametrize("case", CASES)
def test_other_bytes_behind_are_other_data(bench, case, whole_score):
    write, name, key = CASES[case]
    folder = make_dataset(bench.root / "linked", write)
    bench.run(folder).done()
    assert bench.map20() == whole_score
    assert "(kept" in bench.run(folder).done().out
    rewrite(folder / name, key)
    assert "(kept" not in bench.run(folder).done().out
    assert len({record["data"]["fingerprint"] for record in bench.records()}) == 2


@pytest.mark.parametrize("case", ["link", "raw file"])
def test_a_file_put_in_place_with_the_same_size_and_time(bench, case):
    write, name, key = CASES[case]
    folder = make_dataset(bench.root / "linked", write)
    bench.run(folder).done()
    before = (folder / name).stat()
    copy = folder / "copy"
    copy.write_bytes((folder / name).read_bytes())
    rewrite(copy, key)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(folder / name)
    assert "(kept" not in bench.run(folder).done().out


def test_a_source_that_comes_and_goes(bench, whole_score):
    folder = make_dataset(bench.root / "virtual", write_virtual)
    bench.run(folder).done()
    (folder / "part1.h5").rename(folder / "away.h5")
    assert "part1.h5" in bench.run(folder).sentence()
    (folder / "away.h5").rename(folder / "part1.h5")
    bench.run(folder).done()
    assert bench.map20() == whole_score
