"""What a run leaves beside its records, made up: codes, the AP of every query, and the facts of a dataset."""

from __future__ import annotations

import io
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmark.evaluation.hamming import pack
from benchmark.files.arrays import save_arrays
from benchmark.records import facts, record, robustness
from benchmark.records.code_file import write_codes
from tests.support.fakes import KS, make, store

FEW = np.array([5, 20, 100])


@contextmanager
def without_pdf():
    """Write no PDF figures: they take most of a page's time, and some tests only look at the page."""
    from matplotlib.figure import Figure

    whole = Figure.savefig

    def savefig(figure, target, **options):
        target.write(b"%PDF-") if options.get("format") == "pdf" else whole(figure, target, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield patch


def folder_of(results, item):
    """Return where a record lies."""
    identity = item.identity
    return record.cell_folder(results, identity.dataset, identity.method, identity.bits, identity.seed, item.key)


def codes(results, item, database, query):
    """Write a cell's codes, given as (n, bits) values, and return their path."""
    path = folder_of(results, item) / record.CODES
    write_codes(path, {"database": pack(database), "query": pack(query)})
    return path


def keep_facts(results, item, labels, classes=None, self_retrieval=False):
    """Write the facts of a record's dataset; ``labels``: multi-hot (videos, classes), or of both splits by name."""
    labels = labels if isinstance(labels, dict) else {"database": labels, "query": labels}
    names = tuple(classes or (f"class {n}" for n in range(1, labels["query"].shape[1] + 1)))
    dataset = SimpleNamespace(
        name=item.identity.dataset, title=item.identity.dataset_title, source="made up", classes=names,
        fingerprint=item.data.fingerprint, drawn=None, self_retrieval=self_retrieval, labels=labels.__getitem__,
    )  # fmt: skip
    return facts.keep(results, dataset, item.identity.dataset)


def put_beside(results, item, database, query, ap5):
    """Write codes from values ``(videos, bits)``, and queries' AP with ``ap5`` ``(queries,)`` at the cut 5."""
    codes(results, item, database, query)
    table = np.repeat(np.asarray(ap5, np.float64)[:, None], len(FEW) + 1, axis=1)
    table[:, 1:] *= 0.5
    folder = folder_of(results, item)
    save_arrays(folder / record.QUERIES, {"k": FEW, "ap_field": table, "ap_strict": table})
    return folder


def png(number, size=(30, 12), kind="PNG"):
    """Return a small picture of which no two numbers give the same."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def precisions(method, bits, seed, n=40, columns=8):
    """AP of every query, higher for longer names of methods; queries are alike easy for all methods."""
    easy = np.random.default_rng(n).beta(0.8, 1.2, (n, 1))
    rng = np.random.default_rng([*method.encode(), bits, seed])
    return np.clip(0.7 * easy + 0.05 * len(method) + 0.05 * rng.normal(size=(n, columns)), 0, 1)


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
        save_arrays(folder_of(root, item) / record.QUERIES, arrays)
    return root


def perturbed(root, item, arrays, slope=0.3):
    """Write a cell's robustness: the AP of every query falls with the strength, by ``slope`` at the last of a grid."""
    at = KS.index(robustness.CUT)
    conditions = robustness.conditions()
    last = {c.perturbation: c.strength for c in conditions}
    shares = [0.0, *(c.strength / last[c.perturbation] * (c.perturbation not in ("shuffle", "reverse"))
                     for c in conditions)]  # fmt: skip
    rng = np.random.default_rng(5)
    names, clean, left, tables = [*(f"map@{k}" for k in KS), "map"], {}, [{} for _ in conditions], {}
    for preset in item.metrics:
        whole = arrays[f"ap_{preset}"]
        clean[preset] = {name: item.metrics[preset].metrics[name] for name in names}
        kept = [whole * (1 - slope * share * rng.uniform(0.5, 1.5, (len(whole), 1))) for share in shares]
        tables[preset] = np.stack([table[:, at] for table in kept], axis=1)
        for place, table in enumerate(kept[1:]):
            left[place][preset] = dict(zip(names, table.mean(axis=0).tolist(), strict=True))
    lost = {name: (table[:, :1] - table[:, 1:]).mean(axis=0).tolist() for name, table in tables.items()}
    found = robustness.Robustness(
        key=item.key, codes="c0", settings=robustness.settings(), clean=clean,
        perturbed=[
            robustness.Perturbed(
                perturbation=c.perturbation, strength=c.strength, map=left[place],
                loss={n: robustness.Loss(mean=v[place], low=v[place], high=v[place]) for n, v in lost.items()},
            )
            for place, c in enumerate(conditions)
        ],
    )  # fmt: skip
    robustness.write(folder_of(root, item), found, tables)
    return found, tables
