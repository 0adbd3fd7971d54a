"""Archives that are damaged, or whose headers promise too much, are told by name; one of them never takes the page."""

import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csr_matrix, save_npz

from tests.support.fault_inputs import class_ids, make_dataset, multi_hot

N, BITS = 40, 16


@pytest.fixture
def files(tmp_path):
    draws = np.random.default_rng(0)
    codes = np.where(draws.random((N, BITS)) > 0.5, 1, -1).astype(np.int8)
    np.save(tmp_path / "codes.npy", codes)
    np.savez_compressed(tmp_path / "codes.npz", codes=codes)
    np.save(tmp_path / "labels.npy", multi_hot(class_ids(N)))
    return tmp_path


def evaluate(call, files, codes="codes.npy", labels="labels.npy"):
    return call(
        *("evaluate", "--self", "--database-codes", files / codes, "--database-labels", files / labels),
        *("--k", 20, "--json", files / "measured.json"),
    )


def value(files):
    return json.loads((files / "measured.json").read_text())["metrics"]["map@20"]


def header(shape, kind="|i1", rest=b"\0" * 64):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + rest


def flipped(data, start, length=20):
    changed = bytearray(data)
    changed[start : start + length] = bytes(byte ^ 0x5A for byte in changed[start : start + length])
    return bytes(changed)


def encrypted(data):
    """Set the flag of encryption in both headers of the only member."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[changed.find(mark) + offset] |= 1
    return bytes(changed)


def other_method(data, number):
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        changed[changed.find(mark) + offset] = number
    return bytes(changed)


DAMAGE = {
    "npz: packed bytes": ("npz", lambda data: flipped(data, data.find(b"codes.npy") + 40)),
    "npz: cut": ("npz", lambda data: data[: len(data) // 2]),
    "npz: encrypted": ("npz", encrypted),
    "npz: unknown compression": ("npz", lambda data: other_method(data, 99)),
    "npz: said to be lzma": ("npz", lambda data: other_method(data, 14)),
    "npz: said to be bzip2": ("npz", lambda data: other_method(data, 12)),
    "npz: empty": ("npz", lambda data: b""),
    "npz: web page": ("npz", lambda data: b"<!DOCTYPE html><html>quota</html>"),
    "npy: cut": ("npy", lambda data: data[:300]),
    "npy: cut in the header": ("npy", lambda data: data[:40]),
    "npy: empty": ("npy", lambda data: b""),
    "npy: terabytes": ("npy", lambda data: header((10**13, BITS))),
    "npy: overflows": ("npy", lambda data: header((2**62, 2**62))),
    "npy: negative": ("npy", lambda data: header((-N, BITS))),
    "npy: another type": ("npy", lambda data: data.replace(b"'|i1'", b"'|X1'")),
    "npy: objects": ("npy", lambda data: data.replace(b"'|i1'", b"'|O8'")),
    "npy: no header": ("npy", lambda data: flipped(data, 10, 40)),
    "npy: version 9": ("npy", lambda data: data[:6] + b"\x09" + data[7:]),
    "npy: header of 4 GB": ("npy", lambda data: data[:6] + b"\x02\x00\xff\xff\xff\xff" + data[10:]),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_codes(call, files, case):
    ending, change = DAMAGE[case]
    path = files / f"codes.{ending}"
    path.write_bytes(change(path.read_bytes()))
    assert path.name in evaluate(call, files, codes=path.name).sentence()


@pytest.mark.parametrize("case", [name for name in DAMAGE if name.startswith("npy")])
def test_labels_of_a_run(bench, case):
    folder = make_dataset(bench.root / "odd")
    data = (folder / "train.npy").read_bytes().replace(b"'|u1'", b"'|i1'")
    (folder / "train.npy").write_bytes(DAMAGE[case][1](data))
    assert "train.npy" in bench.run(folder).sentence()


def test_an_archive_with_a_huge_member(call, files):
    with zipfile.ZipFile(files / "codes.npz", "w") as archive:
        archive.writestr("codes.npy", header((10**12, BITS)))
    assert "codes.npz" in evaluate(call, files, codes="codes.npz").sentence()


def matlab_7_3(path, values, head=b"MATLAB 7.3 MAT-file, Platform: GLNXA64"):
    """Write a file as MATLAB's -v7.3 does: HDF5 behind 512 bytes, arrays transposed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["labels"] = values.T.astype(float)
        file["labels"].attrs["MATLAB_class"] = np.bytes_(b"double")
    data = bytearray(path.read_bytes())
    data[:128] = head.ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("form", ["columns", "one column of ids"])
def test_matlab_7_3_labels_are_read(call, files, form):
    labels = multi_hot(class_ids(N)) if form == "columns" else class_ids(N)[:, None] + 1
    matlab_7_3(files / "labels.mat", labels)
    evaluate(call, files, labels="labels.mat").done()
    one = value(files)
    evaluate(call, files).done()
    assert value(files) == one


def test_matlab_7_3_labels_of_a_run(bench, whole_score):
    folder = make_dataset(bench.root / "odd")
    for split in ("train", "query"):
        matlab_7_3(folder / f"{split}.mat", np.load(folder / f"{split}.npy"))
    (folder / "dataset.toml").write_text((folder / "dataset.toml").read_text().replace(".npy", ".mat"))
    bench.run(folder).done()
    assert bench.map20() == whole_score


def test_damaged_matlab_7_3_labels(call, files):
    matlab_7_3(files / "labels.mat", multi_hot(class_ids(N)))
    data = (files / "labels.mat").read_bytes()
    (files / "labels.mat").write_bytes(data[: len(data) // 2])
    assert "labels.mat" in evaluate(call, files, labels="labels.mat").sentence()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 0.9])
def test_cut_matlab_labels(call, files, share):
    savemat(files / "labels.mat", {"labels": csr_matrix(multi_hot(class_ids(N)).astype(float))})
    data = (files / "labels.mat").read_bytes()
    (files / "labels.mat").write_bytes(data[: int(len(data) * share)])
    assert "labels.mat" in evaluate(call, files, labels="labels.mat").sentence()


def test_a_sparse_matrix_of_scipy_is_read_or_told(call, files):
    save_npz(files / "labels.npz", csr_matrix(multi_hot(class_ids(N))))
    outcome = evaluate(call, files, labels="labels.npz")
    assert outcome.code == 0 or "sparse" in outcome.sentence()


@pytest.mark.parametrize("pack", [1, 8])
def test_packed_codes_get_a_hint(call, files, pack):
    bits = np.load(files / "codes.npy") > 0
    packed = np.packbits(bits, axis=1)
    np.save(files / "packed.npy", packed if pack == 1 else np.ascontiguousarray(packed).view(np.uint16).astype("u8"))
    sentence = evaluate(call, files, codes="packed.npy").sentence()
    assert "packed" in sentence and "bits" in sentence


QUICK = [("codes.npz", "flipped"), ("queries.npz", "huge"), ("robustness.npz", "flipped"), ("labels.npz", "huge")]
NAMES = ("codes.npz", "queries.npz", "model.pt", "record.json", "robustness.json", "robustness.npz", "labels.npz")
ALL = [(name, how) for name in (*NAMES, "dataset.json") for how in ("flipped", "cut", "huge", "empty")]


@pytest.mark.parametrize(
    ("name", "how"), QUICK + [pytest.param(*pair, marks=pytest.mark.slow) for pair in ALL if pair not in QUICK]
)
def test_no_file_takes_the_page(bench, stored_cells, name, how):
    shutil.copytree(stored_cells, bench.results)
    for path in bench.results.rglob(name):
        data = path.read_bytes()
        change = {
            "flipped": lambda data: flipped(data, len(data) // 2),
            "cut": lambda data: data[: len(data) // 2],
            "huge": lambda data: header((10**13, BITS)),
            "empty": lambda data: b"",
        }[how]
        path.write_bytes(change(data))
    assert list(bench.results.rglob(name)), name
    bench.call("status", "--results", bench.results).done()
    bench.call("report", "--results", bench.results, "--out", bench.root / "html").done()
    assert (bench.root / "html" / "index.html").stat().st_size > 10_000
