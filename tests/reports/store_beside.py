"""Writes what a run leaves beside its records: codes, the AP of every query, and the facts of the dataset."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
from PIL import Image

from benchmark import facts, record
from benchmark.code_file import save_arrays, write_codes
from benchmark.evaluation.hamming import pack

KS = np.array([5, 20, 100])


def folder_of(results, item):
    identity = item.identity
    return record.cell_folder(results, identity.dataset, identity.method, identity.bits, identity.seed, item.key)


def keep_facts(results, item, labels, classes=None, self_retrieval=False):
    """Write the facts of a record's dataset; ``labels``: split -> multi-hot ``(videos, classes)``."""
    names = tuple(classes or (f"class {n}" for n in range(1, labels["query"].shape[1] + 1)))
    dataset = SimpleNamespace(
        name=item.identity.dataset, title=item.identity.dataset_title, source="made up", classes=names,
        fingerprint=item.data.fingerprint, self_retrieval=self_retrieval, labels=labels.__getitem__,
    )  # fmt: skip
    return facts.keep(results, dataset, item.identity.dataset)


def put_beside(results, item, database, query, ap5):
    """Write codes from values ``(videos, bits)``, and queries' AP with ``ap5`` ``(queries,)`` at the cut 5."""
    folder = folder_of(results, item)
    write_codes(folder / record.CODES, {"database": pack(database), "query": pack(query)})
    table = np.repeat(np.asarray(ap5, np.float64)[:, None], len(KS) + 1, axis=1)
    table[:, 1:] *= 0.5
    save_arrays(folder / record.QUERIES, {"k": KS, "ap_field": table, "ap_strict": table})
    return folder


def png(number, size=(30, 12), kind="PNG"):
    """Return a small picture of which no two numbers give the same."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()
