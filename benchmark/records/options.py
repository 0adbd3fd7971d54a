"""The options of a run that shape its cells, each declared once: flag, TOML, key, label, words on the page, command."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict

from benchmark.errors import BadInput
from benchmark.interfaces.names import BF16, FP32
from benchmark.records.curve import Curve, read_curve
from benchmark.records.duration import duration_text, duration_word, read_duration
from benchmark.records.option import BUDGET, Option

LAST, VALIDATION, TEST = SELECTIONS = ("last", "validation", "test")
"""Whose weights are the result: the last epoch's, or the best's on a part of the training set or on test queries."""

AUTO = "auto"
PRECISIONS = (FP32, BF16, AUTO)


class CellOptions(BaseModel):
    """The options that a record's identity holds under their own names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Annotated[
        str,
        Option(
            "--precision",
            "of matrix products in training and encoding (default: fp32); auto takes bf16 where the processor has it "
            "and it was shown to keep the method's numbers",
            choices=PRECISIONS,
            key=("precision",),
            label=str,
            heading="precision",
        ),
    ] = FP32
    subset: Annotated[
        int | None,
        Option(
            "--subset",
            "rehearse on N training videos and as large a share of database and queries, even over classes",
            metavar="N",
            takes=int,
            needs_epochs=False,
            label="subset of {}".format,
        ),
    ] = None
    compiled: Annotated[
        bool,
        Option(
            "--compile",
            "compile the training step, with CUDA graphs on a GPU: a minute at first, then steps that may be faster; "
            "a cell of its own, as sums round in another order",
            takes=bool,
            key=("compiled",),
            label=lambda value: "compiled",
            heading="compiled",
            text=lambda value: "yes",
        ),
    ] = False
    selection: Annotated[
        str,
        Option(
            "--select",
            "whose weights are the result: the last epoch's (default), the best's on videos held out of the training "
            "set, without labels, or the best's on the test queries, which only serves to reproduce papers that did so",
            choices=SELECTIONS,
            key=("selection", "on"),
            label="select {}".format,
            heading="epoch chosen on",
            text=lambda value: {TEST: "test queries", VALIDATION: "held-out videos"}.get(value, value),
        ),
    ] = LAST
    eval_every: Annotated[
        int,
        Option(
            "--eval-every",
            "epochs between two that --select compares (default: 1)",
            metavar="N",
            takes=int,
            least=1,
            key=("selection", "every"),
            joins="selection",
            label="every {}".format,
            heading="every",
        ),
    ] = 1
    curve: Annotated[
        Curve,
        Option(
            "--curve",
            "measure after these epochs of the main stage (1 2 5, or every:5); no number changes by it",
            metavar="E",
            many=True,
            example='epochs such as [1, 2, 5], or "every:5"',
            parse=read_curve,
            words=Curve.words,
            label=lambda value: f"curve {' '.join(value.words())}",
        ),
    ] = Curve()

    @classmethod
    def declared(cls) -> Mapping[str, Option]:
        """Return the options by the name of their field, in the order of their declaration."""
        return _declared(cls)

    @property
    def selects(self) -> bool:
        """Return whether another epoch than the last may be the result."""
        return self.selection != LAST


class RunOptions(CellOptions):
    """All options of a run that shape its cells. A new one is declared here or above, and acted on where it matters."""

    epochs: Annotated[
        int | None,
        Option(
            "--epochs",
            "budget: epochs of the main training stage, earlier stages are capped at N; the record shows it",
            metavar="N",
            takes=int,
            least=1,
            key=(BUDGET, "epochs"),
            heading="epochs",
        ),
    ] = None
    seconds: Annotated[
        int | float | None,
        Option(
            "--time-budget",
            "of training, per cell, such as 90s, 10m or 1h: it stops after the epoch in which the time ran out",
            metavar="T",
            parse=read_duration,
            words=lambda value: [duration_word(value)],
            key=(BUDGET, "seconds"),
            label=lambda value: f"at most {duration_word(value)}",
            heading="time budget",
            text=duration_text,
        ),
    ] = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read words by their names in TOML, where None and an absent name mean the default; raises BadInput."""
        options = cls(
            **{
                name: option.read(given[option.toml])
                for name, option in cls.declared().items()
                if given.get(option.toml) is not None
            }
        )
        for option in cls.declared().values():
            if option.joins and given.get(option.toml) is not None and not options.is_set(option.joins):
                other = cls.declared()[option.joins]
                value = next((choice for choice in other.choices if choice != cls.default(option.joins)), other.metavar)
                raise BadInput(
                    f"{option.flag} has an effect only together with {other.flag}",
                    next_step=f"add {other.flag} {value}, or leave it out",
                )
        return options

    @classmethod
    def default(cls, name: str) -> Any:
        """Return the value of an option that nobody asked for."""
        return cls.model_fields[name].default

    def is_set(self, name: str) -> bool:
        """Return whether an option has another value than its default."""
        return bool(getattr(self, name) != self.default(name))

    def chosen(self) -> dict[str, Option]:
        """Return the options that have another value than their default, by name."""
        return {name: option for name, option in self.declared().items() if self.is_set(name)}

    def without_epochs(self) -> Self:
        """Return the options of a method that trains in no epochs: the others have no effect on it."""
        defaults = {name: self.default(name) for name, option in self.declared().items() if option.needs_epochs}
        return self.model_copy(update=defaults)

    @property
    def budget(self) -> dict[str, Any]:
        """Return the budget as records and keys hold it."""
        return {option.budget: getattr(self, name) for name, option in self.chosen().items() if option.budget}

    def key_parts(self) -> dict[str, Any]:
        """Return what the options add to the parts of a cell's key: nothing for defaults."""
        parts: dict[str, Any] = {}
        for name, option in self.declared().items():
            if option.key and self.is_set(option.joins or name):
                place = parts
                for step in option.key[:-1]:
                    place = place.setdefault(step, {})
                place[option.key[-1]] = getattr(self, name)
        return parts

    def identity_fields(self) -> dict[str, Any]:
        """Return the options as fields of a record's identity."""
        own = {name: getattr(self, name) for name, option in self.declared().items() if not option.budget}
        return {**own, BUDGET: self.budget}

    def words(self) -> list[str]:
        """Return the words of a command line that ask for these options, one argument each."""
        return [word for name, option in self.chosen().items() for word in option.arguments(getattr(self, name))]

    def label_words(self, keyed_only: bool = False) -> list[str]:
        """Return the options as the line of a cell names them; ``keyed_only`` leaves out what moves no number."""
        labels: list[str] = []
        for name, option in self.chosen().items():
            if option.label is None or (keyed_only and not option.key):
                continue
            word = option.label(getattr(self, name))
            if option.joins and labels:
                labels[-1] += f" {word}"
            else:
                labels.append(word)
        return labels

    def details(self, budget: bool = True) -> dict[str, Any]:
        """Return what tells a row of the page from one of the defaults, by heading; ``budget``: with the budget."""
        return {
            option.heading: option.text(getattr(self, name))
            for name, option in self.chosen().items()
            if option.key and option.heading and (budget or not option.budget)
        }

    def order(self) -> tuple[tuple[Any, ...], ...]:
        """Return what rows are sorted by: defaults first, then by value, option by option."""
        keyed = [name for name, option in self.declared().items() if option.key]
        return tuple((True, getattr(self, name)) if self.is_set(name) else (False,) for name in keyed)


@functools.cache
def _declared(model: type[CellOptions]) -> Mapping[str, Option]:
    return {
        name: next(item for item in field.metadata if isinstance(item, Option))
        for name, field in model.model_fields.items()
        if any(isinstance(item, Option) for item in field.metadata)
    }
