"""A method with its variant and settings, chosen by words; a mistake is told with the nearest known name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from benchmark.catalogue import registry
from benchmark.errors import BadInput, nearest
from benchmark.interfaces.names import DEFAULT_VARIANT

if TYPE_CHECKING:
    from benchmark.interfaces.method import Method, MethodConfig


@dataclass(frozen=True)
class Choice:
    """A method and the name of one of its variants."""

    name: str
    cls: type[Method]
    variant: str

    def suffix(self, form: str) -> str:
        """Return the variant in a form such as ``" ({})"``, or nothing where the method has only one."""
        return "" if self.variant == DEFAULT_VARIANT else form.format(self.variant)


def default_variant(cls: type[Method]) -> str:
    """Return the name of the variant that runs when none is named."""
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


def changed_settings(choice: Choice, dataset_name: str, config: MethodConfig) -> dict[str, Any]:
    """Return the settings in which a configuration differs from defaults, preset and variant, as plain data."""
    usual = resolve_config(choice, dataset_name, {}).model_dump(mode="json")
    return {key: value for key, value in config.model_dump(mode="json").items() if usual[key] != value}


def _parsed(config: type[MethodConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the command line's text "none" read as None where a setting may be None."""

    def optional(key: str) -> bool:
        return type(None) in get_args(config.model_fields[key].annotation)

    return {
        key: None if isinstance(value, str) and value.lower() == "none" and optional(key) else value
        for key, value in values.items()
    }
