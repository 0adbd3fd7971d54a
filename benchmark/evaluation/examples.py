"""Which queries the gallery shows: chosen by a stated rule, failures among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.evaluation.hamming import Codes, nearest

COUNT, TOP = 9, 5
RULE = f"{COUNT} queries at evenly spaced ranks of AP@5, from the best to the worst; ties by query row"


def choose_examples(
    codes: Mapping[str, Codes], labels: Mapping[str, np.ndarray], ap: np.ndarray, self_retrieval: bool
) -> list[dict[str, Any]]:
    """Return query rows with their five nearest database rows, stable by row, the query itself left out.

    ``ap`` is (n_query, n_K) float64 with AP@5 in its first column; distances are Hamming distances in bits.
    """
    order = np.argsort(-ap[:, 0], kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(COUNT, len(order))).astype(int)]
    query = codes["query"]
    part = Codes(query.packed[chosen], None if query.nonzero is None else query.nonzero[chosen], query.bits)
    rows, distances = nearest(part, codes["database"], TOP + self_retrieval)
    examples = []
    for row, neighbours, distance in zip(chosen.tolist(), rows.tolist(), distances.tolist(), strict=True):
        results = [
            {
                "row": item,
                "distance": away,
                "labels": np.flatnonzero(labels["database"][item]).tolist(),
                "relevant": bool((labels["query"][row] & labels["database"][item]).any()),
            }
            for item, away in zip(neighbours, distance, strict=True)
            if not (self_retrieval and item == row)
        ]
        examples.append(
            {
                "query": row,
                "labels": np.flatnonzero(labels["query"][row]).tolist(),
                "ap@5": float(ap[row, 0]),
                "results": results[:TOP],
            }
        )
    return examples
