"""Cards: what the checkout says of each of its methods and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmark.catalogue import registry
from benchmark.errors import BadInput
from benchmark.paths import Roots
from benchmark.publish import network_cost

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import Method

Lines = list[tuple[str, list[str]]]
"""Labels with their lines, in the order in which they are shown."""


@dataclass(frozen=True)
class Setting:
    """A setting of a method, with its default as JSON has it."""

    key: str
    default: Any
    description: str | None


@dataclass(frozen=True)
class MethodCard:
    """A method that can be loaded. ``parameters`` and ``encode_gflop`` are None unless its network was counted."""

    name: str
    title: str
    paper: str
    source: str
    differences: list[str]
    choices: list[str]
    cost: str
    bf16: str
    variants: dict[str, dict[str, Any]]
    presets: dict[str, dict[str, Any]]
    settings: list[Setting]
    parameters: int | None = None
    encode_gflop: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain data, without counts where none were made."""
        counts = ("parameters", "encode_gflop")
        return {"unavailable": None} | {
            key: value for key, value in asdict(self).items() if key not in counts or value is not None
        }

    def lines(self) -> Lines:
        """Return what the card says, as labels with their lines; a label without lines is left out."""
        lines = [
            ("source", [self.source] if self.source else []),
            ("paper and released code", self.differences),
            ("our choice", self.choices),
            ("variant", _pairs(self.variants) if len(self.variants) > 1 else []),
            ("preset", _pairs(self.presets)),
            ("cost", [" ".join(filter(None, (self._counts(), self.cost)))]),
            ("bfloat16", [self.bf16] if self.bf16 else []),
        ]
        return [(label, texts) for label, texts in lines if any(texts)]

    def markdown(self) -> str:
        """Return the card as Markdown."""
        head = [f"### `{self.name}`: {self.title}", "", f"{self.paper[0].upper()}{self.paper[1:]}.", ""]
        parts = []
        for label, lines in self.lines():
            start = f"- **{label.capitalize()}.**"
            if label in ("variant", "preset"):
                parts.append(f"{start} " + "; ".join(f"`{line.replace(': ', '` ', 1)}" for line in lines))
            elif len(lines) == 1:
                parts.append(f"{start} {lines[0]}")
            else:
                parts += [start, *(f"  - {line}" for line in lines)]
        return "\n".join([*head, *parts])

    def _counts(self) -> str:
        if self.parameters is None or self.encode_gflop is None:
            return ""
        return (
            f"{self.parameters:,} parameters, and {self.encode_gflop:.2g} GFLOP to encode a video of 25 x 4096 in "
            "64 bits, by default."
        )


@dataclass(frozen=True)
class Unavailable:
    """A method or dataset that cannot be loaded, and why."""

    name: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"name": self.name, "unavailable": self.reason}


@dataclass(frozen=True)
class DatasetCard:
    """A dataset; ``reason`` says what is missing where it is not ``present``, ``advice`` how it is read faster."""

    name: str
    title: str
    source: str
    official: dict[str, int]
    present: bool
    reason: str
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain data."""
        return asdict(self)


def describe_methods(count: bool = False) -> list[MethodCard | Unavailable]:
    """Return the card of every method; ``count`` builds each trained network and counts its parameters and operations.

    A method that cannot be loaded is returned with its reason.
    """
    return [describe_method(name, count) for name in registry.methods()]


def describe_method(name: str, count: bool = False) -> MethodCard | Unavailable:
    """Return the card of one method, as ``describe_methods`` does."""
    state = registry.state("methods", name)
    if isinstance(state, BadInput):
        return Unavailable(name, str(state))
    try:
        return _method_card(name, state, count)
    except Exception as error:  # a method that somebody is writing may lack a default or raise anything
        return Unavailable(name, str(registry.method_entry(name).broken("cannot be described", error)))


def _method_card(name: str, cls: type[Method], count: bool) -> MethodCard:
    counts = network_cost.network_cost(cls) if count else None
    return MethodCard(
        name=name,
        title=cls.title,
        paper=cls.paper,
        source=cls.source,
        differences=list(cls.differences),
        choices=list(cls.choices),
        cost=cls.cost,
        bf16=cls.bf16,
        variants={key: dict(value) for key, value in cls.variants.items()},
        presets={key: dict(value) for key, value in cls.presets.items()},
        settings=_settings(cls),
        parameters=int(counts["parameters"]) if counts else None,
        encode_gflop=counts["encode_gflop"] if counts else None,
    )


def _settings(cls: type[Method]) -> list[Setting]:
    defaults = cls.Config().model_dump(mode="json")
    return [Setting(key, defaults[key], field.description) for key, field in cls.Config.model_fields.items()]


def describe_datasets(roots: Roots) -> list[DatasetCard | Unavailable]:
    """Return the card of every dataset, with its presence under the data root; one that cannot be loaded: why."""
    return [_describe_dataset(name, state, roots) for name, state in registry.states("datasets")]


def _describe_dataset(name: str, state: type[Dataset] | BadInput, roots: Roots) -> DatasetCard | Unavailable:
    if isinstance(state, BadInput):
        return Unavailable(name, str(state))
    try:
        return _dataset_card(name, state, roots)
    except BadInput as error:
        return Unavailable(name, str(error))
    except Exception as error:
        return Unavailable(name, str(registry.datasets()[name].broken("cannot be described", error)))


def _dataset_card(name: str, cls: type[Dataset], roots: Roots) -> DatasetCard:
    presence = registry.presence(name, roots)
    return DatasetCard(
        name=name,
        title=cls.title,
        source=cls.source,
        official=dict(cls.official),
        present=presence.available,
        reason=presence.reason,
        advice=cls.advice(roots) if presence.available else "",
    )


def cards() -> dict[str, Lines]:
    """Return the lines of every method of this checkout that can be loaded, its paper first."""
    available = [card for card in describe_methods() if isinstance(card, MethodCard)]
    return {card.name: [("paper", [card.paper]), *card.lines()] for card in available}


def markdown_cards(methods: Sequence[MethodCard | Unavailable]) -> str:
    """Return the cards of the methods that can be loaded, as Markdown."""
    return "\n\n".join(card.markdown() for card in methods if isinstance(card, MethodCard))


def _pairs(table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{name}: " + (", ".join(f"{key}={value}" for key, value in values.items()) or "as configured")
        for name, values in table.items()
    ]
