"""Where the values of an HDF5 data set come from: every file is named, and no gap is left to HDF5's fill values."""

from functools import partial

import h5py
import numpy as np
import pytest

from benchmark.errors import BadInput
from benchmark.files import hdf5
from benchmark.files.hdf5_sources import trace

N, T, D = 8, 3, 4
VALUES = np.random.default_rng(0).normal(size=(N, T, D)).astype("f4")
UNLIMITED = h5py.h5s.UNLIMITED


def store(path, values, **storage):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, **storage)


def virtual(folder, parts):
    """Write ``a.h5`` of parts ``(where, file, values)``, each with its file."""
    layout = h5py.VirtualLayout((N, T, D), "f4")
    for where, name, values in parts:
        store(folder / name, values)
        layout[where] = h5py.VirtualSource(name, "x", values.shape)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


def numbered(folder, present=2):
    """Write ``a.h5`` over as many files ``part0.h5``, ``part1.h5``, ... as there are."""
    for number in range(present):
        store(folder / f"part{number}.h5", VALUES[4 * number : 4 * number + 4])
    space = h5py.h5s.create_simple((N, T, D), (UNLIMITED, T, D))
    space.select_hyperslab((0, 0, 0), count=(UNLIMITED, 1, 1), stride=(4, T, D), block=(4, T, D))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_virtual(space, b"part%b.h5", b"x", h5py.h5s.create_simple((4, T, D)))
    with h5py.File(folder / "a.h5", "w") as file:
        h5py.h5d.create(file.id, b"feats", h5py.h5t.IEEE_F32LE, space, plan)


def growing(folder):
    """Write ``a.h5`` over a source of any length."""
    store(folder / "long.h5", VALUES, maxshape=(None, T, D), chunks=(2, T, D))
    layout = h5py.VirtualLayout((N, T, D), "f4", maxshape=(None, T, D))
    source = h5py.VirtualSource("long.h5", "x", (N, T, D), maxshape=(None, T, D))
    layout[0:UNLIMITED] = source[0:UNLIMITED]
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


def partly_written(folder, rows):
    """Write ``a.h5`` that takes rows of a source of which rows 4 to 11 were written."""
    with h5py.File(folder / "grown.h5", "w") as file:
        file.create_dataset("x", (16, T, D), "f4", chunks=(2, T, D))[4:12] = VALUES
    layout = h5py.VirtualLayout((N, T, D), "f4")
    layout[:] = h5py.VirtualSource("grown.h5", "x", (16, T, D))[rows]
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


def of_itself(folder):
    layout = h5py.VirtualLayout((N, T, D), "f4")
    layout[:] = h5py.VirtualSource("a.h5", "feats", (N, T, D))
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)


def linked_to_itself(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["feats"] = h5py.ExternalLink("a.h5", "/feats")


STRIPES = [(np.s_[0::2], "even.h5", VALUES[0::2]), (np.s_[1::2], "odd.h5", VALUES[1::2])]
FRAMES = [(np.s_[:, frame], f"frame{frame}.h5", VALUES[:, frame]) for frame in range(T)]
WHOLE = {
    "rows in turn": (partial(virtual, parts=STRIPES), {"even.h5", "odd.h5"}),
    "a file for each frame": (partial(virtual, parts=FRAMES), {"frame0.h5", "frame1.h5", "frame2.h5"}),
    "numbered files": (numbered, {"part0.h5", "part1.h5", "part2.h5"}),
    "a source of any length": (growing, {"long.h5"}),
    "written rows of a source": (partial(partly_written, rows=np.s_[4:12]), {"grown.h5"}),
}


@pytest.mark.parametrize("case", WHOLE)
def test_every_file_is_named(tmp_path, case):
    write, names = WHOLE[case]
    write(tmp_path)
    found = trace(tmp_path / "a.h5", "feats")
    assert {path.name for path in found.sources} == names
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["feats"][:], VALUES)


GAPS = {
    "every other row": (partial(virtual, parts=STRIPES[:1]), "row 1 from nowhere"),
    "a frame": (partial(virtual, parts=FRAMES[:2]), "row 0 from nowhere"),
    "rows of a source": (partial(partly_written, rows=np.s_[6:14]), "grown.h5, which was never written in rows 12"),
    "made of itself": (of_itself, "made of itself"),
    "linked to itself": (linked_to_itself, "leads in a circle"),
}


@pytest.mark.parametrize("case", GAPS)
def test_gaps_are_refused(tmp_path, case):
    write, sentence = GAPS[case]
    write(tmp_path)
    with pytest.raises(BadInput) as error:
        trace(tmp_path / "a.h5", "feats")
    assert sentence in str(error.value) and "a.h5: key 'feats': " in str(error.value)
    assert len(str(error.value)) < 400


def test_too_few_handles_for_all_sources(tmp_path):
    """HDF5 fills the rows of a source that it cannot open for want of a handle."""
    resource = pytest.importorskip("resource")
    for name in "abcdef":
        store(tmp_path / f"{name}.h5", VALUES)
    paths = [tmp_path / f"{name}.h5" for name in "abcdef"]
    with (tmp_path / "a.h5").open("rb") as stream:
        first_free = stream.fileno()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + len(paths) + 1, limits[1]))
    try:
        with pytest.raises(BadInput, match="too many open files"):
            hdf5.hold_open(paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for file in hdf5.hold_open(paths):
        file.close()
