"""What ``robustness`` prints: a line per cell, and a table of relative losses over seeds."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

from benchmark.evaluation.protocol import FIELD
from benchmark.evaluation.statistics import mean_deviation
from benchmark.interfaces.names import FP32
from benchmark.records.record import Record
from benchmark.records.robustness import CUT, REFERENCE, Robustness

PRESET = FIELD
KEY = f"map@{CUT}"


def label(item: Record) -> str:
    """Return the cell in words."""
    identity = item.identity
    name = identity.method + ("" if not identity.named_variant else f":{identity.variant}")
    lowered = "" if identity.precision == FP32 else f", {identity.precision}"
    return f"{name} on {identity.dataset}, {identity.bits} bits, seed {identity.seed}{lowered}"


def line(outcome: Robustness, earlier: bool) -> str:
    """Return clean mAP and the loss, with its interval over queries, at the strengths that tables show.

    ``earlier`` means that an earlier call measured it.
    """
    parts = [f"mAP@{CUT} {outcome.clean[PRESET][KEY]:.4f}, loses"]
    for item in outcome.perturbed:
        if REFERENCE[item.perturbation] == item.strength:
            loss = item.loss[PRESET]
            parts.append(f" {item.perturbation} {item.strength:g}: {loss.mean:.4f} [{loss.low:.4f}, {loss.high:.4f}]")
    if earlier:
        return " ".join(parts) + f"  (kept, made {outcome.finished})"
    return " ".join(parts) + f"  {sum(outcome.timing.values()):.1f} s"


def relative_losses(outcome: Robustness, preset: str) -> dict[str, float] | None:
    """Return the lost share of clean mAP@``CUT`` by perturbation, at its reference strength; None of a mAP of 0."""
    clean = outcome.clean[preset][KEY]
    if not clean:
        return None
    return {
        item.perturbation: item.loss[preset].mean / clean
        for item in outcome.perturbed
        if REFERENCE[item.perturbation] == item.strength
    }


def show(measured: Sequence[tuple[Record, Robustness]]) -> None:
    """Print, per dataset, relative losses under the field's protocol: mean and deviation over seeds."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    by_data: dict[tuple[str, str], list[tuple[Record, Robustness]]] = defaultdict(list)
    for item, outcome in measured:
        by_data[item.identity.dataset, item.data.fingerprint if item.data else ""].append((item, outcome))
    called = Counter(name for name, _ in by_data)
    for (name, fingerprint), own in by_data.items():
        dataset = name if called[name] == 1 else f"{name} (data {fingerprint[:8]})"
        table = Table(box=box.SIMPLE, title=f"{dataset}: share of mAP@{CUT} that is lost, {PRESET} protocol")
        table.add_column("method")
        for column in ("bits", f"mAP@{CUT}", *(f"{name} {at:g}" for name, at in REFERENCE.items()), "seeds"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in _rows(own):
            table.add_row(*row)
        console.print(table)


def _rows(measured: Sequence[tuple[Record, Robustness]]) -> list[list[str]]:
    groups: dict[tuple[int, str], list[Robustness]] = defaultdict(list)
    for item, outcome in measured:
        identity = item.identity
        variant = f" ({identity.named_variant})" if identity.named_variant else ""
        groups[identity.bits, identity.method_title + variant].append(outcome)
    rows = []
    for (bits, method), members in sorted(groups.items(), key=lambda entry: (entry[0][0], entry[0][1].lower())):
        clean = _mean([outcome.clean[PRESET][KEY] for outcome in members], "{:.4f}")
        losses = [lost for outcome in members if (lost := relative_losses(outcome, PRESET)) is not None]
        cells = [_mean([100 * lost[name] for lost in losses], "{:.1f}", " %") for name in REFERENCE]
        rows.append([method, str(bits), clean, *cells, str(len(members))])
    return rows


def _mean(values: Sequence[float], form: str, unit: str = "") -> str:
    mean, deviation = mean_deviation(values)
    if mean is None:
        return ""
    return form.format(mean) + ("" if deviation is None else f" ± {form.format(deviation)}") + unit
