"""What a check runs, from ``check.toml`` beside the baselines: the engine names no dataset and no method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method
from benchmark.cells import plan
from benchmark.cells.cell import Cell
from benchmark.data.subset import SubsetDataset, sized_part
from benchmark.errors import BadInput
from benchmark.files.toml import read_toml
from benchmark.interfaces.dataset import Dataset
from benchmark.paths import Roots
from benchmark.records.options import RunOptions

FILE = "check.toml"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sizes(_Closed):
    """Videos drawn from each split; a smaller split is taken whole."""

    train: int = Field(ge=2)
    database: int = Field(ge=2)
    query: int = Field(ge=1)


class Plan(_Closed):
    """One check. ``dataset`` is written as for ``run``; ``settings`` are those of methods, as ``[set.METHOD]``."""

    dataset: str
    bits: tuple[int, ...] = Field(min_length=1)
    seed: int = Field(ge=0)
    epochs: int = Field(ge=1)
    part: Sizes
    settings: dict[str, dict[str, Any]] = Field(default={}, alias="set")

    def described(self) -> dict[str, Any]:
        """Return what is common to all baselines, as plain data; settings stand in each method's configuration."""
        return self.model_dump(mode="json", exclude={"settings"})

    def open(self, roots: Roots) -> SubsetDataset:
        """Return the part of the dataset."""
        return sized_part(registry.open_dataset(self.dataset, roots), self.part.model_dump(), self.seed)

    def cell(self, dataset: Dataset, method: str, bits: int, seed: int, precision: str) -> Cell:
        """Return one cell on the opened part; raises BadInput where the method cannot be imported or configured."""
        choice = choose_method(method)
        settings = {method: self.settings[method]} if method in self.settings else {}
        opened, options = [(self.dataset, dataset)], RunOptions(epochs=self.epochs)
        return plan.cells([choice], opened, [bits], [seed], settings, options, lambda cls: precision)[0]


def read(folder: Path) -> Plan:
    """Read ``check.toml`` of a folder of baselines; raises BadInput where it is missing or wrong."""
    path = folder / FILE
    if not path.exists():
        raise BadInput(
            "says what a check runs, and is missing", file=path, next_step="copy that of results/baselines and adapt it"
        )
    try:
        checked = Plan.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(first["msg"], file=path, key=key, found=repr(first["input"])) from error
    plan.check_numbers(checked.bits, [checked.seed])
    for method in checked.settings:
        registry.method_entry(method)
    return checked
