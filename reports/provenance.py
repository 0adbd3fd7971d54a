"""What made each number: one entry per record, environments told once, and the cards of datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.record import Record, remarks
from reports import style
from reports.matrix.holes import cell_command, fill_command
from reports.matrix.labels import budget_words
from reports.matrix.rows import Group, Row

PHASES = ("prepare", "fit", "encode", "evaluate")
DIAGNOSTICS = {
    "bit_balance": ("bit balance", "mean |mean of a bit|: 0 even, 1 constant"),
    "bit_correlation": ("bit correlation", "mean |correlation| of two bits"),
    "distinct_codes": ("distinct codes", "number of different codes in the database"),
    "distinct_share": ("distinct share", "number of distinct codes over that of videos"),
    "zero_share": ("zero share", "share of undecided bits"),
    "constant_bits": ("constant bits", "number of bits with one value everywhere"),
    "entropy_bits": ("code entropy, bits", "Shannon entropy of whole codes"),
}


def environments(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    """Return the distinct environments by their canonical text, each with a name E1, E2, .. and its records' count."""
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        for row in group.rows:
            for record in row.all:
                entry = found.setdefault(_text(record.environment), {"lines": flat(record.environment), "records": 0})
                entry["records"] += 1
    for number, text in enumerate(sorted(found), 1):
        found[text]["name"] = f"E{number}"
    return {text: found[text] for text in sorted(found)}


def flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted key, text) in key order."""
    lines: list[tuple[str, str]] = []
    for key, value in sorted(settings.items()):
        if isinstance(value, Mapping) and value:
            lines += flat(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", style.one_line(style.setting(value))))
    return lines


def entries(group: Group, known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry per record of a group, row by row."""
    return [_entry(group, row, record, known) for row in group.rows for record in row.all]


def _entry(group: Group, row: Row, record: Record, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    training, timing = record.training, record.timing
    identity = record.identity
    return {
        "label": row.label, "bits": identity.bits, "seed": identity.seed, "status": record.status, "key": record.key,
        "epochs": epochs(record), "steps": style.count(_total(record, "steps")),
        "fit": style.seconds(timing.get("fit")),
        "throughput": style.count(timing.get("encode_videos_per_second")),
        "memory": style.memory(record.peak_memory_bytes), "commit": commit(record),
        "environment": known[_text(record.environment)]["name"],
        "config": bool(identity.config), "budget": flat(budget_words(identity.budget)),
        "remarks": "; ".join(remarks(record)),
        "command": style.one_line(cell_command(group, record), limit=2000),
        "given": style.one_line(record.command, limit=2000),
        "diagnostics": [
            (DIAGNOSTICS.get(key, (key,))[0], _diagnostic(value)) for key, value in _ordered(record.diagnostics)
        ],
        "timing": [(key, style.seconds(timing.get(key))) for key in PHASES if key in timing],
        "stages": [_stage(stage) for stage in training.stages],
        "parameters": style.count(training.parameters), "resumed": training.resumed,
        "finished": style.one_line(record.finished),
        "failure": failure(record),
        "cell": f"{group.slug}/{row.slug}/{identity.bits}", "row": f"{group.slug}-{row.slug}",
        "stale": record.key in group.stale,
        "state": "stale" if record.key in group.stale else record.status,
        "maps": _maps(record),
    }  # fmt: skip


def stale(group: Group) -> list[dict[str, Any]]:
    """Return the rows whose records other code made than today's, with the command that makes them anew."""
    found = []
    for row in group.rows:
        old = [record for record in row.records if record.key in group.stale]
        if old:
            bits = sorted({record.identity.bits for record in old})
            seeds = sorted({record.identity.seed for record in old})
            again = f"{fill_command(group, row, bits, seeds)} --rerun stale"
            found.append({"label": row.label, "group": group.label, "bits": bits, "seeds": seeds, "command": again})
    return found


def epochs(record: Record) -> str:
    """Return the epochs of each stage joined by +, of how many if cut short, and whether a budget set them."""
    stages = record.training.stages
    shown = "+".join(style.count(stage.get("epochs")) for stage in stages) or style.NOTHING
    if any("planned" in stage for stage in stages):
        planned = "+".join(style.count(stage.get("planned", stage.get("epochs"))) for stage in stages)
        return f"{shown} of {planned} ({style.one_line(record.training.stopped_by or 'stopped')})"
    return f"{shown} (budget)" if "epochs" in record.identity.budget and stages else shown


def commit(record: Record) -> str:
    """Return the commit's first characters and whether files were changed on top of it."""
    found = record.code.get("commit")
    name = str(found)[:10] if found else f"version {record.code.get('version', 'unknown')}, no commit"
    return name + (" + changes" if record.code.get("dirty") else "")


def failure(record: Record) -> str:
    """Return why a cell has no numbers, in one line."""
    if record.status != "failed":
        return ""
    if record.failure is None:
        return "no reason is recorded"
    found = record.failure
    return style.one_line(f"{found.type} in {found.phase}: {found.message}")


def card(group: Group) -> dict[str, Any]:
    """Return what is known about a group's data: splits, classes, fingerprint and ceilings of mAP@K."""
    data = group.data
    if data is None:
        return {"known": False}
    splits = [
        {
            "name": name, "n": style.count(split.n), "official": style.count(split.official),
            "size": f"{split.frames} × {split.dim}", "fingerprint": style.one_line(split.fingerprint)[:16],
            "state": _split_state(split.n, split.official),
        }
        for name, split in sorted(data.splits.items(), key=lambda item: _split_place(item[0]))
    ]  # fmt: skip
    return {
        "known": True, "splits": splits, "classes": style.count(data.classes), "multi": data.multi_label,
        "self": data.self_retrieval, "subset": data.subset, "fingerprint": style.one_line(data.fingerprint),
        "empty_queries": _metric(group, "queries_without_relevant"),
    }  # fmt: skip


def _split_state(n: int, official: int | None) -> str:
    if official is None:
        return "no published count"
    return "official" if n == official else "subset" if n < official else "more than published"


def _split_place(name: str) -> tuple[int, str]:
    return {"train": 0, "database": 1, "query": 2}.get(name, 3), name


def _metric(group: Group, key: str) -> str:
    for row in group.rows:
        for record in row.records:
            for measured in record.metrics.values():
                if style.number(measured.metrics.get(key)) is not None:
                    return style.count(measured.metrics[key])
    return ""


def _maps(record: Record) -> str:
    """Return mAP under every preset, unrounded, in the order of the cut-offs, as preset:value,value;..."""
    return ";".join(
        f"{preset}:" + ",".join(
            "" if (value := style.number(measured.metrics.get(style.metric_key("map", cut)))) is None else repr(value)
            for cut in style.CUTS
        )
        for preset, measured in sorted(record.metrics.items())
    )  # fmt: skip


def _stage(stage: Mapping[str, Any]) -> str:
    losses = stage.get("losses")
    ends = []
    for name, values in sorted(losses.items()) if isinstance(losses, Mapping) else []:
        numbers = [style.number(value) for value in values] if isinstance(values, list) else []
        if numbers:
            ends.append(f"{name} {style.rounded(numbers[0], 4)} → {style.rounded(numbers[-1], 4)}")
    work = f"{style.count(stage.get('epochs'))} epochs, {style.count(stage.get('steps'))} steps"
    head = f"{stage.get('name', 'stage')}: {work}, {style.seconds(stage.get('seconds'))}"
    return style.one_line("; ".join([head, *ends]))


def _diagnostic(value: Any) -> str:
    found = style.number(value)
    if found is None:
        return style.NOTHING
    return style.count(found) if found == int(found) and abs(found) > 1 else style.rounded(found, 4)


def _ordered(diagnostics: Mapping[str, Any]) -> list[tuple[str, Any]]:
    order = list(DIAGNOSTICS)
    return sorted(diagnostics.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0]))


def _total(record: Record, key: str) -> float | None:
    found = [style.number(stage.get(key)) for stage in record.training.stages]
    known = [value for value in found if value is not None]
    return sum(known) if known else None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
