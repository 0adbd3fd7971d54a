"""What perturbed queries lose: gathered over seeds, with intervals, as a table and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.evaluation import statistics
from benchmark.evaluation.statistics import mean_deviation
from benchmark.records import command_line
from benchmark.records.record import Record
from benchmark.records.robustness import CUT, REFERENCE, Condition, Robustness, conditions
from reports.drawing import style
from reports.drawing.table_formats import csv_text, exact
from reports.matrix.cache import cached, digest
from reports.matrix.rows import Group, Row
from reports.matrix.stored import Stored

KEY = f"map@{CUT}"
VERSION, SEED = 1, 0
TITLES = {
    "drop": "Dropped frames", "shuffle": "Shuffled frames", "reverse": "Reversed part", "crop": "Cut in time",
    "noise": "Feature noise",
}  # fmt: skip
EXPLAINED = {
    "drop": "a random share of the frames is missing, and each missing frame is filled with the nearest kept one",
    "shuffle": "a random share of the frames is put into random order among their own places",
    "reverse": "a contiguous part that holds this share of the frames runs backwards",
    "crop": "this share of the frames is cut off, and the contiguous rest is stretched to the old length by nearest "
    "sampling",
    "noise": "Gaussian noise on every value, in units of the deviation of its dimension over the training frames",
}


@dataclass(frozen=True)
class LossLine:
    """One row of the matrix at one code length: its ``measured`` seeds, and why the others are ``lacking``."""

    row: Row
    bits: int
    measured: list[tuple[Record, Robustness]] = field(default_factory=list)
    lacking: list[tuple[Record, str]] = field(default_factory=list)

    def maps(self, preset: str, condition: Condition | None, key: str = KEY) -> list[float]:
        """Return mAP of each measured seed under a condition; None is the clean query."""
        return [_maps(robustness, condition)[preset][key] for _, robustness in self.measured]

    def losses(self, preset: str, condition: Condition, key: str = KEY) -> list[float]:
        """Return what each measured seed loses."""
        clean, left = self.maps(preset, None, key), self.maps(preset, condition, key)
        return [a - b for a, b in zip(clean, left, strict=True)]

    def relative(self, preset: str, condition: Condition, key: str = KEY) -> list[float]:
        """Return the lost share of each measured seed whose clean mAP is not 0."""
        clean = self.maps(preset, None, key)
        return [lost / whole for lost, whole in zip(self.losses(preset, condition, key), clean, strict=True) if whole]


def _maps(robustness: Robustness, condition: Condition | None) -> dict[str, dict[str, float]]:
    if condition is None:
        return robustness.clean
    return robustness.perturbed[conditions().index(condition)].map


def gather(group: Group, stored: Stored) -> list[LossLine]:
    """Return a line for each row and code length with a finished record; nothing where no cell was perturbed."""
    lines = []
    for row in group.rows:
        for bits in group.bits:
            line = LossLine(row, bits)
            for record in row.done(bits):
                robustness = stored.robustness(record)
                if isinstance(robustness, str):
                    line.lacking.append((record, robustness))
                else:
                    line.measured.append((record, robustness))
            if line.measured or line.lacking:
                lines.append(line)
    return lines if any(line.measured for line in lines) else []


def reference() -> list[Condition]:
    """Return the conditions that the table shows."""
    return [Condition(name, strength) for name, strength in REFERENCE.items()]


def head(condition: Condition) -> str:
    """Return a condition as the heading of a column."""
    unit = " σ" if condition.perturbation == "noise" else ""
    return f"{condition.perturbation} {condition.strength:g}{unit}"


@dataclass(frozen=True)
class LossCell:
    """A condition's lost share in percent, and below it the loss in mAP with its interval over queries.

    ``sure``: whether the interval leaves out 0.
    """

    text: str
    deviation: str = ""
    interval: str = ""
    sure: bool = False


@dataclass(frozen=True)
class LossRow:
    """A line as the page shows it: clean mAP and a cell per condition of ``reference``.

    ``lacking``: seeds that were not measured, and ``why``. A row without cells has ``command``, which measures it.
    """

    label: str
    slug: str
    colour: str
    bits: int
    n: int
    why: str
    lacking: list[int]
    command: str
    clean: LossCell | None
    cells: list[LossCell]
    unbounded: bool


@dataclass(frozen=True)
class LossTable:
    """The table of losses: ``heads`` of the conditions, and ``seeds``, the most that a row has."""

    heads: list[str]
    rows: list[LossRow]
    seeds: int


def intervals(
    group: Group, lines: Sequence[LossLine], preset: str, stored: Stored, cache: Path | None
) -> dict[tuple[str, int], list[tuple[float, float]]]:
    """Return by (row's label, bits) the ends of the 95 % interval of the loss of mAP@``CUT`` at ``reference``.

    The AP of a query is averaged over a line's seeds first, and its loss is that to itself; queries are resampled.
    A line without per-query files has none. The result is kept in the folder ``cache``.
    """
    columns = [1 + conditions().index(condition) for condition in reference()]
    lost: dict[str, np.ndarray] = {}
    for line in lines:
        files = [stored.perturbed_precisions(record, robustness, preset) for record, robustness in line.measured]
        tables = [table for table in files if table is not None]
        if tables and len(tables) == len(files) and len({len(table) for table in tables}) == 1:
            mean = np.mean(tables, axis=0)
            lost[f"{line.bits} {line.row.label}"] = mean[:, :1] - mean[:, columns]
    inputs = digest([VERSION, SEED, statistics.LEVEL, statistics.RESAMPLES, list(lost)], *(lost[name] for name in lost))
    path = cache / f"robustness-{style.slug(group.slug, preset)}.json" if cache else None
    ends = cached(path, inputs, lambda: _resampled(lost))
    return {
        (line.row.label, line.bits): [(low, high) for low, high in ends[name]]
        for line in lines
        if (name := f"{line.bits} {line.row.label}") in ends
    }


def _resampled(lost: Mapping[str, np.ndarray]) -> dict[str, list[list[float]]]:
    """Return low and high by column of each table; tables of as many queries share one product with the weights."""
    by_name: dict[str, list[list[float]]] = {}
    for n in sorted({len(table) for table in lost.values()}):
        alike = [name for name, table in lost.items() if len(table) == n]
        low, high = statistics.bootstrap_interval(np.concatenate([lost[name] for name in alike], axis=1), seed=SEED)
        ends = np.stack([low, high], axis=1).reshape(len(alike), -1, 2)
        by_name |= dict(zip(alike, ends.tolist(), strict=True))
    return by_name


def table(
    lines: Sequence[LossLine],
    preset: str,
    methods: Sequence[str],
    ends: Mapping[tuple[str, int], Sequence[tuple[float, float]]],
    argument: str,
) -> LossTable:
    """Return the table; ``ends`` are those of ``intervals``, and ``argument`` names the dataset in a command."""
    rows = [_row(line, preset, methods, ends, argument) for line in sorted(lines, key=lambda line: line.bits)]
    seeds = max(len(line.measured) for line in lines)
    return LossTable([head(condition) for condition in reference()], rows, seeds)


def _row(
    line: LossLine,
    preset: str,
    methods: Sequence[str],
    ends: Mapping[tuple[str, int], Sequence[tuple[float, float]]],
    argument: str,
) -> LossRow:
    clean, cells = None, []
    if line.measured:
        whole, spread = mean_deviation(line.maps(preset, None))
        clean = LossCell(style.rounded(whole), style.plus_minus(spread))
        own = ends.get((line.row.label, line.bits), [None] * len(reference()))
        cells = [_cell(line, preset, at, end) for at, end in zip(reference(), own, strict=True)]
    return LossRow(
        label=line.row.label, slug=line.row.slug, colour=style.look(line.row.method, methods).variable, bits=line.bits,
        n=len(line.measured), why="; ".join(dict.fromkeys(reason for _, reason in line.lacking)),
        lacking=[record.identity.seed for record, _ in line.lacking],
        command=command(line, argument) if line.lacking else "", clean=clean, cells=cells,
        unbounded=bool(cells) and (line.row.label, line.bits) not in ends,
    )  # fmt: skip


def _cell(line: LossLine, preset: str, condition: Condition, ends: tuple[float, float] | None) -> LossCell:
    share, spread = mean_deviation(line.relative(preset, condition))
    lost, _ = mean_deviation(line.losses(preset, condition))
    text = style.NOTHING if share is None else f"{signed(100 * share, 1)} %"
    deviation = "" if spread is None else f"±{100 * spread:.1f}"
    within = "" if ends is None else f" [{signed(ends[0])}, {signed(ends[1])}]"
    sure = ends is not None and not ends[0] <= 0 <= ends[1]
    return LossCell(text, deviation, "" if lost is None else f"{signed(lost)}{within}", sure)


def signed(value: float, decimals: int = style.DECIMALS) -> str:
    """Return a rounded number with a minus sign, and no sign of a zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def command(line: LossLine, argument: str) -> str:
    """Return the command that measures what a line lacks."""
    method = f"{line.row.method}:{line.row.named_variant}".removesuffix(":")
    seeds = [str(seed) for seed in sorted({record.identity.seed for record, _ in line.lacking})]
    words = ["--methods", method, "--datasets", command_line.dataset_word(argument), "--bits", str(line.bits)]
    return command_line.command("robustness", *words, "--seeds", *seeds)


def csv(group: Group, lines: Sequence[LossLine], preset: str) -> str:
    """Return every condition at every K, unrounded: mAP, loss and lost share, mean and deviation over seeds."""
    heads = (
        "dataset", "fingerprint", "preset", "row", "method", "variant", "bits", "perturbation", "strength", "k", "map",
        "map_deviation", "loss", "loss_deviation", "relative_loss", "relative_loss_deviation", "n", "seeds",
    )  # fmt: skip
    out = []
    for line in lines:
        seeds = " ".join(str(record.identity.seed) for record, _ in line.measured)
        for condition in conditions() if line.measured else []:
            for cut in style.CUTS:
                key = style.metric_key("map", cut)
                if key not in line.measured[0][1].clean[preset]:
                    continue
                numbers = [
                    *mean_deviation(line.maps(preset, condition, key)),
                    *mean_deviation(line.losses(preset, condition, key)),
                    *mean_deviation(line.relative(preset, condition, key)),
                ]
                out.append([
                    group.name, group.fingerprint, preset, line.row.label, line.row.method, line.row.variant, line.bits,
                    condition.perturbation, condition.strength, cut or "full",
                    *(exact(value) for value in numbers),
                    len(line.measured), seeds,
                ])  # fmt: skip
    return csv_text(heads, out)
