"""The robustness of trained cells: which are chosen, with which data, and the loop that measures them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.catalogue import registry
from benchmark.catalogue.choice import choose_method
from benchmark.cells.model_file import restore
from benchmark.cells.state import LOCK
from benchmark.compute import machine
from benchmark.data.subset import reduced
from benchmark.errors import BadInput, TrainingDiverged
from benchmark.evaluation.evaluator import warm_up
from benchmark.evaluation.protocol import Protocol
from benchmark.files.arrays import Unreadable
from benchmark.files.artefacts import ArtefactStore
from benchmark.files.lock import locked
from benchmark.paths import Roots
from benchmark.progress import Progress
from benchmark.records import environment, facts, store
from benchmark.records import robustness as robustness_file
from benchmark.records.code_digest import code_identity
from benchmark.records.code_file import read_codes
from benchmark.records.record import CODES, MODEL, Record
from benchmark.records.robustness import Robustness
from benchmark.robustness import measure, summary

if TYPE_CHECKING:
    import torch

    from benchmark.catalogue.choice import Choice
    from benchmark.evaluation.hamming import Codes
    from benchmark.interfaces.dataset import Dataset


@dataclass(frozen=True)
class TrainedCell:
    """A finished cell with the data it was made from."""

    record: Record
    folder: Path
    dataset: Dataset


@dataclass(frozen=True)
class Wanted:
    """Which cells to measure, as words of the command line; an empty part stands for all."""

    methods: Sequence[str] = ()
    datasets: Sequence[str] = ()
    bits: Sequence[int] = ()
    seeds: Sequence[int] = ()


DataId = tuple[str, str]
"""Name and fingerprint of a dataset."""
Datasets = Mapping[DataId, "Dataset"]


def data_of(record: Record) -> DataId:
    """Return name and fingerprint of a record's data."""
    return record.identity.dataset, record.data.fingerprint if record.data else ""


def find_cells(results: Path, wanted: Wanted, roots: Roots) -> list[TrainedCell]:
    """Return the finished cells of a choice with their data opened; raises BadInput where there are none."""
    if not results.is_dir():
        raise BadInput("no such results folder", file=results, next_step="'python -m benchmark run' makes one")
    contents = store.scan(results)
    done = [record for record in contents.records if record.status == "done"]
    named = open_named(wanted.datasets, roots)
    records = choose(done, wanted, named)
    if not records:
        raise BadInput("no finished cell is of this choice", file=results, next_step="'python -m benchmark status'")
    datasets = named or open_again(results, records, roots)
    return [TrainedCell(record, contents.folders[record.place], datasets[data_of(record)]) for record in records]


def open_named(arguments: Sequence[str], roots: Roots) -> Datasets:
    """Open datasets that were named on the command line."""
    datasets = [registry.open_dataset(argument, roots) for argument in dict.fromkeys(arguments)]
    return {(dataset.name, dataset.fingerprint): dataset for dataset in datasets}


def open_again(results: Path, records: Iterable[Record], roots: Roots) -> Datasets:
    """Open the data of records by the arguments that named them; raises BadInput where these are other data now."""
    datasets = {}
    for name, fingerprint in dict.fromkeys(map(data_of, records)):
        stored = facts.read(results, name, fingerprint)
        argument, subset = (stored.argument, stored.drawn) if stored else (name, None)
        dataset = reduced(registry.open_dataset(argument, roots), subset)
        if dataset.fingerprint != fingerprint:
            raise _other_data(name, fingerprint, dataset.fingerprint)
        datasets[name, fingerprint] = dataset
    return datasets


def _other_data(name: str, expected: str, fingerprint: str) -> BadInput:
    return BadInput(
        f"dataset '{name}' is not the one that the cells were made from",
        expected=f"fingerprint {expected[:16]}",
        found=fingerprint[:16],
        next_step="give its folder by --data-root or --datasets, or leave these cells out",
    )


def choose(done: Sequence[Record], wanted: Wanted, named: Datasets) -> list[Record]:
    """Return the finished records of a choice; ``named`` are its datasets, opened, where it names any.

    Raises BadInput where a method is unknown, and where all cells of a named dataset were made from other data; where
    only some were, these are left out.
    """
    choices = [(choose_method(name), ":" in name) for name in wanted.methods]
    records = [
        record
        for record in done
        if (not wanted.bits or record.identity.bits in wanted.bits)
        and (not wanted.seeds or record.identity.seed in wanted.seeds)
        and (not choices or any(_is_of(record, choice, exact) for choice, exact in choices))
    ]
    for name, fingerprint in named:
        others = [data_of(item)[1] for item in records if data_of(item)[0] == name and data_of(item) not in named]
        if others and not any(data_of(item) == (name, fingerprint) for item in records):
            raise _other_data(name, others[0], fingerprint)
    return [record for record in records if not named or data_of(record) in named]


def _is_of(record: Record, choice: Choice, exact: bool) -> bool:
    """Return whether a record is of a chosen method and, where that was named, of the variant."""
    identity = record.identity
    return identity.method == choice.name and (not exact or identity.variant == choice.variant)


@machine.configured()
def run(cells: Sequence[TrainedCell], roots: Roots, device: str, again: bool) -> int:
    """Measure cells one after the other, print a line for each and a table, and return how many could not be.

    A cell that was measured is left as it is unless ``again``. A cell that another process has locked is waited for.
    """
    warm_up()
    torch_device = machine.choose_device(device)
    failed, measured = 0, []
    for number, cell in enumerate(cells, 1):
        head = f"[{number:>{len(str(len(cells)))}}/{len(cells)}] {summary.label(cell.record)}"
        try:
            stored = None if again else _stored(cell)
            if stored is None:
                with locked(cell.folder / LOCK, wait=True):
                    stored = None if again else _stored(cell)  # another process may have measured it since
                    outcome = stored or _measure(cell, roots, torch_device, head)
            else:
                outcome = stored
        except (BadInput, TrainingDiverged, OSError) as error:
            failed += 1
            print(f"{head}: NOT MEASURED: {error}", flush=True)
            continue
        measured.append((cell.record, outcome))
        print(f"{head}: {summary.line(outcome, earlier=stored is not None)}", flush=True)
    summary.show(measured)
    return failed


def _stored(cell: TrainedCell) -> Robustness | None:
    """Return what was measured of today's codes of the cell, or None where it is to be measured."""
    outcome = robustness_file.read(cell.folder, cell.record.key)
    if isinstance(outcome, str):
        return None
    if any(isinstance(robustness_file.read_precisions(cell.folder, outcome, name), str) for name in outcome.clean):
        return None
    return outcome if outcome.codes == robustness_file.code_digest(_codes(cell)) else None


def _measure(cell: TrainedCell, roots: Roots, device: torch.device, label: str) -> Robustness:
    record, dataset = cell.record, cell.dataset
    choice = choose_method(f"{record.identity.method}:{record.identity.variant}")
    codes, queries = _codes(cell), dataset.split("query")
    method = restore(choice, cell.folder / MODEL, queries.shape, {}, device)
    protocols = {name: Protocol.model_validate(metrics.protocol) for name, metrics in record.metrics.items()}
    unit = measure.noise_unit(dataset, ArtefactStore(roots.cache / "artefacts"))
    with Progress(label) as progress:
        progress.phase("perturbed queries", len(queries) * (1 + len(robustness_file.conditions())))
        measurement = measure.measure(method, dataset, codes, protocols, unit, progress.advance)
    outcome = Robustness(
        key=record.key,
        codes=robustness_file.code_digest(codes),
        settings=robustness_file.settings(),
        clean=measurement.clean,
        perturbed=measurement.perturbed,
        self_retrieval=dataset.self_retrieval,
        code=code_identity(choice.name, dataset),
        environment=environment.describe(device),
        timing=measurement.timing,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    robustness_file.write(cell.folder, outcome, measurement.precisions)
    return outcome


def _codes(cell: TrainedCell) -> dict[str, Codes]:
    """Return the stored codes of database and query; raises BadInput where they cannot be read."""
    try:
        codes = read_codes(cell.folder / CODES)
        return {name: codes[name] for name in ("database", "query")}
    except (Unreadable, KeyError) as error:
        raise BadInput(
            "its stored codes cannot be read", file=cell.folder / CODES, next_step="run the cell again with --rerun all"
        ) from error
