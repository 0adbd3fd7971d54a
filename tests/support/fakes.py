"""Made-up records with the shape of real ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from benchmark.records import record
from benchmark.records.store import write

KS = (5, 10, 20, 40, 60, 80, 100)
METHODS = {"conmh": ("ConMH", 0.62), "itq": ("ITQ", 0.51), "lsh": ("LSH", 0.38), "sh": ("SH", 0.44)}
TITLES = {"ucf101": "UCF101", "moving_digits": "Moving digits"}
PROTOCOLS = {
    "field": {"denominator": "k", "self_match": "include", "ties": "index", "zeros": "ternary"},
    "strict": {"denominator": "min", "self_match": "exclude", "ties": "expected", "zeros": "positive"},
}


def metrics(level, bits, n=500):
    """Metrics of one preset: mAP falls with K, curves fall with rank."""
    ranks = np.union1d(np.arange(1, 101), np.rint(np.geomspace(100, n, 101)).astype(int))
    depth = ranks / n
    held = {}
    for k in KS:
        held |= {f"map@{k}": level - 0.0011 * k, f"ceiling@{k}": min(1.0, 62 / k)}
        held |= {f"precision@{k}": level - 0.001 * k, f"recall@{k}": k / n}
    held |= {"map": level * 0.2, "ceiling": 0.124, "precision@radius2": level * 0.7, "queries_without_relevant": 0}
    recall = np.minimum(depth, 1) ** (1 - 0.8 * level)
    precision = 0.12 + (level - 0.12) * (1 - recall) ** 0.6
    held["pr_rank"] = {"rank": ranks.tolist(), "precision": precision.tolist(), "recall": recall.tolist()}
    share = np.linspace(0, 1, bits + 1) ** (2.5 - level)
    wave = (0.12 + (level - 0.1) * (1 - share) ** 0.8).tolist()
    columns = {
        "precision_micro": wave,
        "precision_macro": wave,
        "recall_micro": share.tolist(),
        "recall_macro": share.tolist(),
    }
    held["pr_radius"] = {"radius": list(range(bits + 1)), **columns}
    return held


def make(method="conmh", dataset="ucf101", bits=64, seed=0, *, level=None, failed="", **changes):
    """Return a record; ``changes`` replaces parts of its identity (title, variant, config, budget) or its data."""
    title, base = METHODS.get(method, (method, 0.4))
    rng = np.random.default_rng([*method.encode(), *dataset.encode(), bits, seed])
    level = base + 0.02 * np.log2(bits / 16) + 0.012 * rng.normal() if level is None else level
    config = changes.get("config", {"epochs": 40, "mask_ratio": 0.5} if method == "conmh" else {"iterations": 50})
    budget, variant = changes.get("budget", {}), changes.get("variant", "default")
    fingerprint = changes.get("fingerprint", f"{dataset}-0123456789abcdef")
    name = repr(
        (method, dataset, bits, seed, sorted(config.items()), sorted(budget.items()), fingerprint, sorted(changes))
    )
    epochs = budget.get("epochs", 40)
    stage = {"name": "main", "epochs": epochs, "steps": epochs * 6, "seconds": 31.5, "losses": {"total": [2.5, 0.71]}}
    splits = {
        "train": {"n": 755, "frames": 25, "dim": 4096, "fingerprint": "aa11", "official": 9537},
        "database": {"n": 755, "frames": 25, "dim": 4096, "fingerprint": "aa11", "official": 9537},
        "query": {"n": 299, "frames": 25, "dim": 4096, "fingerprint": "bb22", "official": 3783},
    }
    if dataset != "ucf101":
        splits = {key: {**value, "official": None} for key, value in splits.items()}
    trained = method == "conmh"
    failure = record.Failure(phase="fit", type="RuntimeError", message=failed, traceback="") if failed else None
    return record.Record(
        status="failed" if failed else "done",
        key=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
        identity=record.Identity(
            method=method,
            method_title=changes.get("title", title),
            variant=variant,
            dataset=dataset,
            dataset_title=changes.get("dataset_title", TITLES.get(dataset, dataset)),
            bits=bits,
            seed=seed,
            config=config,
            budget=budget,
        ),
        data=record.Data(
            fingerprint=fingerprint,
            subset=dataset == "ucf101",
            classes=8,
            multi_label=False,
            self_retrieval=False,
            splits={key: record.SplitInfo(**value) for key, value in splits.items()},
        ),
        code={"version": "0.1.0", "commit": "5106cc6f" * 5, "dirty": False, "digest": "d1"},
        environment={"python": "3.11.9", "device": "cpu", "packages": {"torch": "2.13.0", "numpy": "2.4.0"}},
        command=f"python -m benchmark run --methods {method} --datasets {dataset} --bits 16 32 64 --seeds 0 1",
        rerun=f"python -m benchmark run --methods {method}:{variant} --datasets {dataset} --bits {bits} --seeds {seed}",
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
        training=record.Training(stages=[stage] if trained else [], parameters=1_234_567 if trained else 0),
        timing={"prepare": 0.01, "fit": 31.7, "encode": 0.4, "evaluate": 0.02, "encode_videos_per_second": 2635.25},
        peak_memory_bytes=734_003_200,
        metrics={} if failed else {
            name: record.Measured(protocol=protocol, metrics=metrics(level + 0.03 * (name == "strict"), bits))
            for name, protocol in PROTOCOLS.items()
        },
        diagnostics={} if failed else {"bit_balance": 0.0312, "distinct_codes": 702, "zero_share": 0.0},
        failure=failure,
    )  # fmt: skip


def store(root: Path, *records: record.Record) -> Path:
    """Write records where the engine would, and return the results root."""
    root.mkdir(parents=True, exist_ok=True)
    for item in records:
        identity = item.identity
        folder = record.cell_folder(root, identity.dataset, identity.method, identity.bits, identity.seed, item.key)
        write(folder, item)
    return root


def full_matrix():
    """4 methods x 3 bits x 2 seeds x 2 datasets."""
    return [
        make(method, dataset, bits, seed)
        for dataset in ("ucf101", "moving_digits")
        for method in METHODS
        for bits in (16, 32, 64)
        for seed in (0, 1)
    ]
