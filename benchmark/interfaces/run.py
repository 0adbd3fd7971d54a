"""What the engine lends to a method for one cell: generators, a log, shared artefacts, progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from benchmark import seeds
from benchmark.interfaces.names import FP32

if TYPE_CHECKING:
    import numpy as np
    import torch

    from benchmark.interfaces.videos import Videos


class Artefacts(Protocol):
    """Where shared arrays are kept: a store on disk, or one in memory."""

    def get(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *, of: str, params: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return the arrays of this name, content fingerprint and parameters, made where they are not there yet."""


class Run:
    """What a method is lent for one cell. It shows no path, no global, no label and no callback that sees one.

    ``precision`` is that of matrix products, ``fp32`` or ``bf16``. ``scalars`` is what was logged so far. The
    constructor's ``artefacts``, ``advance`` and ``phase`` are what the methods of these names call; without them
    ``artefact`` makes its arrays on every call, and the others do nothing.
    """

    def __init__(
        self,
        seed: int,
        device: torch.device,
        precision: str = FP32,
        *,
        artefacts: Artefacts | None = None,
        advance: Callable[[int], None] | None = None,
        phase: Callable[[str, int], None] | None = None,
    ) -> None:
        self.seed, self.device, self.precision = seed, device, precision
        self.scalars: dict[str, float] = {}
        _SERVICES[self] = _Services(artefacts, advance, phase)

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """Return a numpy generator derived from the cell's seed and the purpose."""
        return seeds.generator(self.seed, *purpose)

    def torch_rng(self, *purpose: str | int) -> torch.Generator:
        """Return a torch CPU generator derived from the cell's seed and the purpose."""
        return seeds.torch_generator(self.seed, *purpose)

    def log(self, **values: float) -> None:
        """Record named scalars of the fit (a residual, an explained variance) in the cell's record."""
        self.scalars.update({name: float(value) for name, value in values.items()})

    def artefact(
        self, name: str, make: Callable[[], Mapping[str, np.ndarray]], *, of: Videos, **params: Any
    ) -> dict[str, np.ndarray]:
        """Return arrays that are a pure function of (name, videos, params), made once and shared between cells."""
        store = _services(self).artefacts
        return dict(make()) if store is None else store.get(name, make, of=of.fingerprint, params=params)

    def phase(self, name: str, total: int) -> None:
        """Show that a long preparation of ``total`` videos starts; the engine names the phases of its own."""
        show = _services(self).phase
        if show is not None:
            show(name, total)

    def advance(self, videos: int) -> None:
        """Show that so many videos of the current phase are done."""
        show = _services(self).advance
        if show is not None:
            show(videos)


@dataclass(frozen=True)
class _Services:
    artefacts: Artefacts | None = None
    advance: Callable[[int], None] | None = None
    phase: Callable[[str, int], None] | None = None


# The services know folders and the terminal. They are kept here and not on the Run, so that no attribute of a method
# leads to them.
_SERVICES: WeakKeyDictionary[Run, _Services] = WeakKeyDictionary()


def _services(run: Run) -> _Services:
    """Return what a Run was made with; a copy of a Run has none."""
    return _SERVICES.get(run, _Services())
