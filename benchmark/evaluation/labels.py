"""Labels as an index from classes to rows: relevant to a query is what shares at least one class with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmark.errors import BadInput


class Relevance(NamedTuple):
    """Classes of each query and rows of each class, both as compressed rows of int64.

    Query q has the classes ``query_classes[query_start[q]:query_start[q + 1]]``; class c has the ascending
    database rows ``class_rows[class_start[c]:class_start[c + 1]]``.
    """

    query_start: np.ndarray
    query_classes: np.ndarray
    class_start: np.ndarray
    class_rows: np.ndarray


def relevance(query_labels: np.ndarray, database_labels: np.ndarray) -> Relevance:
    """Index labels: multi-hot (n, classes) 0/1, or (n,) integer class ids, the same on both sides.

    Raises BadInput for other shapes, other values, or a different number of classes.
    """
    query, database = _checked(query_labels, "query"), _checked(database_labels, "database")
    if query.ndim != database.ndim:
        raise BadInput("query and database labels must both be multi-hot or both be class ids")
    if query.ndim == 1:
        return _from_ids(query, database)
    if query.shape[1] != database.shape[1]:
        raise BadInput(
            "query and database labels differ in their number of classes",
            found=f"{query.shape[1]} and {database.shape[1]}",
        )
    query_rows, query_classes = np.nonzero(query)
    classes, class_rows = np.nonzero(np.ascontiguousarray(database.T))
    return Relevance(
        _starts(query_rows, len(query)),
        query_classes.astype(np.int64),
        _starts(classes, database.shape[1]),
        class_rows.astype(np.int64),
    )


def relevance_matrix(query_labels: np.ndarray, database_labels: np.ndarray) -> np.ndarray:
    """Return the (query, database) bool matrix: the plain reference."""
    query, database = np.asarray(query_labels), np.asarray(database_labels)
    if query.ndim == 1:
        return query[:, None] == database[None]
    return query.astype(np.float32) @ database.astype(np.float32).T > 0


def _from_ids(query: np.ndarray, database: np.ndarray) -> Relevance:
    classes, ids = np.unique(np.concatenate([query, database]), return_inverse=True)
    query_ids, database_ids = ids[: len(query)], ids[len(query) :]
    order = np.argsort(database_ids, kind="stable")
    return Relevance(
        np.arange(len(query) + 1, dtype=np.int64),
        query_ids.astype(np.int64),
        _starts(database_ids, len(classes)),
        order.astype(np.int64),
    )


def _starts(members: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(members, minlength=n))]).astype(np.int64)


def _checked(labels: np.ndarray, side: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels
    if labels.ndim != 2:
        raise BadInput(
            f"{side} labels have an unusable shape or type",
            expected="(n, classes) of 0 and 1, or (n,) integer class ids",
            found=f"{labels.shape} {labels.dtype}",
        )
    if labels.dtype.kind != "b":
        wrong = labels[(labels != 0) & (labels != 1)]
        if wrong.size:
            raise BadInput(f"{side} labels are not multi-hot", expected="0 and 1 only", found=wrong.flat[0])
    return labels
