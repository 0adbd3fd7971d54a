"""What one measurement is: a method, its settings, a size, and where it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method, resolve_config
from benchmark.errors import BadInput
from benchmark.interfaces.dataset import Dataset, Scalable
from benchmark.paths import Roots

if TYPE_CHECKING:
    from benchmark.interfaces.method import MethodConfig

TRAIN, DATABASE, QUERIES = 409_788, 101_256, 1000
"""Videos of the largest dataset of the field: the database is in this proportion, the queries are so many at most."""


@dataclass(frozen=True)
class Task:
    """One measurement; ``dataset`` and ``settings`` as on the command line, ``device`` and ``precision`` resolved."""

    method: str
    size: int
    dataset: str
    dim: int
    bits: int
    device: str
    precision: str
    steps: int
    preset: str | None
    settings: Mapping[str, str]
    roots: Roots

    @property
    def database(self) -> int:
        """Return the videos in the database."""
        return max(2, round(self.size * DATABASE / TRAIN))

    @property
    def query(self) -> int:
        """Return the queries."""
        return min(QUERIES, self.database)

    def config(self) -> MethodConfig:
        """Return the method's configuration; raises BadInput where a setting is not usable."""
        preset = self.preset or self.dataset.partition(":")[0]
        return resolve_config(choose_method(self.method), preset, self.settings)

    def open(self) -> Dataset:
        """Return the data of this size; raises BadInput where an option is not usable."""
        name, colon, tail = self.dataset.partition(":")
        sizes = scalable(name).size_options(train=self.size, database=self.database, query=self.query, dim=self.dim)
        for part in tail.split(","):
            if part.partition("=")[0].strip() in sizes:
                raise BadInput(f"--dataset {self.dataset}: '{part}' is chosen by --sizes and --dim")
        options = [tail] * bool(colon) + [f"{key}={value}" for key, value in sizes.items()]
        return registry.open_dataset(f"{name}:{','.join(options)}", self.roots)

    def check(self) -> None:
        """Raise BadInput where the method cannot run with these sizes or settings."""
        cls = choose_method(self.method).cls
        reason = cls.unsupported(self.bits, self.open().shape, self.config())
        if reason:
            raise BadInput(f"method '{self.method}' cannot be measured: {reason}")

    def identity(self) -> dict[str, Any]:
        """Return all that says which measurement this is, as plain data."""
        import torch

        choice = choose_method(self.method)
        device = torch.device(self.device)
        return {
            "method": choice.name,
            "title": choice.cls.title,
            "variant": choice.variant,
            "label": choice.cls.title + choice.suffix(" ({})"),
            "config": self.config().model_dump(mode="json"),
            "dataset": self.dataset,
            "frames": self.open().shape.frames,
            "dim": self.dim,
            "train": self.size,
            "database": self.database,
            "query": self.query,
            "bits": self.bits,
            "device": self.device if device.type == "cpu" else torch.cuda.get_device_name(device),
            "threads": torch.get_num_threads(),
            "precision": self.precision,
            "steps": self.steps,
        }


def scalable(name: str) -> type[Scalable]:
    """Return the class of a dataset that can be made in any size; raises BadInput where it cannot."""
    cls = registry.load_dataset_class(name)
    if not issubclass(cls, Scalable):
        names = ", ".join(_scalable_names()) or "none is here"
        raise BadInput(f"dataset '{name}' has one size only; 'scale' needs one that can be made in any size: {names}")
    return cls


def default_dataset() -> str:
    """Return the name of the first dataset that can be made in any size."""
    names = _scalable_names()
    if not names:
        raise BadInput("no dataset of the checkout can be made in any size")
    return names[0]


def _scalable_names() -> list[str]:
    return [
        name
        for name, state in registry.states("datasets")
        if not isinstance(state, BadInput) and issubclass(state, Scalable)
    ]
