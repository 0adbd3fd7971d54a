"""Values that nobody wrote are never measured: HDF5 fills them without a word."""

from functools import partial

import h5py
import numpy as np
import pytest

from tests.support.fault_inputs import (
    DIM,
    FRAMES,
    TRAIN,
    TRAIN_FRAMES,
    make_dataset,
    write_linked,
    write_partly,
    write_raw,
    write_virtual,
)


def missing_source(folder):
    write_virtual(folder)
    (folder / "part1.h5").unlink()


def source_without_the_data_set(folder):
    write_virtual(folder)
    with h5py.File(folder / "part1.h5", "r+") as file:
        file.move("feats", "other")


def source_of_a_source_is_missing(folder):
    write_virtual(folder)
    (folder / "train.h5").rename(folder / "inner.h5")
    layout = h5py.VirtualLayout(shape=(TRAIN, FRAMES, DIM), dtype="f4")
    layout[:] = h5py.VirtualSource("inner.h5", "feats", shape=(TRAIN, FRAMES, DIM))
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_virtual_dataset("feats", layout)
    (folder / "part1.h5").unlink()


def unwritten_source(folder):
    write_virtual(folder)
    with h5py.File(folder / "part1.h5", "w") as file:
        values = file.create_dataset("feats", (TRAIN // 2, FRAMES, DIM), "f4", chunks=(4, FRAMES, DIM))
        values[:8] = TRAIN_FRAMES[:8]


def linked_to_a_missing_source(folder):
    missing_source(folder)
    (folder / "train.h5").rename(folder / "behind.h5")
    with h5py.File(folder / "train.h5", "w") as file:
        file["feats"] = h5py.ExternalLink("behind.h5", "/feats")


def grown_after_writing(folder):
    with h5py.File(folder / "train.h5", "w") as file:
        values = file.create_dataset(
            "feats", data=TRAIN_FRAMES[:48], chunks=(8, FRAMES, DIM), maxshape=(None, FRAMES, DIM)
        )
        values.resize(TRAIN, axis=0)


CHUNKS = {"chunks": (8, FRAMES, DIM)}
CASES = {
    "virtual, a source is missing": (missing_source, "part1.h5"),
    "virtual, a source lacks the data set": (source_without_the_data_set, "part1.h5"),
    "virtual, a source of a source is missing": (source_of_a_source_is_missing, "part1.h5"),
    "virtual, rows of a source were not written": (unwritten_source, "part1.h5"),
    "virtual, not every row is mapped": (partial(write_virtual, mapped=48), "train.h5"),
    "virtual behind a link, a source is missing": (linked_to_a_missing_source, "part1.h5"),
    "contiguous, nothing was written": (partial(write_partly, rows=0), "train.h5"),
    "contiguous, nothing was written, another fill value": (partial(write_partly, rows=0, fillvalue=0.5), "train.h5"),
    "chunks, nothing was written": (partial(write_partly, rows=0, **CHUNKS), "train.h5"),
    "chunks, half was written": (partial(write_partly, rows=32, **CHUNKS), "train.h5"),
    "compressed, one chunk was not written": (partial(write_partly, rows=56, compression="gzip", **CHUNKS), "train.h5"),
    "chunks, grown after writing": (grown_after_writing, "train.h5"),
    "raw file, cut short": (partial(write_raw, missing_bytes=4096), "raw.bin"),
    "raw file, missing": (lambda folder: (write_raw(folder), (folder / "raw.bin").unlink()), "raw.bin"),
    "link, the file is missing": (lambda folder: (write_linked(folder), (folder / "real.h5").unlink()), "real.h5"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_by_the_name_of_the_source(bench, case):
    write, source = CASES[case]
    folder = make_dataset(bench.root / "odd", write)
    sentence = bench.run(folder).sentence()
    assert source in sentence
    assert "obtain it again" not in sentence
    assert not bench.records()


@pytest.mark.parametrize("case", list(CASES)[:2])
@pytest.mark.parametrize("verb", ["convert", "encode"])
def test_by_the_other_verbs_too(bench, case, verb):
    write, source = CASES[case]
    folder = make_dataset(bench.root / "odd", write)
    if verb == "convert":
        outcome = bench.call("convert", "--dataset", folder, "--out", bench.root / "out")
        assert not (bench.root / "out" / "dataset.toml").exists()
    else:
        plain = make_dataset(bench.root / "plain")
        bench.run(plain).done()
        (model,) = bench.results.rglob("model.pt")
        outcome = bench.call(
            *("encode", "--method", "lsh", "--checkpoint", model, "--features", folder / "train.h5"),
            *("--out", bench.root / "codes.npz"),
        )
    assert source in outcome.sentence()


WHOLE = {
    "virtual": write_virtual,
    "virtual of four": partial(write_virtual, parts=4),
    "raw file": write_raw,
    "link": write_linked,
    "chunks that do not divide the rows": partial(write_partly, rows=TRAIN, chunks=(7, 4, 9)),
    "compressed": partial(write_partly, rows=TRAIN, chunks=(5, FRAMES, DIM), compression="gzip"),
    "contiguous": partial(write_partly, rows=TRAIN),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_ones_give_the_number_of_the_plain_file(bench, case, whole_score):
    bench.run(make_dataset(bench.root / "whole", WHOLE[case])).done()
    assert bench.map20() == whole_score


def test_a_virtual_source_is_found_from_any_working_folder(bench, monkeypatch, whole_score):
    folder = make_dataset(bench.root / "virtual", write_virtual)
    monkeypatch.chdir(bench.root)
    bench.run(folder.relative_to(bench.root)).done()
    assert bench.map20() == whole_score


def test_zeros_that_were_written_are_values(bench):
    padded = np.where(np.arange(FRAMES)[None, :, None] > 3, 0, TRAIN_FRAMES)

    def write(folder):
        with h5py.File(folder / "train.h5", "w") as file:
            file.create_dataset("feats", data=padded, chunks=(8, 2, DIM))

    bench.run(make_dataset(bench.root / "padded", write)).done()
