"""The committed numbers: one file per method beside ``check.toml``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import BadInput
from benchmark.files.atomic import write_json
from benchmark.regression.cells import CheckOutcome
from benchmark.regression.plan import Plan

SPREADS = "spreads.json"


class Numbers(BaseModel):
    """The numbers of one code length, as ``numbers.taken`` returns them."""

    model_config = ConfigDict(extra="forbid")

    map: dict[str, dict[str, float]]
    codes: dict[str, float]
    losses: dict[str, dict[str, list[float]]]


class Baseline(BaseModel):
    """What a method is compared with. ``check``, ``config`` and ``data`` say what was run; ``made`` where and when."""

    model_config = ConfigDict(extra="forbid")

    method: str
    check: dict[str, Any]
    config: dict[str, Any]
    data: str
    made: dict[str, Any]
    bits: dict[int, Numbers]


def path_of(folder: Path, method: str) -> Path:
    """Return the file of a method."""
    return folder / f"{method}.json"


def read_all(folder: Path) -> dict[str, Baseline]:
    """Return every baseline of a folder by method; raises BadInput at a file that is none."""
    files = sorted(path for path in folder.glob("*.json") if path.name != SPREADS)
    return {path.stem: _read(path) for path in files}


def _read(path: Path) -> Baseline:
    try:
        return Baseline.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"is no baseline: {first['msg']}", file=path, key=where, next_step=_AGAIN) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", file=path, next_step=_AGAIN) from error


_AGAIN = "'python -m benchmark check --update' writes it anew"


def write(folder: Path, plan: Plan, outcomes: Sequence[CheckOutcome], made: Mapping[str, Any]) -> None:
    """Write the baseline of one method from its cells; those that cannot run are left out."""
    done = [outcome for outcome in outcomes if outcome.numbers is not None]
    if not done:
        return
    first = done[0]
    baseline = Baseline(
        method=first.method,
        check=plan.described(),
        config=dict(first.config or {}),
        data=first.data,
        made=dict(made),
        bits={outcome.bits: Numbers.model_validate(outcome.numbers) for outcome in done},
    )
    write_json(path_of(folder, first.method), baseline.model_dump(mode="json"))


def same_numbers(baseline: Baseline, outcomes: Sequence[CheckOutcome], plan: Plan) -> bool:
    """Return whether writing these cells would change nothing but where and when they were made."""
    done = [outcome for outcome in outcomes if outcome.numbers is not None]
    return (
        {outcome.bits: Numbers.model_validate(outcome.numbers) for outcome in done} == baseline.bits
        and plan.described() == baseline.check
        and all((outcome.config, outcome.data) == (baseline.config, baseline.data) for outcome in done)
    )
