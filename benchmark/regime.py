"""What a training's history says of its end: whether the time ran out, and what was not reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def ran_out(history: Sequence[dict[str, Any]], seconds: float | None) -> bool:
    """Say whether the epochs of all stages so far, those before a resume included, took the budget."""
    return seconds is not None and sum(stage["seconds"] for stage in history) >= seconds


def cut_short(history: list[dict[str, Any]], done: int, planned: Sequence[tuple[str, int]]) -> None:
    """Write into a history that training stopped after ``done`` epochs of its last stage.

    planned: name and epochs of every stage. ``epochs`` becomes what was done, ``planned`` is what was not reached;
    stages that were never begun are added with 0 epochs.
    """
    reached = len(history)
    if done < planned[reached - 1][1]:
        history[-1] |= {"epochs": done, "planned": planned[reached - 1][1]}
    for name, epochs in planned[reached:]:
        history.append(
            {"name": name, "epochs": 0, "planned": epochs, "steps": 0, "seconds": 0.0, "waited": 0.0, "losses": {}}
        )
