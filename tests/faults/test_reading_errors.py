"""What HDF5 cannot read is told by file, rows and cause; a missing filter by its name and package."""

import importlib.util
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.support.fault_inputs import (
    DIM,
    FRAMES,
    TRAIN_FRAMES,
    damage_chunk,
    make_dataset,
    write_linked,
    write_plain,
    write_raw,
)

CHUNKS = {"chunks": (8, FRAMES, DIM)}


def damaged(folder, **storage):
    write_plain(folder, **CHUNKS, **storage)
    with h5py.File(folder / "train.h5") as file:
        place = file["feats"].id.get_chunk_info(3)
    data = bytearray((folder / "train.h5").read_bytes())
    first = place.byte_offset + place.size // 2
    data[first : first + 32] = bytes(byte ^ 0x5A for byte in data[first : first + 32])
    (folder / "train.h5").write_bytes(bytes(data))


def cut(folder, share=0.5):
    write_plain(folder)
    data = (folder / "train.h5").read_bytes()
    (folder / "train.h5").write_bytes(data[: int(len(data) * share)])


FILTER = 32001


def unknown_filter(folder):
    """Store chunks under a filter that this HDF5 lacks, as hdf5plugin's Blosc writes them."""
    if h5py.h5z.filter_avail(FILTER):
        pytest.skip("this HDF5 has the filter")
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((8, FRAMES, DIM))
    plan.set_filter(FILTER, h5py.h5z.FLAG_OPTIONAL, (2, 2, 4, 6144))
    with h5py.File(folder / "train.h5", "w") as file:
        space = h5py.h5s.create_simple(TRAIN_FRAMES.shape)
        values = h5py.h5d.create(file.id, b"feats", h5py.h5t.IEEE_F32LE, space, plan)
        for first in range(0, len(TRAIN_FRAMES), 8):  # a mask of 0 says that the filter was applied
            values.write_direct_chunk((first, 0, 0), TRAIN_FRAMES[first : first + 8].tobytes(), 0)


CASES = {
    "a damaged chunk": (lambda folder: damaged(folder, compression="gzip"), ("rows", "train.h5")),
    "a wrong checksum": (lambda folder: damaged(folder, fletcher32=True), ("rows", "train.h5")),
    "a damaged chunk of lzf": (lambda folder: damaged(folder, compression="lzf", fletcher32=True), ("train.h5",)),
    "a missing filter": (unknown_filter, ("32001", "hdf5plugin", "train.h5")),
    "a raw file is missing": (lambda folder: (write_raw(folder), (folder / "raw.bin").unlink()), ("raw.bin",)),
    "cut in half": (cut, ("train.h5",)),
    "cut at the start": (lambda folder: cut(folder, 0.02), ("train.h5",)),
    "empty": (lambda folder: (folder / "train.h5").write_bytes(b""), ("train.h5",)),
    "a pointer to large files": (
        lambda folder: (folder / "train.h5").write_text("version https://git-lfs.github.com/spec/v1\nsize 1\n"),
        ("train.h5", "git"),
    ),
    "a web page": (lambda folder: (folder / "train.h5").write_text("<!DOCTYPE html><html>"), ("train.h5",)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("verb", ["run", "convert", "encode"])
def test_one_sentence(bench, case, verb):
    write, told = CASES[case]
    folder = make_dataset(bench.root / "odd", write)
    if verb == "run":
        sentence = bench.run(folder).sentence()
    elif verb == "convert":
        sentence = bench.call("convert", "--dataset", folder, "--out", bench.root / "out").sentence()
    else:
        bench.run(make_dataset(bench.root / "plain")).done()
        (model,) = bench.results.rglob("model.pt")
        sentence = bench.call(
            *("encode", "--method", "lsh", "--checkpoint", model, "--features", folder / "train.h5"),
            *("--out", bench.root / "codes.npz"),
        ).sentence()
    for word in told:
        assert word.lower() in sentence.lower()
    if case in ("a missing filter", "a raw file is missing"):
        assert "damaged" not in sentence


def test_the_filter_is_used_where_its_package_is_there(bench, whole_score):
    if importlib.util.find_spec("hdf5plugin") is None:
        pytest.skip("hdf5plugin is not installed")
    folder = make_dataset(bench.root / "packed")
    script = (
        "import sys, h5py, hdf5plugin, numpy\n"
        "values = numpy.load(sys.argv[2])\n"
        "with h5py.File(sys.argv[1], 'w') as file:\n"
        "    file.create_dataset('feats', data=values, chunks=(8, *values.shape[1:]), **hdf5plugin.Blosc())\n"
    )
    np.save(bench.root / "values.npy", TRAIN_FRAMES)
    words = [sys.executable, "-c", script, folder / "train.h5", bench.root / "values.npy"]
    subprocess.run(list(map(str, words)), check=True)
    bench.run(folder).done()
    assert bench.map20() == whole_score


def test_a_link_to_a_key_that_is_not_there(bench):
    folder = make_dataset(bench.root / "odd", write_linked)
    with h5py.File(folder / "real.h5", "r+") as file:
        file.move("x", "y")
    assert "real.h5" in bench.run(folder).sentence()


def test_many_keys_are_not_all_listed(bench):
    def write(folder):
        with h5py.File(folder / "train.h5", "w") as file:
            for video, values in enumerate(TRAIN_FRAMES):
                file[f"video{video}"] = values

    sentence = bench.run(make_dataset(bench.root / "odd", write)).sentence()
    assert "train.h5" in sentence and "video0" in sentence


@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_in_a_compressed_file(bench, seed, whole_score):
    def write(folder):
        write_plain(folder, **CHUNKS, compression="gzip", fletcher32=True)
        damage_chunk(folder / "train.h5", start=seed / 12, length=24, seed=seed)

    outcome = bench.run(make_dataset(bench.root / "odd", write))
    if outcome.code == 0:
        assert bench.map20() == whole_score
    else:
        assert "train.h5" in outcome.sentence()
