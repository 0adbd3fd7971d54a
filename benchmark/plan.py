"""From flags or TOML to the cells of the matrix: (method, dataset, bits, seed, configuration)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from benchmark import record, registry, validation
from benchmark.errors import BadInput, nearest
from benchmark.evaluation.protocol import PRESETS, Protocol
from benchmark.regime import DEFAULT, Regime

if TYPE_CHECKING:
    from benchmark.dataset import Dataset
    from benchmark.method import Method, MethodConfig

MAX_BITS = 4096


@dataclass(frozen=True)
class Choice:
    """A method with the reading of it that was asked for."""

    name: str
    cls: type[Method]
    variant: str

    def suffix(self, form: str) -> str:
        """Return the variant in a form such as ``" ({})"``, or nothing where the method has only one reading."""
        return "" if self.variant == "default" else form.format(self.variant)


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix. ``skip`` says why it cannot run, if it cannot."""

    choice: Choice
    dataset: Dataset
    dataset_argument: str
    bits: int
    seed: int
    config: MethodConfig
    budget: Mapping[str, Any]
    protocols: Mapping[str, Protocol]
    key: str
    skip: str | None = None
    precision: str = "fp32"
    regime: Regime = DEFAULT

    def folder(self, root: Path) -> Path:
        """Return where the cell's record lies."""
        return record.cell_folder(root, self.dataset.name, self.choice.name, self.bits, self.seed, self.key)

    def label(self) -> str:
        """Return the cell in words, for lines and messages."""
        name = self.choice.name + self.choice.suffix(":{}")
        lowered = [] if self.precision == "fp32" else [self.precision]
        part = [] if self.dataset.drawn is None else [f"subset of {self.dataset.drawn}"]
        where = f"{name} on {self.dataset.name}"
        return ", ".join([where, f"{self.bits} bits", f"seed {self.seed}", *lowered, *part, *self.regime.told()])


def default_variant(cls: type[Method]) -> str:
    """Return the name of the reading that runs when none is asked for."""
    return next(iter(cls.variants))


def choose_method(argument: str) -> Choice:
    """Read ``name`` or ``name:variant``; raises BadInput with the nearest known name."""
    name, _, variant = argument.partition(":")
    cls = registry.load_method(name)
    if variant and variant not in cls.variants:
        raise BadInput(f"method '{name}' has no variant '{variant}'; {nearest(variant, list(cls.variants))}")
    return Choice(name, cls, variant or default_variant(cls))


def read_settings(pairs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read ``--set method.key=value`` into method -> key -> text; raises BadInput on another form."""
    settings: dict[str, dict[str, str]] = {}
    for pair in pairs:
        target, sign, value = pair.partition("=")
        method, dot, key = target.partition(".")
        if not (sign and dot and method and key):
            raise BadInput(f"cannot read --set {pair}", expected="METHOD.KEY=VALUE")
        registry.method_entry(method)
        settings.setdefault(method, {})[key] = value
    return settings


def resolve_config(choice: Choice, dataset_name: str, overrides: Mapping[str, Any]) -> MethodConfig:
    """Return defaults < preset of the dataset < variant < overrides; raises BadInput on an unknown key or bad value."""
    cls = choice.cls
    fields = list(cls.Config.model_fields)
    for key in overrides:
        if key not in fields:
            raise BadInput(f"method '{choice.name}' has no setting '{key}'; {nearest(key, fields)}")
    values = {**cls.presets.get(dataset_name, {}), **cls.variants[choice.variant], **overrides}
    try:
        return cls.Config.model_validate(_parsed(cls.Config, values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise BadInput(
            f"method '{choice.name}', setting '{where}': {first['msg']}", found=repr(first["input"])
        ) from error


def _parsed(config: type[MethodConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the command line's text "none" read as None where a setting may be None."""

    def optional(key: str) -> bool:
        return type(None) in get_args(config.model_fields[key].annotation)

    return {
        key: None if isinstance(value, str) and value.lower() == "none" and optional(key) else value
        for key, value in values.items()
    }


def protocols_of(dataset: Dataset) -> dict[str, Protocol]:
    """Return both presets with the dataset's own overrides."""
    return {name: preset.model_copy(update=dict(dataset.protocol)) for name, preset in PRESETS.items()}


def cells(
    choices: Sequence[Choice],
    datasets: Sequence[tuple[str, Dataset]],
    bits: Sequence[int],
    seeds: Sequence[int],
    settings: Mapping[str, Mapping[str, Any]],
    epochs: int | None,
    precision_of: Callable[[type[Method]], str] = lambda method: "fp32",
    regime: Regime = DEFAULT,
) -> list[Cell]:
    """Return the matrix, dataset by dataset and method by method so that shared preparations are made once.

    A method that trains in no epochs has neither their budget nor the regime.
    """
    for method in settings:
        if method not in {choice.name for choice in choices}:
            raise BadInput(f"--set {method}.*: method '{method}' is not among --methods")
    matrix: list[Cell] = []
    for argument, dataset in datasets:
        protocols = protocols_of(dataset)
        for choice in choices:
            config = resolve_config(choice, dataset.name, settings.get(choice.name, {}))
            own = regime if choice.cls.trained_in_epochs else DEFAULT
            counted = {"epochs": epochs} if epochs is not None and choice.cls.trained_in_epochs else {}
            budget: dict[str, Any] = {**counted, **own.budget}
            selected = {**selection_parts(dataset, own), **({"compiled": True} if own.compiled else {})}
            precision = precision_of(choice.cls)
            lowered = {} if precision == "fp32" else {"precision": precision}
            for seed in seeds:
                for length in bits:
                    parts = {
                        "method": choice.name,
                        "variant": choice.variant,
                        "bits": length,
                        "seed": seed,
                        "config": config.model_dump(mode="json"),
                        "data": dataset.fingerprint,
                        "protocol": {name: item.model_dump() for name, item in protocols.items()},
                        "budget": budget,
                        **lowered,
                        **selected,
                    }
                    skip = choice.cls.unsupported(length, dataset.shape, config)
                    matrix.append(
                        Cell(
                            choice,
                            dataset,
                            argument,
                            length,
                            seed,
                            config,
                            budget,
                            protocols,
                            record.cell_key(parts),
                            skip,
                            precision,
                            own,
                        )
                    )
    return matrix


def selection_parts(dataset: Dataset, regime: Regime) -> dict[str, Any]:
    """Return what selection adds to a cell's key, which for the last epoch is nothing. A curve moves no number."""
    if not regime.selects:
        return {}
    held_out = {"slice": validation.carve(dataset).digest} if regime.selection == "validation" else {}
    return {"selection": {"on": regime.selection, "every": regime.every, **held_out}}


def check_numbers(bits: Sequence[int], seeds: Sequence[int], epochs: int | None) -> None:
    """Raise BadInput where a code length, a seed or the budget is out of range."""
    for length in bits:
        if not 1 <= length <= MAX_BITS:
            raise BadInput("--bits is out of range", expected=f"1 to {MAX_BITS}", found=length)
    for seed in seeds:
        if seed < 0:
            raise BadInput("--seeds is out of range", expected="0 or more", found=seed)
    if epochs is not None and epochs < 1:
        raise BadInput("--epochs is out of range", expected="1 or more", found=epochs)
