"""The ``dataset.toml`` of a compact store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import numpy as np

from benchmark.dataset import SPLITS, Dataset, numbered_classes
from benchmark.dataset_toml import NAME


def declaration(
    dataset: Dataset, owners: Mapping[str, str], labels: Mapping[str, np.ndarray], argument: str, dtype: str
) -> str:
    """Return the text that declares a converted dataset as its source was: name, classes, splits, protocol.

    owners: split -> the split whose feature file it shares. labels: of the splits that have some.
    """
    lines = [f"# made by: python -m benchmark convert --dataset {text(argument)} --dtype {dtype}"]
    if re.match(NAME, dataset.name):
        lines.append(f"name = {text(dataset.name)}")
    lines += [f"title = {text(dataset.title)}", f"source = {text(dataset.source)}"]
    if tuple(dataset.classes) != numbered_classes(len(dataset.classes)):
        lines.append(f"classes = [{', '.join(map(text, dataset.classes))}]")
    shared = _shared(dataset, owners, labels)
    lines += [f'{split} = "{other}"' for split, other in shared.items()]
    for split in SPLITS:
        if split not in shared:
            lines += ["", f"[{split}]", f'features = "{owners[split]}.h5"']
            lines += [f'labels = "{split}.npy"'] if split in labels else []
    lines += _table("official", dataset.official) + _table("protocol", dataset.protocol)
    return "\n".join(lines) + "\n"


def _shared(dataset: Dataset, owners: Mapping[str, str], labels: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the splits that another one stands for altogether, labels included."""
    shared = {"query": "database"} if dataset.self_retrieval else {}
    same = "train" in labels and np.array_equal(labels["train"], labels["database"])
    return {**({"database": "train"} if owners["database"] == "train" and same else {}), **shared}


def _table(name: str, values: Mapping[str, object]) -> list[str]:
    return ["", f"[{name}]", *(f"{key} = {text(value)}" for key, value in values.items())] if values else []


def text(value: object) -> str:
    """Return a string or a number as TOML, which for these is JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
