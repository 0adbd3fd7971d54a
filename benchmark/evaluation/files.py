"""Codes and labels made elsewhere: read without unpickling, checked, evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BadInput
from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.hamming import MAX_BITS, WORD, Codes, full_mask, pack
from benchmark.evaluation.protocol import FIELD, KS, PRESETS, Denominator, SelfMatch, Ties
from benchmark.files.arrays import read_arrays
from benchmark.files.labels import mixed_kinds, read_labels

File = str | Path

_UNPACK = (
    "if these are packed bits: np.unpackbits(codes.view(np.uint8), axis=1), or an .npz with packed (uint64) and bits"
)


def load_codes(path: File) -> Codes:
    """Read codes from ``.npy``, or ``.npz`` with ``codes``, or with ``packed``, ``bits`` (and ``nonzero``: preferred).

    codes: (n, bits) of -1 and +1; of -1, 0 and +1, where 0 is a value whose sign vanished; or of 0 and 1
    alone, where 0 stands for -1. Raises BadInput for anything else.
    """
    path = Path(path)
    arrays = read_arrays(path, formats=(".npy", ".npz"))
    ternary = {"packed", "bits", "nonzero"} <= arrays.keys()
    if ("codes" in arrays or "" in arrays) and not ternary:
        return _codes(path, arrays.get("codes", arrays.get("")), "codes" if "codes" in arrays else None)
    if "packed" in arrays and "bits" in arrays:
        return _packed(path, arrays)
    raise BadInput("no codes in the file", file=path, expected="key codes, or packed and bits", found=_names(arrays))


def evaluate_files(
    query_codes: File | None,
    database_codes: File,
    query_labels: File | None,
    database_labels: File,
    *,
    self_retrieval: bool = False,
    preset: str = FIELD,
    denominator: Denominator | None = None,
    ties: Ties | None = None,
    self_match: SelfMatch | None = None,
    ks: Sequence[int] = KS,
) -> dict[str, Any]:
    """Evaluate files; return ``protocol``, ``n_query``, ``n_database``, ``bits`` and ``metrics`` for JSON.

    With ``self_retrieval`` the database is its own query set and the query paths are None. Options that are
    given replace those of the preset. Raises BadInput, naming the file, for whatever does not fit.
    """
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
    """Return the codes and labels of queries or database; raises BadInput where their numbers differ."""
    codes = load_codes(codes_path)
    return codes, read_labels(Path(labels_path), codes.n, str(codes_path))


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
        pair = (query_labels, database_labels) if of_query.ndim == 1 else (database_labels, query_labels)
        raise mixed_kinds(*pair)
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
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("codes hold NaN or infinity", file=path, key=key)
    values = values.astype(np.int8) if values.dtype.kind == "b" else values
    wrong = (values != 1) & (values != -1) & (values != 0)
    if wrong.any():
        raise BadInput(
            "codes hold another value",
            file=path,
            key=key,
            expected="-1, 0 and +1 only",
            found=_first(values, wrong),
            next_step=_UNPACK if values.dtype.kind in "iu" else None,
        )
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


def _first(values: np.ndarray, where: np.ndarray) -> Any:
    return values[where].flat[0].item()


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(sorted(name or "an unnamed array" for name in arrays)) or "nothing"
