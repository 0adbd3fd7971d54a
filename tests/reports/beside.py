"""What a run leaves beside its records, made up: codes and the facts of a dataset."""

import numpy as np

from benchmark import facts as dataset_facts
from benchmark.atomic import write_json
from benchmark.code_file import save_arrays, write_codes
from benchmark.evaluation.hamming import pack
from benchmark.record import CODES, cell_folder


def codes(root, record, values_database, values_query):
    """Write a cell's codes, given as (n, bits) values, and return their path."""
    at = record.identity
    path = cell_folder(root, at.dataset, at.method, at.bits, at.seed, record.key) / CODES
    path.parent.mkdir(parents=True, exist_ok=True)
    write_codes(path, {"database": pack(values_database), "query": pack(values_query)})
    return path


def facts(root, record, labels, classes):
    """Write the facts of a record's dataset; ``labels``: (videos, classes) multi-hot, or of both splits by name."""
    labels = labels if isinstance(labels, dict) else {"database": labels, "query": labels}
    name, fingerprint = record.identity.dataset, record.data.fingerprint
    place = dataset_facts.folder(root, name, fingerprint)
    arrays = {split: np.packbits(np.asarray(table, bool), axis=1) for split, table in labels.items()}
    save_arrays(place / dataset_facts.LABELS, {**arrays, "classes": np.array(len(classes))})
    known = {"name": name, "title": name, "source": "", "fingerprint": fingerprint, "argument": name}
    write_json(place / dataset_facts.FACTS, {**known, "classes": list(classes), "self_retrieval": False})
    return place
