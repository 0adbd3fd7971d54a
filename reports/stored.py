"""What lies beside the records: packed codes, the average precision of every query, and the facts of the datasets."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark import facts, robustness_file
from benchmark.code_file import read_codes
from benchmark.evaluation.hamming import Codes
from benchmark.facts import Facts
from benchmark.record import CODES, QUERIES, Record
from benchmark.robustness_file import AGREE, Robustness
from reports.matrix.rows import Group

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass
class Stored:
    """Files of a results folder; each is read when it is asked for, and None stands for what is absent or damaged."""

    results: Path
    folders: Mapping[str, Path]
    _facts: dict[tuple[str, str], Facts | None] = field(default_factory=dict)

    def codes(self, record: Record) -> dict[str, Codes] | None:
        """Return the cell's codes of ``database`` and ``query``."""
        place = self.folders.get(record.key)
        if place is None:
            return None
        try:
            found = read_codes(place / CODES)
        except UNREADABLE:
            return None
        return found if {"database", "query"} <= set(found) else None

    def precisions(self, record: Record, preset: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the cut-offs (K,) int64 and the AP of every query, (queries, K + 1) float64, last at full depth."""
        place = self.folders.get(record.key)
        if place is None:
            return None
        try:
            with np.load(place / QUERIES, allow_pickle=False) as stored:
                cuts, table = np.array(stored["k"]), np.array(stored[f"ap_{preset}"], np.float64)
        except UNREADABLE:
            return None
        return (cuts, table) if table.ndim == 2 and table.shape[1] == len(cuts) + 1 else None

    def robustness(self, record: Record) -> Robustness | str:
        """Return what was measured of a record's perturbed queries, or why there is nothing that belongs to it."""
        place = self.folders.get(record.key)
        found = robustness_file.read(place, record.key) if place else "its folder is not known"
        if isinstance(found, str):
            return found
        for preset, measured in record.metrics.items():
            for name, value in found.clean.get(preset, {"map": float("nan")}).items():
                known = measured.metrics.get(name)
                if not isinstance(known, (int, float)) or not abs(known - value) <= AGREE:
                    return f"{robustness_file.FILE} is of codes that were replaced since"
        return found

    def perturbed_precisions(self, record: Record, found: Robustness, preset: str) -> np.ndarray | None:
        """Return AP of every query, (queries, 1 + conditions) float64, clean first; None where it is not at hand."""
        table = robustness_file.read_precisions(self.folders[record.key], found, preset)
        return None if isinstance(table, str) else table

    def facts(self, group: Group) -> Facts | None:
        """Return names and labels of a group's dataset."""
        key = group.name, group.fingerprint
        if key not in self._facts:
            self._facts[key] = facts.read(self.results, *key) if group.fingerprint else None
        return self._facts[key]
