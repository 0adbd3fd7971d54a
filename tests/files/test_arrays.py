"""Arrays in files: what was written comes back, and a damaged file is always the same type of error."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from benchmark.errors import BadInput
from benchmark.files.arrays import Unreadable, read_arrays, save_array, save_arrays, whole_number
from benchmark.records.code_file import read_codes

ARRAYS = {"words": np.arange(40, dtype=np.uint64).reshape(20, 2), "bits": np.array(128), "names": np.array(["a", "b"])}


def contents(compressed: bool, path: Path) -> bytes:
    save_arrays(path, ARRAYS, compressed=compressed)
    return path.read_bytes()


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back(tmp_path: Path, compressed: bool) -> None:
    save_arrays(tmp_path / "a.npz", ARRAYS, compressed=compressed)
    save_array(tmp_path / "a.npy", ARRAYS["words"])
    read = read_arrays(tmp_path / "a.npz")
    assert read.keys() == ARRAYS.keys()
    assert all(np.array_equal(read[name], array) and read[name].dtype == array.dtype for name, array in ARRAYS.items())
    assert read_arrays(tmp_path / "a.npz", ["bits"]).keys() == {"bits"}
    assert np.array_equal(read_arrays(tmp_path / "a.npy", ["any"])[""], ARRAYS["words"])


@pytest.mark.parametrize("compressed", [True, False])
def test_no_flipped_byte_goes_unnoticed(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    whole = contents(compressed, path)
    for place in range(len(whole)):
        for mask in (1, 255):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            path.write_bytes(damaged)
            try:
                read = read_arrays(path, list(ARRAYS))
            except Unreadable as error:
                assert str(path) in str(error) and "\n" not in str(error)
                continue
            assert all(np.array_equal(read[name], array) for name, array in ARRAYS.items())


def test_a_file_cut_short_anywhere_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    whole = contents(True, path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            read_arrays(path)


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}\n"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-4,)}\n"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (4,\n"),
        header("{'descr': [('a', '<f8')] * 3}\n"),
    ],
)
@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat"])
def test_a_header_of_nonsense_is_unreadable(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=f"cannot be read as {ending}"):
        read_arrays(path)


def test_a_damaged_matlab_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    stream = io.BytesIO()
    savemat(stream, {"labels": np.eye(5)}, do_compression=True)
    for place in range(len(stream.getvalue())):
        damaged = bytearray(stream.getvalue())
        damaged[place] ^= 255
        path.write_bytes(damaged)
        try:
            read_arrays(path)
        except BadInput as error:
            assert isinstance(error, Unreadable)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", ARRAYS)
    with pytest.raises(Unreadable, match=r"no such file"):
        read_arrays(tmp_path / "gone.npz")
    with pytest.raises(Unreadable, match=r"key 'word': no such variable in the file; .* did you mean 'words'"):
        read_arrays(tmp_path / "a.npz", ["bits", "word"])
    assert whole_number(ARRAYS, "bits", tmp_path) == 128
    with pytest.raises(Unreadable, match="key 'names': is no whole number"):
        whole_number(ARRAYS, "names", tmp_path)


def test_codes_of_something_else_are_unreadable(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", {"words": ARRAYS["words"]})
    with pytest.raises(Unreadable, match="holds no codes; expected key bits, found words"):
        read_codes(tmp_path / "a.npz")


def matlab_7_3(path: Path, fill: Callable[[h5py.File], None]) -> Path:
    """Write a file as MATLAB's -v7.3 does, with what ``fill`` puts into it."""
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(data)
    return path


def test_variables_of_matlab_7_3(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    sparse = csc_matrix(np.array([[0, 2, 0], [1, 0, 0]]))

    def fill(file: h5py.File) -> None:
        file["#refs#/a"] = 1
        for name, array, kind in (("x", values.T, "double"), ("t", np.array([[72], [105]], "u2"), "char")):
            file[name] = array
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["none"] = np.array([0, 3], "u8")
        file["none"].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_empty": 1})
        file.create_group("s").attrs["MATLAB_sparse"] = 2
        file["s"].update({"data": sparse.data, "ir": sparse.indices, "jc": sparse.indptr})
        file.create_group("struct").attrs["MATLAB_class"] = np.bytes_("struct")

    arrays = read_arrays(matlab_7_3(tmp_path / "a.mat", fill))
    assert arrays.keys() == {"x", "t", "none", "s", "struct"}
    assert np.array_equal(arrays["x"], values) and np.array_equal(arrays["s"], sparse.toarray())
    assert arrays["t"] == "Hi" and arrays["none"].shape == (0, 3) and arrays["struct"].dtype == object
    assert read_arrays(tmp_path / "a.mat", ["x"]).keys() == {"x"}
    with pytest.raises(Unreadable, match="key 'y': no such variable in the file; found none, s, struct, t, x"):
        read_arrays(tmp_path / "a.mat", ["y"])


@pytest.mark.parametrize(
    ("fill", "what"),
    [
        (lambda file: file.create_dataset("x", (8, 8), "f4", chunks=(2, 8)).write_direct(np.ones((2, 8), "f4"), None,
                                                                                  np.s_[:2]), "never written"),
        (lambda file: file.create_dataset("x", (2, 2), "f4", external="raw.bin"), "other files"),
        (lambda file: file.update({"x/data": [1.0], "x/ir": [9], "x/jc": [0, 1]}) or
         file["x"].attrs.update({"MATLAB_sparse": 2}), "cannot be read as .mat"),
        (lambda file: file.update({"x/jc": np.zeros(2, "i8")}) or
         file["x"].attrs.update({"MATLAB_sparse": 2**40}), "too large"),
    ],
)  # fmt: skip
def test_values_that_hdf5_would_make_up(tmp_path: Path, fill: Callable[[h5py.File], None], what: str) -> None:
    with pytest.raises(Unreadable, match=what):
        read_arrays(matlab_7_3(tmp_path / "a.mat", fill))
