"""What a dataset offers, beyond ``Dataset``, that can be made in any size."""

from __future__ import annotations

from abc import abstractmethod

from benchmark.dataset import Dataset


class Scalable(Dataset):
    """A dataset whose numbers of videos and dimensions are asked for; nothing of that size is stored."""

    @classmethod
    @abstractmethod
    def size_options(cls, *, train: int, database: int, query: int, dim: int) -> dict[str, int]:
        """Return the options, as in ``name:option=value,...``, that ask for so many videos and dimensions."""
