"""``robustness``: what trained cells lose when their queries are damaged."""

from __future__ import annotations

import argparse
import inspect
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import shared
from benchmark.options import DEVICES

if TYPE_CHECKING:
    import torch

    from benchmark.dataset import Dataset, Roots
    from benchmark.record import Record
    from benchmark.robustness_file import Robustness


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "robustness",
        help="measure what trained cells lose when queries are damaged",
        description="Perturb the queries of finished cells (drop, shuffle, reverse, crop, noise), encode them with the "
        "cell's model.pt and rank them against its stored database codes. Nothing is trained.",
    )
    parser.add_argument("--methods", nargs="+", metavar="M", help="only these: names, or name:variant")
    parser.add_argument("--datasets", nargs="+", metavar="D", help="only these, named as for run")
    parser.add_argument("--bits", nargs="+", type=int, metavar="B", help="only these code lengths")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="only these seeds")
    parser.add_argument("--rerun", action="store_true", help="measure again the cells that have it")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    parser.add_argument("--no-page", action="store_true", help="leave the page as it is; 'report' builds it later")
    shared.add_results(parser)
    shared.add_roots(parser)
    parser.set_defaults(call=call)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark import record
    from benchmark.errors import BadInput

    results = shared.results_folder(args.results)
    if not results.is_dir():
        raise BadInput("no such results folder", file=results, next_step="'python -m benchmark run' makes one")
    found = record.scan(results)
    done = [item for item in found.records if item.status == "done"]
    opened = open_named(args.datasets, shared.roots(args))
    chosen = choose(done, args.methods, opened, args.bits, args.seeds)
    if not chosen:
        raise BadInput("no finished cell is of this choice", file=results, next_step="'python -m benchmark status'")
    opened = opened or open_again(results, chosen, shared.roots(args))
    cells = [Cell(item, found.folders[item.key], opened[of(item)]) for item in chosen]
    failed = run(cells, shared.roots(args), args.device, args.rerun)
    if not args.no_page:
        from benchmark.commands.report import build

        page = build(results, shared.page_folder(results), (), shared.roots(args))
        print(f"page: {shared.shown(page)}")
    return 1 if failed else 0


@dataclass(frozen=True)
class Cell:
    """A finished cell with the data it was made from."""

    record: Record
    folder: Path
    dataset: Dataset


Opened = Mapping[tuple[str, str], "Dataset"]
"""Datasets by name and fingerprint."""


def of(item: Record) -> tuple[str, str]:
    """Return name and fingerprint of a record's data."""
    return item.identity.dataset, item.data.fingerprint if item.data else ""


def open_named(arguments: Sequence[str] | None, roots: Roots) -> Opened:
    """Open datasets that were named on the command line."""
    from benchmark import registry

    opened = [registry.open_dataset(argument, roots) for argument in dict.fromkeys(arguments or [])]
    return {(dataset.name, dataset.fingerprint): dataset for dataset in opened}


def open_again(results: Path, records: Iterable[Record], roots: Roots) -> Opened:
    """Open the data of records by the arguments that named them; raises BadInput where these are other data now."""
    from benchmark import facts, registry
    from benchmark.subset import reduced

    opened = {}
    for name, fingerprint in dict.fromkeys(map(of, records)):
        known = facts.read(results, name, fingerprint)
        argument, drawn = (known.argument, known.drawn) if known else (name, None)
        dataset = reduced(registry.open_dataset(argument, roots), drawn)
        if dataset.fingerprint != fingerprint:
            raise _other_data(name, fingerprint, dataset.fingerprint)
        opened[name, fingerprint] = dataset
    return opened


def _other_data(name: str, expected: str, found: str) -> Exception:
    from benchmark.errors import BadInput

    return BadInput(
        f"dataset '{name}' is not the one that the cells were made from",
        expected=f"fingerprint {expected[:16]}",
        found=found[:16],
        next_step="give its folder by --data-root or --datasets, or leave these cells out",
    )


def choose(
    done: Sequence[Record],
    methods: Sequence[str] | None,
    opened: Opened,
    bits: Sequence[int] | None,
    seeds: Sequence[int] | None,
) -> list[Record]:
    """Return the records of a choice, each part of which is all where it is None or empty; raises BadInput.

    A named dataset whose cells were all made from other data is refused; where some fit, the others are left out.
    """
    from benchmark.catalogue.choice import choose_method

    readings = [(choose_method(name), ":" in name) for name in methods or []]
    kept = [item for item in done if not bits or item.identity.bits in bits]
    kept = [item for item in kept if not seeds or item.identity.seed in seeds]
    if readings:
        kept = [
            item for item in kept
            if any(item.identity.method == choice.name and (not exact or item.identity.variant == choice.variant)
                   for choice, exact in readings)
        ]  # fmt: skip
    for name, fingerprint in opened:
        others = [of(item)[1] for item in kept if of(item)[0] == name and of(item) not in opened]
        if others and not any(of(item) == (name, fingerprint) for item in kept):
            raise _other_data(name, others[0], fingerprint)
    return [item for item in kept if not opened or of(item) in opened]


def run(cells: Sequence[Cell], roots: Roots, device: str, again: bool) -> int:
    """Measure cells one after the other, print a line for each and a table, and return how many could not be.

    A cell that has it is kept unless ``again``; another process's cell is waited for.
    """
    from filelock import FileLock

    from benchmark import environment, machine, robustness_summary
    from benchmark.errors import BadInput, TrainingDiverged
    from benchmark.evaluation.evaluator import warm_up
    from benchmark.executors import LOCK

    machine.set_up()
    warm_up()
    place = environment.choose_device(device)
    failed, held = 0, []
    for number, cell in enumerate(cells, 1):
        head = f"[{number:>{len(str(len(cells)))}}/{len(cells)}] {robustness_summary.label(cell.record)}"
        try:
            with FileLock(cell.folder / LOCK):
                found = None if again else _kept(cell)
                kept = found is not None
                found = found or _measure(cell, roots, place, head)
        except (BadInput, TrainingDiverged) as error:
            failed += 1
            print(f"{head}: NOT MEASURED: {error}", flush=True)
            continue
        held.append((cell.record, found))
        print(f"{head}: {robustness_summary.line(found, kept)}", flush=True)
    robustness_summary.show(held)
    return failed


def _kept(cell: Cell) -> Robustness | None:
    """Return what was measured of today's codes of the cell, or None where it is to be measured."""
    from benchmark import robustness_file

    found = robustness_file.read(cell.folder, cell.record.key)
    if isinstance(found, str):
        return None
    if any(isinstance(robustness_file.read_precisions(cell.folder, found, name), str) for name in found.clean):
        return None
    return found if found.codes == robustness_file.code_digest(_codes(cell)) else None


def _measure(cell: Cell, roots: Roots, device: torch.device, label: str) -> Robustness:
    from datetime import UTC, datetime

    from benchmark import environment, record, robustness, robustness_file
    from benchmark.artefacts import ArtefactStore
    from benchmark.catalogue.choice import choose_method
    from benchmark.commands.encode import restore
    from benchmark.evaluation.protocol import Protocol
    from benchmark.progress import Progress

    item, dataset = cell.record, cell.dataset
    choice = choose_method(f"{item.identity.method}:{item.identity.variant}")
    codes, queries = _codes(cell), dataset.split("query")
    method = restore(choice, cell.folder / record.MODEL, queries, {}, device)
    protocols = {name: Protocol.model_validate(held.protocol) for name, held in item.metrics.items()}
    unit = robustness.noise_unit(dataset, ArtefactStore(roots.cache / "artefacts"))
    with Progress(label) as progress:
        progress.phase("perturbed queries", len(queries) * (1 + len(robustness_file.conditions())))
        found = robustness.measure(method, dataset, codes, protocols, unit, progress.advance)
    whole = robustness_file.Robustness(
        key=item.key,
        codes=robustness_file.code_digest(codes),
        settings=robustness_file.settings(),
        clean=found.clean,
        perturbed=found.perturbed,
        self_retrieval=dataset.self_retrieval,
        code=environment.code_identity(choice.name, Path(inspect.getfile(type(dataset)))),
        environment=environment.describe(device),
        timing=found.timing,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    robustness_file.write(cell.folder, whole, found.precisions)
    return whole


def _codes(cell: Cell) -> Any:
    """Return the stored codes of database and query; raises BadInput where they cannot be read."""
    from benchmark.code_file import read_codes
    from benchmark.errors import BadInput
    from benchmark.record import CODES

    try:
        codes = read_codes(cell.folder / CODES)
        return {name: codes[name] for name in ("database", "query")}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            "its stored codes cannot be read", file=cell.folder / CODES, next_step="run the cell again with --rerun all"
        ) from error
