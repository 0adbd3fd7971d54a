"""One cell of the matrix, its part of the key, and what its record says that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.catalogue.choice import Choice, changed_settings
from benchmark.cells import validation
from benchmark.records import record
from benchmark.records.options import VALIDATION, RunOptions

if TYPE_CHECKING:
    from benchmark.evaluation.protocol import Protocol
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import MethodConfig


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the matrix. ``skip`` is why it cannot run, if it cannot."""

    choice: Choice
    dataset: Dataset
    dataset_argument: str
    bits: int
    seed: int
    config: MethodConfig
    protocols: Mapping[str, Protocol]
    key: str
    skip: str | None = None
    options: RunOptions = field(default_factory=RunOptions)

    def folder(self, root: Path) -> Path:
        """Return where the cell's record lies."""
        return record.cell_folder(root, self.dataset.name, self.choice.name, self.bits, self.seed, self.key)

    def label(self) -> str:
        """Return the cell in words, for lines and messages."""
        name = self.choice.name + self.choice.suffix(":{}")
        words = [f"{name} on {self.dataset.name}", f"{self.bits} bits", f"seed {self.seed}"]
        return ", ".join([*words, *self.options.label_words()])


def option_parts(dataset: Dataset, options: RunOptions) -> dict[str, Any]:
    """Return what options add to a cell's key; raises BadInput where the training set is too small to select on."""
    parts = options.key_parts()
    if options.selection == VALIDATION:
        parts["selection"]["slice"] = validation.carve(dataset).digest
    return parts


def identity(cell: Cell) -> record.Identity:
    """Return what the cell is, for its record."""
    return record.Identity(
        method=cell.choice.name,
        method_title=cell.choice.cls.title,
        variant=cell.choice.variant,
        dataset=cell.dataset.name,
        dataset_title=cell.dataset.title,
        bits=cell.bits,
        seed=cell.seed,
        config=cell.config.model_dump(mode="json"),
        settings=changed_settings(cell.choice, cell.dataset.name, cell.config),
        **cell.options.identity_fields(),
    )


def describe_data(cell: Cell) -> record.Data:
    """Return the data that the cell saw, for its record."""
    dataset = cell.dataset
    splits = {name: dataset.split(name) for name in ("train", "database", "query")}
    labels = dataset.labels("database")
    return record.Data(
        fingerprint=dataset.fingerprint,
        subset=dataset.subset(),
        classes=labels.shape[1],
        multi_label=bool((labels.sum(axis=1) > 1).any()),
        self_retrieval=dataset.self_retrieval,
        splits={
            name: record.SplitInfo(
                n=len(videos),
                frames=videos.shape.frames,
                dim=videos.shape.dim,
                fingerprint=videos.fingerprint,
                official=dataset.official.get(name),
            )
            for name, videos in splits.items()
        },
    )
