"""What only the training loop sees of a cell: its options, who watches, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.progress import Progress
from benchmark.records.options import RunOptions

if TYPE_CHECKING:
    from benchmark.records.training import StageHistory
    from benchmark.training.checkpoint import CheckpointFile
    from benchmark.training.watch import Watch


@dataclass
class Session:
    """One training. No method is lent it, as the watch knows the test labels and the checkpoint its path.

    Given: the cell's ``options``, such as the budget and whether the step is compiled; ``checkpoint``, ``watch`` and
    ``progress``.
    Filled by the loop: ``history``, an entry for each stage that was begun; ``resumed``, the epochs taken over from a
    killed run; ``stopped_by``, what ended training before its schedule, ``time`` or nothing.
    """

    options: RunOptions = field(default_factory=RunOptions)
    checkpoint: CheckpointFile | None = None
    watch: Watch | None = None
    progress: Progress = field(default_factory=lambda: Progress("", enabled=False))
    history: list[StageHistory] = field(default_factory=list)
    resumed: int = 0
    stopped_by: str = ""
