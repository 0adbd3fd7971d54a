"""From what a run asks for to the cells of the matrix: (method, dataset, bits, seed, configuration, options)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.catalogue import registry
from benchmark.catalogue.choice import Choice, choose_method, read_settings, resolve_config
from benchmark.cells.cell import Cell, option_parts
from benchmark.data.subset import reduced
from benchmark.errors import BadInput
from benchmark.evaluation.protocol import PRESETS, Protocol
from benchmark.records import record
from benchmark.records.options import RunOptions

if TYPE_CHECKING:
    from benchmark.interfaces.dataset import Dataset
    from benchmark.interfaces.method import Method
    from benchmark.paths import Roots

MAX_BITS = 4096


@dataclass(frozen=True)
class Request:
    """What a run asks for, in the words of the command line; ``datasets``: None for every one that is present."""

    methods: Sequence[str]
    datasets: Sequence[str] | None
    bits: Sequence[int]
    seeds: Sequence[int]
    settings: Sequence[str]
    options: RunOptions
    device: str = "auto"


@dataclass(frozen=True)
class Matrix:
    """The cells of a request, its datasets by what names them on the command line, and remarks for the user."""

    cells: Sequence[Cell]
    datasets: Sequence[tuple[str, Dataset]]
    remarks: Sequence[str]


def make_matrix(request: Request, roots: Roots) -> Matrix:
    """Open the datasets of a request and return its cells; raises BadInput."""
    from benchmark.compute import compiled, machine

    bits, seeds = _unique(request.bits), _unique(request.seeds)
    check_numbers(bits, seeds)
    choices = [choose_method(name) for name in _unique(request.methods)]
    settings = read_settings(request.settings)
    opened, remarks = open_datasets(request.datasets, roots, request.options.subset)
    device = machine.choose_device(request.device)
    if request.options.compiled:
        compiled.check_compiler(device)

    def precision_of(method: type[Method]) -> str:
        return machine.resolve_precision(
            request.options.precision, device, trained=method.trained_in_epochs, proven=bool(method.bf16)
        )

    matrix = cells(choices, opened, bits, seeds, settings, request.options, precision_of)
    return Matrix(matrix, opened, [*remarks, *_without_effect(request.options, choices)])


def open_datasets(
    names: Sequence[str] | None, roots: Roots, subset: int | None
) -> tuple[list[tuple[str, Dataset]], list[str]]:
    """Return the named datasets or every one that is present, each as a part of ``subset`` training videos; remarks."""
    remarks: list[str] = []
    if not names:
        names, remarks = _present(roots)
        remarks.append(f"datasets present: {', '.join(names)}")
    opened = [(name, reduced(registry.open_dataset(name, roots), subset)) for name in _unique(names)]
    for _, dataset in opened:
        if subset is not None and dataset.drawn is None:
            count = len(dataset.split("train"))
            remarks.append(f"{dataset.name}: has {count} training videos, so --subset {subset} takes all of it")
    return opened, remarks


def _present(roots: Roots) -> tuple[list[str], list[str]]:
    """Return the datasets that a run takes where none is named, and a remark for each that cannot be loaded."""
    names, remarks = [], []
    for name, state in registry.states("datasets"):
        try:
            if isinstance(state, BadInput):
                raise state
            if state.by_default and registry.presence(name, roots).available:
                names.append(name)
        except BadInput as error:
            remarks.append(f"left out: {error}")
    return names, remarks


def _without_effect(options: RunOptions, choices: Sequence[Choice]) -> list[str]:
    """Return of which methods some options change nothing."""
    names = [choice.name for choice in choices if not choice.cls.trained_in_epochs]
    words = " ".join(options.model_copy(update={"subset": None}).words())
    return [f"{', '.join(names)}: trained in no epochs, so {words} changes nothing"] if names and words else []


def protocols_of(dataset: Dataset) -> dict[str, Protocol]:
    """Return both presets with the dataset's own overrides."""
    return {name: preset.model_copy(update=dict(dataset.protocol)) for name, preset in PRESETS.items()}


def cells(
    choices: Sequence[Choice],
    datasets: Sequence[tuple[str, Dataset]],
    bits: Sequence[int],
    seeds: Sequence[int],
    settings: Mapping[str, Mapping[str, Any]],
    options: RunOptions | None = None,
    precision_of: Callable[[type[Method]], str] | None = None,
) -> list[Cell]:
    """Return the matrix, dataset by dataset and method by method so that shared preparations are made once.

    A method that trains in no epochs has none of the options that concern training. ``precision_of`` says what
    precision a method has; without it each has that of the options.
    """
    for method in settings:
        if method not in {choice.name for choice in choices}:
            raise BadInput(f"--set {method}.*: method '{method}' is not among --methods")
    matrix: list[Cell] = []
    for argument, dataset in datasets:
        for choice in choices:
            own = _options_of(choice, dataset, options or RunOptions(), precision_of)
            matrix += _row(choice, argument, dataset, bits, seeds, settings.get(choice.name, {}), own)
    return matrix


def _options_of(
    choice: Choice, dataset: Dataset, options: RunOptions, precision_of: Callable[[type[Method]], str] | None
) -> RunOptions:
    own = options if choice.cls.trained_in_epochs else options.without_epochs()
    precision = precision_of(choice.cls) if precision_of else own.precision
    return own.model_copy(update={"precision": precision, "subset": dataset.drawn})


def _row(
    choice: Choice,
    argument: str,
    dataset: Dataset,
    bits: Sequence[int],
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    options: RunOptions,
) -> list[Cell]:
    """Return the cells of a method on a dataset, seed by seed."""
    config = resolve_config(choice, dataset.name, settings)
    protocols = protocols_of(dataset)
    common = {
        "method": choice.name,
        "variant": choice.variant,
        "config": config.model_dump(mode="json"),
        "data": dataset.fingerprint,
        "protocol": {name: item.model_dump() for name, item in protocols.items()},
        "budget": {},
        **option_parts(dataset, options),
    }
    return [
        Cell(
            choice=choice,
            dataset=dataset,
            dataset_argument=argument,
            bits=length,
            seed=seed,
            config=config,
            options=options,
            protocols=protocols,
            key=record.cell_key({**common, "bits": length, "seed": seed}),
            skip=choice.cls.unsupported(length, dataset.shape, config),
        )
        for seed in seeds
        for length in bits
    ]


def check_numbers(bits: Sequence[int], seeds: Sequence[int]) -> None:
    """Raise BadInput where a code length or a seed is out of range."""
    for length in bits:
        if not 1 <= length <= MAX_BITS:
            raise BadInput("--bits is out of range", expected=f"1 to {MAX_BITS}", found=length)
    for seed in seeds:
        if seed < 0:
            raise BadInput("--seeds is out of range", expected="0 or more", found=seed)


def _unique(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))
