"""The history of a training under a budget of time: when it ran out, and what was not reached."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.records.training import StageHistory
from benchmark.training.stage import Stage


def begun(stage: Stage) -> StageHistory:
    """Return the entry of a stage of which nothing was trained yet."""
    return StageHistory(name=stage.name, epochs=stage.epochs, waited=0.0)


def trained_seconds(history: Sequence[StageHistory]) -> float:
    """Return the seconds that the epochs of all stages took, those before a resume included."""
    return sum(entry.seconds or 0.0 for entry in history)


def ran_out(history: Sequence[StageHistory], seconds: float | None) -> bool:
    """Return whether the epochs so far took the budget of time."""
    return seconds is not None and trained_seconds(history) >= seconds


def cut_short(history: list[StageHistory], done: int, stages: Sequence[Stage]) -> None:
    """Write into a history that training stopped after ``done`` epochs of its last stage.

    ``epochs`` becomes what was done, and ``planned`` what was not reached. Stages that were never begun are added with
    0 epochs.
    """
    reached = len(history)
    planned = stages[reached - 1].epochs
    if done < planned:
        history[-1].epochs, history[-1].planned = done, planned
    for stage in stages[reached:]:
        entry = begun(stage)
        entry.epochs, entry.planned = 0, stage.epochs
        history.append(entry)
