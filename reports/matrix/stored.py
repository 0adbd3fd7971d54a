"""What lies beside the records: packed codes, the average precision of every query, and the facts of the datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.evaluation.hamming import Codes
from benchmark.files.arrays import Unreadable, read_arrays
from benchmark.records import facts
from benchmark.records import robustness as robustness_file
from benchmark.records.code_file import read_codes
from benchmark.records.facts import Facts
from benchmark.records.record import CODES, QUERIES, Record
from benchmark.records.robustness import AGREE, Robustness
from reports.matrix.rows import Group


@dataclass
class Stored:
    """Files of a results folder, read on demand; None stands for a file that is absent or damaged.

    ``folders``: by the ``place`` of a record, its dataset and key, where it lies.
    """

    results: Path
    folders: Mapping[tuple[str, str], Path]
    _facts: dict[tuple[str, str], Facts | None] = field(default_factory=dict)

    def codes(self, record: Record) -> dict[str, Codes] | None:
        """Return the cell's codes of ``database`` and ``query``."""
        folder = self.folders.get(record.place)
        if folder is None:
            return None
        try:
            codes = read_codes(folder / CODES)
        except Unreadable:
            return None
        return codes if {"database", "query"} <= set(codes) else None

    def precisions(self, record: Record, preset: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the cut-offs (K,) int64 and the AP of every query, (queries, K + 1) float64, last at full depth."""
        folder = self.folders.get(record.place)
        if folder is None:
            return None
        try:
            arrays = read_arrays(folder / QUERIES, ["k", f"ap_{preset}"])
            cuts, table = arrays["k"], np.array(arrays[f"ap_{preset}"], np.float64)
        except (Unreadable, ValueError, TypeError):
            return None
        return (cuts, table) if cuts.ndim == 1 and table.ndim == 2 and table.shape[1] == len(cuts) + 1 else None

    def robustness(self, record: Record) -> Robustness | str:
        """Return what was measured of a record's perturbed queries, or why there is nothing that belongs to it."""
        folder = self.folders.get(record.place)
        robustness = robustness_file.read(folder, record.key) if folder else "its folder is not known"
        if isinstance(robustness, str):
            return robustness
        for preset, measured in record.metrics.items():
            for name, value in robustness.clean.get(preset, {"map": float("nan")}).items():
                recorded = measured.metrics.get(name)
                if not isinstance(recorded, (int, float)) or not abs(recorded - value) <= AGREE:
                    return f"{robustness_file.FILE} is of codes that were replaced since"
        return robustness

    def perturbed_precisions(self, record: Record, robustness: Robustness, preset: str) -> np.ndarray | None:
        """Return AP of every query, (queries, 1 + conditions) float64, clean first; None without a sound file."""
        table = robustness_file.read_precisions(self.folders[record.place], robustness, preset)
        return None if isinstance(table, str) else table

    def facts(self, group: Group) -> Facts | None:
        """Return names and labels of a group's dataset."""
        key = group.name, group.fingerprint
        if key not in self._facts:
            self._facts[key] = facts.read(self.results, *key) if group.fingerprint else None
        return self._facts[key]
