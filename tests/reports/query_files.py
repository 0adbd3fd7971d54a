"""Per-query files beside made-up records, as the engine writes them."""

from __future__ import annotations

import numpy as np

from benchmark import record
from benchmark.code_file import save_arrays
from tests.reports.fakes import KS, make, store


def precisions(method, bits, seed, n=40, columns=8):
    """AP of every query, higher for longer names of methods; queries are alike easy for all methods."""
    easy = np.random.default_rng(n).beta(0.8, 1.2, (n, 1))
    rng = np.random.default_rng([*method.encode(), bits, seed])
    return np.clip(0.7 * easy + 0.05 * len(method) + 0.05 * rng.normal(size=(n, columns)), 0, 1)


def folder(root, item):
    """Return where a record lies."""
    identity = item.identity
    return record.cell_folder(root, identity.dataset, identity.method, identity.bits, identity.seed, item.key)


def measured(method="conmh", bits=16, seed=0, *, n=40, table=None, **changes):
    """Return a record whose mAP is the mean of its AP, and what its per-query file holds."""
    item = make(method, bits=bits, seed=seed, **changes)
    arrays = {"k": np.array(KS)}
    for preset, shift in (("field", 0.0), ("strict", 0.01)):
        held = (precisions(method, bits, seed, n) if table is None else table) + shift
        arrays[f"ap_{preset}"] = held
        names = [*(f"map@{k}" for k in KS), "map"]
        item.metrics[preset].metrics |= dict(zip(names, held.mean(axis=0).tolist(), strict=True))
    return item, arrays


def put(root, *pairs):
    """Store records with their per-query files and return the results root."""
    for item, arrays in pairs:
        store(root, item)
        save_arrays(folder(root, item) / record.QUERIES, arrays)
    return root
