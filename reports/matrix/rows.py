"""What the matrix is made of: a group for each content of a dataset, its rows, and the holes in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmark.records.expected import ExpectedCell
from benchmark.records.options import TEST, RunOptions
from benchmark.records.record import Data, Identity, Record, options_of
from reports.drawing import style

NO_RECORD = "no record: this cell was not run"


def as_text(value: Any) -> str:
    """Return a text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, default=str)


def alike(identity: Identity) -> str:
    """Return a text that two cells share if they differ at most in bits, seed, and what moves no number."""
    options = options_of(identity).key_parts()
    unknown = identity.model_extra
    return as_text([identity.method, identity.variant, identity.config, identity.budget, options, unknown])


@dataclass
class Row:
    """One line of a table: records that may be averaged, as they differ in bits and seed only.

    ``identity`` is that of one of its cells; its bits and seed say nothing. ``expected`` holds planned cells by
    (bits, seed).
    """

    identity: Identity
    title: str
    protocols: Mapping[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    expected: dict[tuple[int, int], ExpectedCell] = field(default_factory=dict)
    label: str = ""
    slug: str = ""
    sibling: int = 0

    @cached_property
    def alike(self) -> str:
        """Return what all cells of the row share, as text."""
        return alike(self.identity)

    @cached_property
    def options(self) -> RunOptions:
        """Return the options that all cells of the row have."""
        return options_of(self.identity)

    @property
    def method(self) -> str:
        """Return the name of the method."""
        return self.identity.method

    @property
    def variant(self) -> str:
        """Return the name of the variant."""
        return self.identity.variant

    @property
    def named_variant(self) -> str:
        """Return the name of the variant, or nothing where the method has only one."""
        return self.identity.named_variant

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the resolved configuration."""
        return self.identity.config

    @property
    def budget(self) -> Mapping[str, Any]:
        """Return what limits training."""
        return self.identity.budget

    @property
    def precision(self) -> str:
        """Return the precision of matrix products."""
        return self.options.precision

    @property
    def selection(self) -> str:
        """Return whose weights the numbers are of."""
        return self.options.selection

    @property
    def compiled(self) -> bool:
        """Return whether the training step was compiled."""
        return self.options.compiled

    @property
    def selected_on_test(self) -> bool:
        """Return whether the epoch was chosen on the test queries: such a row competes with no other."""
        return self.selection == TEST

    def done(self, bits: int) -> list[Record]:
        """Return the finished records of a code length, by seed."""
        return sorted((r for r in self.records if r.identity.bits == bits), key=lambda r: (r.identity.seed, r.key))

    def failed(self, bits: int) -> list[Record]:
        """Return the failures of a code length, by seed."""
        return sorted((r for r in self.failures if r.identity.bits == bits), key=lambda r: (r.identity.seed, r.key))

    @property
    def budgeted(self) -> bool:
        """Return whether a budget shaped the row's numbers: it has no effect on a method that trains in no stages."""
        return bool(self.budget) and (not self.records or any(r.training.stages for r in self.records))

    @property
    def all(self) -> list[Record]:
        """Return every record of the row, by bits and seed."""
        return sorted([*self.records, *self.failures], key=lambda r: (r.identity.bits, r.identity.seed, r.key))


@dataclass(frozen=True)
class Hole:
    """Cells that have no record, and the command that fills them."""

    group: str
    label: str
    bits: tuple[int, ...]
    seeds: tuple[int, ...]
    reason: str
    command: str


@dataclass
class Group:
    """One dataset as the records saw it; another content (fingerprint) of the same name is another group.

    ``argument`` names the dataset on the command line. ``stale`` are keys of records that other code made than today's.
    """

    name: str
    title: str
    fingerprint: str
    data: Data | None = None
    argument: str = ""
    label: str = ""
    slug: str = ""
    rows: list[Row] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)

    def anchor(self, record: Record) -> str:
        """Return the id of a record on the page, made of dataset and key: datasets of equal content share keys."""
        return f"r-{self.slug}-{record.key}"

    @property
    def drawn(self) -> int | None:
        """Return how many training videos were drawn from the dataset, None where it is whole."""
        sizes = (row.identity.subset for row in self.rows)
        return next((size for size in sizes if size is not None), None)

    @property
    def bits(self) -> list[int]:
        """Return the code lengths that any row has or that are planned."""
        lengths = {r.identity.bits for row in self.rows for r in row.all}
        return sorted(lengths | {bits for row in self.rows for bits, _ in row.expected})

    @property
    def seeds(self) -> list[int]:
        """Return the seeds that any row has or that are planned."""
        numbers = {r.identity.seed for row in self.rows for r in row.all}
        return sorted(numbers | {seed for row in self.rows for _, seed in row.expected})

    @property
    def presets(self) -> list[str]:
        """Return the protocol presets of the records: field, strict, then others by name."""
        return style.preset_order({name for row in self.rows for record in row.records for name in record.metrics})
