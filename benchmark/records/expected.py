"""A cell that was planned, as the page sees it: what it is, and why it was not run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from benchmark.records.record import Identity


class ExpectedCell(BaseModel):
    """A planned cell. ``fingerprint`` is its data's, empty where it is not known; then any data of that name count.

    ``reason`` is why it cannot run, if it cannot. ``command`` fills it where that is not the command of its identity.
    """

    model_config = ConfigDict(frozen=True)

    identity: Identity
    fingerprint: str = ""
    reason: str = ""
    command: str = ""
