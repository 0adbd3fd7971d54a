"""mAP tables: means over seeds for the page, unrounded numbers for CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmark.evaluation.statistics import mean_deviation
from benchmark.records.record import Record
from reports.drawing import style
from reports.drawing.table_formats import csv_text, exact
from reports.matrix.holes import fill_command
from reports.matrix.rows import NO_RECORD, Group, Row

Ends = Sequence[tuple[float | None, float | None]]


@dataclass(frozen=True)
class Mean:
    """A metric over the seeds of a cell; ``n`` counts the finite values, ``records`` the finished records."""

    mean: float | None
    deviation: float | None
    n: int
    records: int


@dataclass(frozen=True)
class MapCell:
    """One cell as the page shows it; ``state`` is value or nan, or failed or missing for all columns of a code length.

    ``place`` is best, second or empty; ``first`` marks the first column of a code length. ``numbers``: unrounded;
    ``record``: id on the page of the first record behind the cell; ``stale``: whether other code made one of them;
    ``command``: fills a hole; ``interval``: its ends over queries.
    """

    state: str
    text: str
    bits: int
    cut: str = ""
    under: str = ""
    why: str = ""
    place: str = ""
    first: bool = False
    numbers: Mean | None = None
    record: str = ""
    stale: bool = False
    command: str = ""
    interval: tuple[float | None, float | None] = (None, None)

    @property
    def is_hole(self) -> bool:
        """Return whether the cell stands for all columns of its code length, which has no numbers."""
        return self.state in ("missing", "failed")


@dataclass(frozen=True)
class MapRow:
    """One row of the table; ``colour`` is a CSS variable."""

    label: str
    slug: str
    colour: str
    cells: tuple[MapCell, ...]
    selected_on_test: bool


@dataclass(frozen=True)
class MapTable:
    """The mAP table of a dataset under one protocol: ``cuts`` are headings, ``foot`` the ceiling of each column."""

    bits: list[int]
    cuts: list[str]
    rows: list[MapRow]
    seeds: int
    foot: list[str]


def values(records: Sequence[Record], preset: str, key: str) -> list[float | None]:
    """Return a metric of each record, None where it has no finite number."""
    return [style.number(r.metrics[preset].metrics.get(key)) if preset in r.metrics else None for r in records]


def mean(records: Sequence[Record], preset: str, key: str) -> Mean:
    """Return mean and sample deviation (n - 1) over the finite values; no deviation for fewer than two."""
    finite = [value for value in values(records, preset, key) if value is not None]
    return Mean(*mean_deviation(finite), len(finite), len(records))


def average(numbers: Sequence[float]) -> float:
    """Return the mean of at least one number."""
    return sum(numbers) / len(numbers)


def no_ends(label: str, bits: int) -> Ends:
    """Return intervals of a row without any."""
    return [(None, None)] * len(style.CUTS)


def table(group: Group, preset: str, methods: Sequence[str], ends: Callable[[str, int], Ends] = no_ends) -> MapTable:
    """Return the mAP table of a group; ``ends`` is that of ``map_csv``."""
    marks = _places(group, preset)
    seeds = max((len(row.done(bits)) for row in group.rows for bits in group.bits), default=0)
    rows = []
    for row in group.rows:
        cells: list[MapCell] = []
        for bits in group.bits:
            if not row.done(bits):
                cells.append(_hole(group, row, bits))
                continue
            for place, (cut, interval) in enumerate(zip(style.CUTS, ends(row.label, bits), strict=True)):
                mark = marks.get((row.label, bits, cut), "")
                cell = _cell(group, row, preset, bits, cut, mark, seeds, place == 0)
                cells.append(replace(cell, interval=(_brief(interval[0]), _brief(interval[1]))))
        colour = style.look(row.method, methods).variable
        rows.append(MapRow(row.label, row.slug, colour, tuple(cells), row.selected_on_test))
    cuts = [style.cut_label(cut) for cut in style.CUTS]
    return MapTable(group.bits, cuts, rows, seeds, _ceilings(group, preset))


def _brief(value: float | None) -> float | None:
    """Return an end of an interval with the digits that resampling can give."""
    return None if value is None else round(value, 5)


def _hole(group: Group, row: Row, bits: int) -> MapCell:
    failed = row.failed(bits)
    if failed:
        reason = failed[0].failure.message if failed[0].failure else "no reason is recorded"
        return MapCell("failed", "failed", bits, why=style.one_line(reason, limit=160), record=group.anchor(failed[0]))
    reasons = {style.one_line(c.reason or NO_RECORD) for (b, _), c in row.expected.items() if b == bits}
    seeds = sorted({seed for b, seed in row.expected if b == bits} or {r.identity.seed for r in row.all})
    given = [c.command for (b, _), c in row.expected.items() if b == bits and c.command]
    command = given[0] if given else fill_command(group, row, [bits], seeds or group.seeds)
    return MapCell(
        "missing", f"{style.NOTHING} not run", bits, why="; ".join(sorted(reasons - {NO_RECORD})), command=command
    )


def _cell(
    group: Group, row: Row, preset: str, bits: int, cut: int | None, place: str, seeds: int, first: bool
) -> MapCell:
    done, failed = row.done(bits), row.failed(bits)
    numbers = mean(done, preset, style.metric_key("map", cut))
    name, record, stale = style.cut_label(cut), group.anchor(done[0]), any(r.key in group.stale for r in done)
    if numbers.mean is None:
        why = "the record holds no finite number here"
        return MapCell("nan", style.NOTHING, bits, name, why=why, first=first, record=record, stale=stale)
    under = style.plus_minus(numbers.deviation)
    if numbers.n < seeds or numbers.n < numbers.records or failed:
        under = f"{under} n={numbers.n}".strip()
    lost = numbers.records - numbers.n
    reasons = [f"{lost} of {numbers.records} seeds hold no finite number"] if lost else []
    why = "; ".join(reasons + [f"seed {r.identity.seed} failed" for r in failed])
    text = style.rounded(numbers.mean)
    return MapCell("value", text, bits, name, under, why, place, first, numbers, record, stale)


def _places(group: Group, preset: str) -> dict[tuple[str, int, int | None], str]:
    """Mark best and second of each column by unrounded means; a column with fewer than two numbers has neither.

    A row whose epoch was chosen on the test queries is not compared.
    """
    rows = [row for row in group.rows if not row.selected_on_test]
    marks: dict[tuple[str, int, int | None], str] = {}
    for bits in group.bits:
        for cut in style.CUTS:
            means = {row.label: mean(row.done(bits), preset, style.metric_key("map", cut)).mean for row in rows}
            column = _marked({label: value for label, value in means.items() if value is not None})
            marks |= {(label, bits, cut): place for label, place in column.items()}
    return marks


def _marked(column: dict[str, float]) -> dict[str, str]:
    """Return the places of a column by label; where two share the first there is no second."""
    ordered = sorted(set(column.values()), reverse=True)
    if len(column) < 2:
        return {}
    best = [label for label, value in column.items() if value == ordered[0]]
    second = [label for label, value in column.items() if len(best) == 1 and value == ordered[1]]
    return {**dict.fromkeys(best, "best"), **dict.fromkeys(second, "second")}


def _ceilings(group: Group, preset: str) -> list[str]:
    """Return the best mAP any ranking could reach per column, from a finished record; it depends on the labels only."""
    done = [record for row in group.rows for record in row.records]
    ceilings = []
    for cut in style.CUTS:
        finite = [value for value in values(done, preset, style.metric_key("ceiling", cut)) if value is not None]
        ceilings.append(style.rounded(finite[0]) if finite else style.NOTHING)
    return ceilings * len(group.bits)


def map_csv(group: Group, preset: str, ends: Callable[[str, int], Ends] = no_ends) -> str:
    """Return the table as CSV, one line per row, code length and K: unrounded mean and deviation, seeds, state.

    ``ends`` gives low and high of a row's interval over queries at each of ``style.CUTS``, by label and code length.
    """
    head = ("dataset", "fingerprint", "preset", "row", "method", "variant", "bits", "k", "mean", "deviation", "n",
            "seeds", "state", "low", "high")  # fmt: skip
    lines = []
    for row in group.rows:
        for bits in group.bits:
            done = row.done(bits)
            state = "done" if done else "failed" if row.failed(bits) else "not run"
            for cut, (low, high) in zip(style.CUTS, ends(row.label, bits), strict=True):
                numbers = mean(done, preset, style.metric_key("map", cut))
                lines.append([
                    group.name, group.fingerprint, preset, row.label, row.method, row.variant, bits,
                    "full" if cut is None else cut, exact(numbers.mean), exact(numbers.deviation), numbers.n,
                    " ".join(str(r.identity.seed) for r in done), state,
                    exact(low), exact(high),
                ])  # fmt: skip
    return csv_text(head, lines)


def records_csv(groups: Sequence[Group]) -> str:
    """Return every record with every scalar metric, unrounded; columns are named ``preset.metric``."""
    rows = [(group, row, record) for group in groups for row in group.rows for record in row.all]
    names = sorted({
        f"{preset}.{key}" for _, _, record in rows for preset, measured in record.metrics.items()
        for key, value in measured.metrics.items() if not isinstance(value, (dict, list))
    })  # fmt: skip
    head = ["dataset", "fingerprint", "row", "method", "variant", "bits", "seed", "status", "key", *names]
    lines = []
    for group, row, record in rows:
        identity = record.identity
        metrics = {f"{p}.{key}": value for p, m in record.metrics.items() for key, value in m.metrics.items()}
        lines.append([
            group.name, group.fingerprint, row.label, identity.method, identity.variant, identity.bits, identity.seed,
            record.status, record.key, *(exact(style.number(metrics.get(name))) for name in names),
        ])  # fmt: skip
    return csv_text(head, lines)


def learning_csv(group: Group) -> str:
    """Return every point of every learning curve, unrounded, or nothing where no record has one."""
    head = ("dataset", "fingerprint", "row", "method", "variant", "bits", "seed", "epoch", "seconds", "preset", "k",
            "map")  # fmt: skip
    lines = [
        [
            group.name, group.fingerprint, row.label, row.method, row.variant, r.identity.bits, r.identity.seed,
            point.epoch, exact(style.number(point.seconds)), preset, cut or "full",
            exact(style.number(maps.get(style.metric_key("map", cut)))),
        ]
        for row in group.rows for r in row.records for point in r.training.curve
        for preset, maps in point.metrics.items() for cut in style.CUTS
    ]  # fmt: skip
    return csv_text(head, lines) if lines else ""
