"""Making the next batch in a thread while the present one is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


class Ahead(Generic[Item, Made]):
    """Yields ``make(item)`` in order, always making one ahead; ``waited`` adds up the seconds spent waiting for it."""

    def __init__(self, make: Callable[[Item], Made], items: Iterable[Item]) -> None:
        self.make, self.items, self.waited = make, items, 0.0

    def __iter__(self) -> Iterator[Made]:
        with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
            pending: Future[Made] | None = None
            for item in self.items:
                following = pool.submit(self.make, item)
                if pending is not None:
                    yield self._result(pending)
                pending = following
            if pending is not None:
                yield self._result(pending)

    def _result(self, pending: Future[Made]) -> Made:
        began = time.perf_counter()
        made = pending.result()
        self.waited += time.perf_counter() - began
        return made


def pinned(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Return the batch in memory from which a GPU copies while it computes; for another device, the batch itself."""
    if device.type != "cuda":
        return batch
    return {name: value if value.is_cuda else value.pin_memory() for name, value in batch.items()}
