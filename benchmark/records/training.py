"""What a record says of training: its stages, the learning curve, and how the result's epoch was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

Maps = Mapping[str, Mapping[str, float | None]]
"""Protocol preset -> ``map@K`` and ``map`` -> value; None for a NaN."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())
    _OPTIONAL: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of the file where they are None."""

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None or key not in self._OPTIONAL}


class StageHistory(_Stored):
    """One stage of a training. ``losses`` are epoch means of each term; times are in seconds.

    ``epochs`` were trained; ``planned`` were asked for, where training was cut short. ``waited`` is the part of
    ``seconds`` in which no batch was ready, None in records of before it was measured.
    """

    _OPTIONAL = frozenset({"planned", "waited"})
    name: str
    epochs: int = 0
    planned: int | None = None
    steps: int = 0
    seconds: float | None = 0.0
    waited: float | None = None
    losses: dict[str, list[float | None]] = {}

    @property
    def schedule(self) -> int:
        """Return the epochs that were asked for."""
        return self.epochs if self.planned is None else self.planned


class CurvePoint(_Stored):
    """mAP on the test queries after an epoch of the main stage, and the seconds of training until then."""

    epoch: int
    seconds: float | None = None
    metrics: Maps = {}


class Candidate(_Stored):
    """An epoch that was compared, with the mAP that it was compared by."""

    epoch: int
    value: float | None


class LastEpoch(_Stored):
    """mAP on the test queries after the last epoch, which the chosen one is compared with."""

    epoch: int | None = None
    metrics: Maps = {}


class HeldOut(_Stored):
    """The part of the training set that was held out to compare epochs; counts of videos."""

    queries: int
    database: int
    relevant: int
    trained_on: int | None = None
    whole_groups: bool | None = None
    digest: str = ""


class Selection(_Stored):
    """How the result's epoch was chosen: on ``test`` or ``validation``, by which mAP, and among which epochs."""

    _OPTIONAL = frozenset({"slice"})
    on: str = ""
    by: str = ""
    every: int = 1
    epoch: int | None = None
    candidates: list[Candidate] = []
    last: LastEpoch | None = None
    slice: HeldOut | None = None
