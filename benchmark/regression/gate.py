"""The regression gate: the cells of a check are run and compared with baselines, written anew, or measured."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.catalogue import registry
from benchmark.compute import machine
from benchmark.errors import BadInput
from benchmark.interfaces.names import FP32
from benchmark.paths import Roots
from benchmark.progress import Progress
from benchmark.records import environment
from benchmark.regression import baseline, cells, compare, plan, spreads
from benchmark.regression.baseline import Baseline
from benchmark.regression.cells import CheckOutcome, CheckTask, Machine
from benchmark.regression.compare import Finding
from benchmark.regression.numbers import Number, named
from benchmark.regression.plan import Plan

MOST_JOBS = 8
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "numba")
"""Packages whose versions are committed with the numbers."""

Tell = Callable[[str], None]
"""Receives a line on what goes on."""


@dataclass(frozen=True)
class CheckRequest:
    """What is checked, and how it is computed.

    folder: of baselines and check.toml. methods: None for every method of the checkout. jobs: processes, None for one
    per core. threads: of each process. out: where the cells' records are kept, None where they are not.
    """

    folder: Path
    methods: Sequence[str] | None
    roots: Roots
    jobs: int | None = None
    threads: int = 1
    out: Path | None = None

    def chosen_methods(self) -> list[str]:
        """Return the names of the methods; raises BadInput where one is unknown or has a variant."""
        for name in self.methods or ():
            if ":" in name:
                raise BadInput(f"check runs a method as it comes, not '{name}'", next_step="give the name alone")
            registry.method_entry(name)
        return list(dict.fromkeys(self.methods)) if self.methods else list(registry.methods())


@dataclass(frozen=True)
class Verdict:
    """The comparison of ``cells`` cells. ``written`` and ``removed`` are the methods whose baselines changed."""

    findings: list[Finding]
    cells: int
    seconds: float
    written: Sequence[str] = ()
    removed: Sequence[str] = ()


@dataclass(frozen=True)
class MeasuredWays:
    """How many methods were measured, and in how many ways; ``problem`` says why they were not."""

    methods: int = 0
    ways: int = 0
    problem: str = ""


def check(request: CheckRequest, update: bool, tell: Tell) -> Verdict:
    """Run the cells and compare them with the baselines; ``update`` writes these anew after the comparison.

    Raises BadInput on a mistake, or where a file of the folder is missing or damaged.
    """
    folder, methods = request.folder, request.chosen_methods()
    checked = plan.read(folder)
    measured = spreads.read(folder)
    baselines = _baselines(folder, anew=update and not request.methods)
    began = time.perf_counter()
    with _folder_of_records(request.out) as out:
        outcomes = _run(request, checked, methods, Machine(request.threads), out, tell)
    findings = compare.compare(checked, outcomes, baselines, measured)
    gone = [] if request.methods else [name for name in baselines if name not in methods]
    findings += [_gone(name) for name in gone]
    seconds = time.perf_counter() - began
    if not update:
        return Verdict(findings, len(outcomes), seconds)
    written = _write(folder, checked, outcomes, baselines)
    for name in gone:
        baseline.path_of(folder, name).unlink()
    return Verdict(findings, len(outcomes), seconds, written, gone)


def measure(request: CheckRequest, tell: Tell) -> MeasuredWays:
    """Compute the check in every way, and write the spreads and the baselines; nothing is written where a cell fails.

    Raises BadInput on a mistake.
    """
    folder, methods = request.folder, request.chosen_methods()
    checked = plan.read(folder)
    trained = [name for name in methods if registry.load_method(name).trained_in_epochs]
    seeded = [name for name in methods if registry.load_method(name).seeded]
    of_kind = {"rounding": methods, "bf16": trained, "seeds": seeded}
    with _folder_of_records(request.out) as out:
        base = _run(request, checked, methods, Machine(), out / "base", tell)
        failed = [outcome for outcome in base if outcome.numbers is None and not outcome.skipped]
        if failed:
            return MeasuredWays(problem=f"{failed[0].method}, {failed[0].bits} bits: {failed[0].problem}")
        again = []
        for number, way in enumerate(spreads.ways()):
            tell(f"measuring: {way.name}")
            words = (way.machine, out / f"way{number}", tell, way.precision, way.seed)
            again.append((way, _numbers(_run(request, checked, of_kind[way.kind], *words))))
    measured = spreads.measured(_numbers(base), again)
    names = ["1 thread, chosen products (the check itself)", *(way.name for way, _ in again)]
    if request.methods and (folder / spreads.SPREADS).exists():
        measured = {**spreads.read(folder).methods, **measured}
    spreads.write(folder, spreads.Spreads(check=checked.described(), made=_made(), ways=names, methods=measured))
    _write(folder, checked, base, {})
    return MeasuredWays(len(measured), len(names))


def _baselines(folder: Path, anew: bool) -> dict[str, Baseline]:
    """Return the baselines; a damaged one counts as none where all are written anew."""
    try:
        return baseline.read_all(folder)
    except BadInput:
        if not anew:
            raise
        return {}


@contextmanager
def _folder_of_records(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        yield Path(folder)


def _run(
    request: CheckRequest,
    checked: Plan,
    methods: Sequence[str],
    how: Machine,
    out: Path,
    tell: Tell,
    precision: str = FP32,
    seed: int = 0,
) -> list[CheckOutcome]:
    """Run the cells, the longest first, and return their outcomes in the order of methods and bits."""
    checked.open(request.roots)  # made on first use by this process, not by several at once
    tasks = [
        CheckTask(checked, method, bits, checked.seed + seed, precision, request.roots, out)
        for method in methods
        for bits in checked.bits
    ]
    jobs = min(request.jobs or min(os.cpu_count() or 1, MOST_JOBS), len(tasks))
    outcomes = {}
    with Progress("check", total=len(tasks), unit="cells") as progress:
        for number, outcome in enumerate(cells.run(_longest_first(tasks), how, jobs), 1):
            outcomes[outcome.method, outcome.bits] = outcome
            end = outcome.problem or f"{outcome.seconds:.1f} s"
            tell(f"[{number}/{len(tasks)}] {outcome.method}, {outcome.bits} bits: {end}")
            progress.advance(1)
    return [outcomes[task.place] for task in tasks]


def _longest_first(tasks: Sequence[CheckTask]) -> list[CheckTask]:
    def trained(task: CheckTask) -> bool:
        try:
            return registry.load_method(task.method).trained_in_epochs
        except BadInput:
            return False

    return sorted(tasks, key=trained, reverse=True)


def _numbers(outcomes: Sequence[CheckOutcome]) -> dict[tuple[str, int], dict[str, Number]]:
    return {(o.method, o.bits): named(o.numbers) for o in outcomes if o.numbers is not None}


def _gone(method: str) -> Finding:
    return Finding(method, None, "", "missing", note="a baseline without a method; 'check --update' removes it")


def _write(
    folder: Path, checked: Plan, outcomes: Sequence[CheckOutcome], baselines: Mapping[str, Baseline]
) -> list[str]:
    """Write the baselines that differ from the present ones, and return their names."""
    written = []
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.method == method]
        if any(outcome.numbers is None and not outcome.skipped for outcome in own):
            continue  # a cell that failed has no number to compare others with
        if method in baselines and baseline.same_numbers(baselines[method], own, checked):
            continue
        baseline.write(folder, checked, own, _made())
        written.append(method)
    return written


@machine.configured()
def _made() -> dict[str, Any]:
    """Return where and when numbers were made, as they are committed."""
    import torch

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": machine.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "float32_products": machine.float32_products(),
        "packages": {name: environment.version(name) for name in PACKAGES},
    }
