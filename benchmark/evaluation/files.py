"""Codes and labels made elsewhere: read, checked, evaluated. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.evaluation.hamming import MAX_BITS, WORD, Codes, full_mask, pack
from benchmark.evaluation.protocol import KS, PRESETS, Denominator, SelfMatch, Ties

File = str | Path


def load_codes(path: File) -> Codes:
    """Read codes from ``.npy``, or ``.npz`` with ``codes``, or with ``packed``, ``bits`` (and ``nonzero``: preferred).

    codes: (n, bits) of -1 and +1; of -1, 0 and +1, where 0 is a value whose sign vanished; or of 0 and 1
    alone, where 0 stands for -1. Raises BadInput for anything else.
    """
    path = Path(path)
    arrays = _arrays(path, (".npy", ".npz"))
    ternary = {"packed", "bits", "nonzero"} <= arrays.keys()
    if ("codes" in arrays or "" in arrays) and not ternary:
        return _codes(path, arrays.get("codes", arrays.get("")), "codes" if "codes" in arrays else None)
    if "packed" in arrays and "bits" in arrays:
        return _packed(path, arrays)
    raise BadInput("no codes in the file", file=path, expected="key codes, or packed and bits", found=_names(arrays))


def load_labels(path: File, key: str | None = None) -> np.ndarray:
    """Read labels from ``.npy``, ``.npz`` or ``.mat``: (n, classes) uint8 multi-hot, or (n,) int64 class ids.

    key: the array in an ``.npz`` or ``.mat``; without it, ``labels``, or the only array there is. A single
    row or column holds class ids. Raises BadInput for anything else.
    """
    path = Path(path)
    arrays = _arrays(path, (".npy", ".npz", ".mat"))
    labels = _select(path, arrays, key)
    if labels.dtype.kind not in "biuf":
        raise BadInput("labels are not numbers", file=path, found=labels.dtype)
    if labels.size == 0:
        raise BadInput("there is no label", file=path, found=f"shape {labels.shape}")
    if labels.ndim == 2 and min(labels.shape) == 1:
        labels = labels.ravel()
    _no_nan(path, labels, "labels")
    if labels.ndim == 1:
        if (labels != np.floor(labels)).any():
            raise BadInput(
                "class ids must be whole numbers", file=path, found=_first(labels, labels != np.floor(labels))
            )
        return labels.astype(np.int64)
    if labels.ndim != 2:
        raise BadInput("labels have an unusable shape", file=path, expected="(n, classes) or (n,)", found=labels.shape)
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        raise BadInput("labels are not multi-hot", file=path, expected="0 and 1 only", found=_first(labels, wrong))
    return labels.astype(np.uint8)


def evaluate_files(
    query_codes: File | None,
    database_codes: File,
    query_labels: File | None,
    database_labels: File,
    *,
    self_retrieval: bool = False,
    preset: str = "field",
    denominator: Denominator | None = None,
    ties: Ties | None = None,
    self_match: SelfMatch | None = None,
    ks: Sequence[int] = KS,
) -> dict[str, Any]:
    """Evaluate files; return ``protocol``, ``n_query``, ``n_database``, ``bits`` and ``metrics`` for JSON.

    With ``self_retrieval`` the database is its own query set and the query paths are None. Options that are
    given replace those of the preset. Raises BadInput, naming the file, for whatever does not fit.
    """
    from benchmark.evaluation.evaluator import evaluate

    if preset not in PRESETS:
        raise BadInput(f"there is no protocol '{preset}'", expected=" or ".join(PRESETS))
    given = {"denominator": denominator, "ties": ties, "self_match": self_match}
    protocol = PRESETS[preset].model_copy(update={name: value for name, value in given.items() if value is not None})
    if self_retrieval and (query_codes is not None or query_labels is not None):
        raise BadInput("with self-retrieval the database is its own query set; give no query files")
    database, labels = _side(database_codes, database_labels)
    if self_retrieval:
        query, of_query = database, labels
    elif query_codes is None or query_labels is None:
        raise BadInput("query codes and query labels are both needed; without queries ask for self-retrieval")
    else:
        query, of_query = _side(query_codes, query_labels)
        _fit(query_codes, query, query_labels, of_query, database_codes, database, database_labels, labels)
    result = evaluate(query, database, of_query, labels, {preset: protocol}, ks, self_retrieval)[preset]
    return {
        "protocol": protocol.model_dump(),
        "n_query": result.n_query,
        "n_database": result.n_database,
        "bits": result.bits,
        "metrics": result.metrics,
    }


def _side(codes_path: File, labels_path: File) -> tuple[Codes, np.ndarray]:
    codes, labels = load_codes(codes_path), load_labels(labels_path)
    if len(labels) != codes.n:
        turned = labels.ndim == 2 and labels.shape[1] == codes.n
        raise BadInput(
            "the number of labels differs from the number of codes",
            file=labels_path,
            expected=f"{codes.n} rows as in {codes_path}",
            found=f"shape {labels.shape}",
            next_step="the labels look transposed; store them as (n, classes)" if turned else None,
        )
    return codes, labels


def _fit(
    query_codes: File, query: Codes, query_labels: File, of_query: np.ndarray,
    database_codes: File, database: Codes, database_labels: File, labels: np.ndarray,
) -> None:  # fmt: skip
    if query.bits != database.bits:
        expected = f"{database.bits} bits as in {database_codes}"
        raise BadInput(
            "queries and database differ in length of code",
            file=query_codes,
            expected=expected,
            found=query.bits,
        )
    if of_query.ndim != labels.ndim:
        expected = f"the same kind as in {database_labels}"
        raise BadInput(
            "one label file is multi-hot and the other holds class ids", file=query_labels, expected=expected
        )
    if of_query.shape[1:] != labels.shape[1:]:
        expected = f"{labels.shape[1]} classes as in {database_labels}"
        raise BadInput("the number of classes differs", file=query_labels, expected=expected, found=of_query.shape[1])


def _codes(path: Path, values: Any, key: str | None) -> Codes:
    if values.dtype.kind not in "biuf":
        raise BadInput("codes are not numbers", file=path, key=key, found=values.dtype)
    if values.ndim != 2:
        raise BadInput("codes have an unusable shape", file=path, key=key, expected="(n, bits)", found=values.shape)
    if values.size == 0:
        raise BadInput("there is no code", file=path, key=key, found=f"shape {values.shape}")
    _no_nan(path, values, "codes", key)
    values = values.astype(np.int8) if values.dtype.kind == "b" else values
    wrong = (values != 1) & (values != -1) & (values != 0)
    if wrong.any():
        found = _first(values, wrong)
        raise BadInput("codes hold another value", file=path, key=key, expected="-1, 0 and +1 only", found=found)
    return pack(values) if (values == -1).any() else pack(np.where(values == 1, np.int8(1), np.int8(-1)))


def _packed(path: Path, arrays: Mapping[str, np.ndarray]) -> Codes:
    packed, bits = arrays["packed"], arrays["bits"]
    if bits.size != 1 or bits.dtype.kind not in "iu" or not 1 <= int(bits.item()) <= MAX_BITS:
        raise BadInput(
            "not a number of bits",
            file=path,
            key="bits",
            expected=f"an integer from 1 to {MAX_BITS}",
            found=bits,
        )
    codes = Codes(packed, None, int(bits.item()))
    words = -(-codes.bits // WORD)
    for key in ("packed", "nonzero"):
        words_of = arrays.get(key)
        if words_of is None:
            continue
        if words_of.dtype != np.uint64 or words_of.ndim != 2 or words_of.shape[1] != words or not len(words_of):
            expected, found = (
                f"(n, {words}) uint64 for {codes.bits} bits",
                f"{words_of.shape} {words_of.dtype}",
            )
            raise BadInput("not packed codes", file=path, key=key, expected=expected, found=found)
        if len(words_of) != codes.n or (words_of & ~full_mask(codes)).any():
            raise BadInput(f"bits are set beyond the {codes.bits} of a code, or rows are missing", file=path, key=key)
    mask = arrays.get("nonzero")
    return (
        codes
        if mask is None or (mask == full_mask(codes)).all()
        else codes._replace(packed=packed & mask, nonzero=mask)
    )


def _select(path: Path, arrays: Mapping[str, np.ndarray], key: str | None) -> np.ndarray:
    if key is not None and key in arrays:
        return arrays[key]
    if key is None and "labels" in arrays:
        return arrays["labels"]
    if key is None and len(arrays) == 1:
        return next(iter(arrays.values()))
    raise BadInput("which array holds the labels?", file=path, expected=f"key {key or 'labels'}", found=_names(arrays))


def _arrays(path: Path, suffixes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name; the one of an ``.npy`` has the empty name."""
    if path.suffix not in suffixes:
        raise BadInput("not a kind of file that is read here", file=path, expected=" or ".join(suffixes))
    if not path.is_file():
        raise BadInput("there is no such file", file=path)
    if path.suffix == ".mat":
        return _matlab(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if "pickle" in str(error).lower() and _is_array_file(path):
            raise BadInput("it holds Python objects, which are refused; store a numeric array", file=path) from error
        raise BadInput(f"not a readable {path.suffix} file", file=path) from error


def _is_array_file(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(6) in (b"\x93NUMPY",) or zipfile.is_zipfile(path)


def _matlab(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat
    from scipy.sparse import issparse

    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise BadInput("a MATLAB 7.3 file is not read; store it with -v7 or as .npy", file=path) from error
    except Exception as error:  # scipy raises many types on a damaged file
        raise BadInput("not a readable .mat file", file=path) from error
    arrays = {name: value for name, value in content.items() if not name.startswith("__")}
    return {name: value.toarray() if issparse(value) else np.asarray(value) for name, value in arrays.items()}


def _no_nan(path: Path, values: np.ndarray, what: str, key: str | None = None) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput(f"{what} hold NaN or infinity", file=path, key=key)


def _first(values: np.ndarray, where: np.ndarray) -> Any:
    return values[where].flat[0].item()


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(sorted(name or "an unnamed array" for name in arrays)) or "nothing"
