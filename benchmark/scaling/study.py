"""A study of growth: its measurements are planned, made one after the other, kept, fitted and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.catalogue import registry
from benchmark.catalogue.choice import Choice, choose_method, read_settings
from benchmark.cells import plan
from benchmark.compute import machine
from benchmark.errors import BadInput, nearest
from benchmark.files.atomic import check_writable
from benchmark.paths import Roots
from benchmark.progress import Progress
from benchmark.scaling import laws, measure, store, table
from benchmark.scaling.task import Task, default_dataset
from reports.scaling import write as write_figures

Tell = Callable[[str], None]
"""Receives a line on what goes on."""


@dataclass(frozen=True)
class StudyRequest:
    """What is measured, as words of the command line; ``target`` is the number of videos to extrapolate to."""

    methods: Sequence[str]
    dataset: str | None
    sizes: Sequence[int]
    dim: int
    bits: int
    steps: int
    target: int
    preset: str | None
    settings: Sequence[str]
    device: str
    precision: str
    rerun: bool
    out: Path
    roots: Roots
    command: str


@dataclass(frozen=True)
class Study:
    """What became of a study: lines of text on it, files that were written, and how many measurements failed."""

    lines: Sequence[str]
    files: Sequence[Path]
    failed: int


def run(request: StudyRequest, tell: Tell) -> Study:
    """Measure what is not there yet, fit and draw what was asked for; a size that fails does not stop the others.

    Raises BadInput on a mistake.
    """
    tasks = plan_tasks(request)
    out = request.out
    check_writable(out / store.JSON)
    stored = {store.key_of(entry["identity"]): entry for entry in store.load(out)}
    failed = 0
    for task in tasks:
        key = store.key_of(task.identity())
        if key in stored and not request.rerun:
            tell(f"{_name(task)}: kept")
            continue
        measurement = _measure(task, request.command, tell)
        failed += measurement is None
        if measurement is not None:
            stored[key] = measurement
            store.save(out, list(stored.values()), {})
    own = [stored[key] for task in tasks if (key := store.key_of(task.identity())) in stored]
    if not own:
        return Study((), (), failed)
    return Study(*_finish(out, list(stored.values()), own, request.target), failed)


def plan_tasks(request: StudyRequest) -> list[Task]:
    """Return the measurements that were asked for, method by method; raises BadInput on a mistake."""
    if not request.methods:
        raise BadInput("scale needs --methods", next_step="'python -m benchmark list methods' shows them")
    _check_numbers(request)
    choices = {name: choose_method(name) for name in request.methods}
    settings = read_settings(request.settings)
    _check_names(settings, request.preset, list(choices.values()))
    device = machine.choose_device(request.device)
    tasks = [
        Task(
            method=name,
            size=size,
            dataset=request.dataset or default_dataset(),
            dim=request.dim,
            bits=request.bits,
            device=str(device),
            precision=machine.resolve_precision(
                request.precision, device, trained=choice.cls.trained_in_epochs, proven=bool(choice.cls.bf16)
            ),
            steps=request.steps,
            preset=request.preset,
            settings=settings.get(choice.name, {}),
            roots=request.roots,
        )
        for name, choice in choices.items()
        for size in sorted(set(request.sizes))
    ]
    for task in tasks:
        task.check()
    return list({store.key_of(task.identity()): task for task in tasks}.values())


def _check_numbers(request: StudyRequest) -> None:
    plan.check_numbers([request.bits], [])
    for option, value, least in (
        ("--sizes", min(request.sizes), 2),
        ("--dim", request.dim, 1),
        ("--steps", request.steps, 1),
        ("--target", request.target, 2),
    ):
        if value < least:
            raise BadInput(f"{option} is out of range", expected=f"{least} or more", found=value)


def _check_names(settings: Mapping[str, Any], preset: str | None, choices: Sequence[Choice]) -> None:
    for method in settings:
        if method not in {choice.name for choice in choices}:
            raise BadInput(f"--set {method}.*: method '{method}' is not among --methods")
    presets = sorted({name for choice in choices for name in choice.cls.presets})
    if preset is not None and preset not in presets:
        raise BadInput(f"no method of --methods has a preset '{preset}'; {nearest(preset, presets)}")


def _measure(task: Task, command: str, tell: Tell) -> dict[str, Any] | None:
    """Return a finished measurement with its identity and command, or None after telling why there is none."""
    tell(f"{_name(task)}: measuring")
    try:
        with Progress(f"{_name(task)}: measuring"):
            measurement = measure.in_own_process(task)
    except Exception as error:  # one size that fails does not stop the others
        tell(f"{_name(task)}: failed: {type(error).__name__}: {error}")
        return None
    return {"identity": task.identity(), "command": command, **measurement}


def _name(task: Task) -> str:
    return f"{task.method}, {task.size:,} videos"


def _finish(
    out: Path, stored: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]], target: int
) -> tuple[list[str], list[Path]]:
    """Fit, write and draw this study's own measurements; return lines of text and the files that were written."""
    fitted = laws.laws(own, target)
    store.save(out, stored, {"laws": fitted, "asked": [entry["identity"] for entry in own]})
    store.save_csv(out, own, fitted)
    lines = []
    for law in fitted:
        of_law = [entry for entry in own if laws.of_method(entry["identity"]) == law["identity"]]
        lines += [*table.lines(of_law, law), ""]
    lines += table.notes(own, target)
    figures = write_figures(out, out / store.JSON, sorted(registry.methods()))
    return lines, [out / store.JSON, out / store.CSV, *figures]
