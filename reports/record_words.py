"""A record in words: its epochs, the code that made it, why it failed, and the command that makes it again."""

from __future__ import annotations

from benchmark.records.record import Record
from reports.drawing import style


def epochs(record: Record) -> str:
    """Return the epochs of each stage joined by +, of how many if cut short, and whether a budget set them."""
    stages = record.training.stages
    shown = "+".join(style.count(stage.epochs) for stage in stages) or style.NOTHING
    if any(stage.planned is not None for stage in stages):
        planned = "+".join(style.count(stage.schedule) for stage in stages)
        return f"{shown} of {planned} ({style.one_line(record.training.stopped_by or 'stopped')})"
    return f"{shown} (budget)" if "epochs" in record.identity.budget and stages else shown


def commit(record: Record) -> str:
    """Return the commit's first characters and whether files were changed on top of it."""
    commit = record.code.get("commit")
    name = str(commit)[:10] if commit else f"version {record.code.get('version', 'unknown')}, no commit"
    return name + (" + changes" if record.code.get("dirty") else "")


def failure(record: Record) -> str:
    """Return why a cell has no numbers, in one line."""
    if record.status != "failed":
        return ""
    if record.failure is None:
        return "no reason is recorded"
    return style.one_line(f"{record.failure.type} in {record.failure.phase}: {record.failure.message}")
