"""Codes and labels made elsewhere: what is read, and the sentence for what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csr_matrix

from benchmark.errors import BadInput
from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.files import evaluate_files, load_codes
from benchmark.evaluation.hamming import pack, unpack
from benchmark.evaluation.protocol import FIELD, PRESETS, STRICT
from benchmark.files.labels import read_labels

RNG = np.random.default_rng(0)
SIGNS = RNG.choice([-1, 1], (12, 20)).astype(np.int8)
HOT = (RNG.random((12, 4)) < 0.4).astype(np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Query files of 5 and database files of 12 rows that fit together."""
    paths = {name: tmp_path / f"{name}.npy" for name in ("qc", "dc", "ql", "dl")}
    for name, array in zip(paths, (SIGNS[:5], SIGNS, HOT[:5], HOT), strict=True):
        np.save(paths[name], array)
    return paths


def saved(folder: Path, array: np.ndarray, name: str = "other.npy", **options: bool) -> Path:
    np.save(folder / name, array, **options)
    return folder / name


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.float64])
def test_codes_of_either_alphabet(tmp_path: Path, dtype: type) -> None:
    assert np.array_equal(unpack(load_codes(saved(tmp_path, SIGNS.astype(dtype)))), SIGNS)
    assert np.array_equal(unpack(load_codes(saved(tmp_path, (SIGNS > 0).astype(dtype)))), SIGNS)
    ternary = np.where(RNG.random(SIGNS.shape) < 0.3, 0, SIGNS)
    assert np.array_equal(unpack(load_codes(saved(tmp_path, ternary.astype(dtype)))), ternary)


def test_codes_of_bools_and_of_zeros_only(tmp_path: Path) -> None:
    assert np.array_equal(unpack(load_codes(saved(tmp_path, SIGNS > 0))), SIGNS)
    zeros = load_codes(saved(tmp_path, np.zeros((3, 5), np.uint8)))
    assert (unpack(zeros) == -1).all()


def test_packed_codes(tmp_path: Path) -> None:
    for values in (RNG.choice([-1, 1], (6, 70)), RNG.choice([-1, 0, 1], (6, 70))):
        codes = pack(values)
        arrays = {"packed": codes.packed, "bits": codes.bits}
        if codes.nonzero is not None:
            arrays["nonzero"] = codes.nonzero
        np.savez(tmp_path / "p.npz", **arrays)
        assert np.array_equal(unpack(load_codes(tmp_path / "p.npz")), values)
    np.savez(tmp_path / "both.npz", codes=SIGNS, packed=pack(SIGNS).packed, rows=np.arange(12))
    assert np.array_equal(unpack(load_codes(tmp_path / "both.npz")), SIGNS)


def test_labels_of_every_kind_of_file(tmp_path: Path) -> None:
    ids = np.array([3, 1, 1, 7, 0, 2])
    savemat(tmp_path / "hot.mat", {"lab": HOT.astype(float)})
    savemat(tmp_path / "sparse.mat", {"lab": csr_matrix(HOT.astype(float))})
    savemat(tmp_path / "row.mat", {"a": ids[None].astype(float), "b": HOT})
    np.savez(tmp_path / "z.npz", labels=HOT, names=np.array(["x"]))
    for path in (tmp_path / "hot.mat", tmp_path / "sparse.mat", tmp_path / "z.npz", saved(tmp_path, HOT > 0)):
        labels = read_labels(path, 12, "codes")
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, HOT)
    for labels in (
        read_labels(tmp_path / "row.mat", 6, "codes", "a"),
        read_labels(saved(tmp_path, ids), 6, "codes"),
        read_labels(saved(tmp_path, ids[:, None]), 6, "codes"),
    ):
        assert labels.dtype == np.int64
        assert np.array_equal(labels, ids)


def test_two_sets_of_files_equal_arrays_in_memory(files: dict[str, Path]) -> None:
    out = evaluate_files(files["qc"], files["dc"], files["ql"], files["dl"], ks=(5, 20))
    expected = evaluate(pack(SIGNS[:5]), pack(SIGNS), HOT[:5], HOT, {"f": PRESETS[FIELD]}, (5, 20))["f"].metrics
    assert json.loads(json.dumps(out))["metrics"] == expected
    assert (out["n_query"], out["n_database"], out["bits"]) == (5, 12, 20)
    assert out["protocol"] == PRESETS[FIELD].model_dump()


def test_self_retrieval_and_options_over_a_preset(files: dict[str, Path]) -> None:
    out = evaluate_files(
        None, files["dc"], None, files["dl"], self_retrieval=True, preset="strict", denominator="hits", ks=(5,)
    )
    protocol = PRESETS[STRICT].model_copy(update={"denominator": "hits"})
    expected = evaluate(pack(SIGNS), pack(SIGNS), HOT, HOT, {"s": protocol}, (5,), self_retrieval=True)["s"]
    assert out["protocol"] == {
        "denominator": "hits", "self_match": "exclude", "ties": "expected", "zeros": "positive",
    }  # fmt: skip
    assert out["metrics"] == expected.metrics
    field = {"ties": "index", "self_match": "include", "denominator": "k"}
    again = evaluate_files(None, files["dc"], None, files["dl"], self_retrieval=True, preset="strict", **field)
    plain = evaluate_files(None, files["dc"], None, files["dl"], self_retrieval=True)
    assert again["metrics"] == plain["metrics"]


def bad_codes(folder: Path) -> list[tuple[Path, str]]:
    text, damaged = folder / "codes.csv", folder / "damaged.npy"
    text.write_text("1,-1")
    damaged.write_bytes(b"\x93NUMPY\x01\x00broken")
    np.savez(folder / "keys.npz", hashes=SIGNS, ids=np.arange(12))
    np.savez(folder / "bits.npz", packed=pack(SIGNS).packed, bits=0)
    np.savez(folder / "words.npz", packed=pack(SIGNS).packed, bits=100)
    np.savez(folder / "spill.npz", packed=pack(SIGNS).packed, bits=10)
    (folder / "cut.npz").write_bytes((folder / "keys.npz").read_bytes()[:100])
    nan = np.where(np.eye(12, 20) > 0, np.nan, 1.0)
    objects = saved(folder, np.array([None, 1], object), "objects.npy", allow_pickle=True)
    return [
        (folder / "gone.npy", "gone.npy: no such file"),
        (text, "codes.csv: is not a kind of file that is read here; expected .npy or .npz"),
        (damaged, "damaged.npy: cannot be read as .npy ("),
        (folder / "cut.npz", "cut.npz: cannot be read as .npz ("),
        (objects, "objects.npy: holds Python objects, which are refused; store numbers only"),
        (folder / "keys.npz", "no codes in the file; expected key codes, or packed and bits, found hashes, ids"),
        (folder / "bits.npz", "key 'bits': not a number of bits; expected an integer from 1 to 32767, found 0"),
        (folder / "words.npz", "key 'packed': not packed codes; expected (n, 2) uint64 for 100 bits, found (12, 1)"),
        (folder / "spill.npz", "key 'packed': bits are set beyond the 10 of a code"),
        (saved(folder, SIGNS[0], "flat.npy"), "unusable shape; expected (n, bits), found (20,)"),
        (saved(folder, SIGNS * 3, "three.npy"), "codes hold another value; expected -1, 0 and +1 only, found "),
        (saved(folder, SIGNS * 0.5, "half.npy"), "codes hold another value; expected -1, 0 and +1 only, found "),
        (saved(folder, nan, "nan.npy"), "nan.npy: codes hold NaN or infinity"),
        (saved(folder, SIGNS[:0], "empty.npy"), "there is no code; found shape (0, 20)"),
        (saved(folder, np.array([["a"]]), "text.npy"), "codes are not numbers; found <U1"),
    ]


def test_codes_that_are_refused(tmp_path: Path) -> None:
    for path, sentence in bad_codes(tmp_path):
        with pytest.raises(BadInput, match=re.escape(sentence)) as caught:
            load_codes(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_labels_that_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "two.mat", {"a": HOT, "b": HOT})
    (tmp_path / "damaged.mat").write_bytes(b"MATLAB 5.0 nonsense" * 20)
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    for path, key, sentence in (
        (tmp_path / "gone.mat", None, "gone.mat: no such file"),
        (tmp_path / "labels.txt", None, "expected .mat or .npy or .npz"),
        (tmp_path / "damaged.mat", None, "damaged.mat: cannot be read as .mat ("),
        (tmp_path / "new.mat", None, "new.mat: cannot be read as .mat ("),
        (tmp_path / "two.mat", None, "which array holds the labels?; expected key labels, found a, b"),
        (tmp_path / "two.mat", "c", "two.mat: key 'c': no such variable in the file; found a, b; "),
        (saved(tmp_path, HOT * 2, "twos.npy"), None, "not multi-hot; expected 0 and 1 only, found 2"),
        (
            saved(tmp_path, HOT[None], "cube.npy"),
            None,
            "expected (videos, classes) of 0 and 1, or (videos,) class ids, found shape (1, 12, 4)",
        ),
        (saved(tmp_path, np.array([0.5, 1]), "half.npy"), None, "class ids must be whole numbers; found 0.5"),
        (saved(tmp_path, np.full(3, np.nan), "nan.npy"), None, "labels hold NaN or infinity"),
        (saved(tmp_path, np.array([-1, 1]), "minus.npy"), None, "out of range; expected 0 or more, found -1"),
        (saved(tmp_path, HOT[:0], "empty.npy"), None, "there is no label; found shape (0, 4)"),
        (saved(tmp_path, np.array(["a"]), "text.npy"), None, "labels are not numbers; found <U1"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)):
            read_labels(path, 12, "codes", key)


def test_files_that_do_not_fit_together(files: dict[str, Path], tmp_path: Path) -> None:
    longer = saved(tmp_path, np.ones((5, 21)), "longer.npy")
    turned = saved(tmp_path, HOT.T, "turned.npy")
    fewer = saved(tmp_path, HOT[:4], "fewer.npy")
    narrow = saved(tmp_path, HOT[:5, :3], "narrow.npy")
    ids = saved(tmp_path, np.arange(5), "ids.npy")
    qc, dc, ql, dl = files.values()
    for arguments, options, sentence in (
        ((longer, dc, ql, dl), {}, f"expected 20 bits as in {dc}, found 21"),
        (
            (qc, dc, ql, turned),
            {},
            f"{turned}: the label matrix is transposed; expected (videos, classes) with the 12 videos of {dc} as rows",
        ),
        (
            (qc, dc, fewer, dl),
            {},
            f"{fewer}: the number of labels does not fit; expected 5 rows, one per video of {qc}, found 4",
        ),
        ((qc, dc, narrow, dl), {}, f"the number of classes differs; expected 4 classes as in {dl}, found 3"),
        ((qc, dc, ids, dl), {}, f"{ids}: holds class ids, while the other label file is multi-hot; expected the same"),
        ((None, dc, None, dl), {}, "without queries ask for self-retrieval"),
        ((qc, dc, ql, dl), {"self_retrieval": True}, "give no query files"),
        ((qc, dc, ql, dl), {"preset": "lenient"}, "there is no protocol 'lenient'; expected field or strict"),
        ((qc, dc, ql, dl), {"ks": (5, -1)}, "must be a positive whole number; found -1"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)):
            evaluate_files(*arguments, **options)
