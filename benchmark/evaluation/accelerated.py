"""What ``ranking.rank_batch`` does, on a torch device: distances by a matrix product, ranks by a stable sort.

Counts and ranks are whole numbers and are equal to the kernels' wherever they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmark.evaluation.hamming import Codes, unpack
from benchmark.evaluation.labels import Relevance

EXACT_IN_HALF = 2048
"""Whole numbers up to here are exact in float16, and so are sums of that many products of ±1 and 0."""


class Ranker:
    """Query and database codes on a device, ranked batch by batch.

    Beside the codes a batch of m queries takes about 40 bytes for each of its m x database pairs.
    """

    def __init__(self, query: Codes, database: Codes, related: Relevance, device: torch.device) -> None:
        half = device.type == "cuda" and query.bits <= EXACT_IN_HALF
        dtype = torch.float16 if half else torch.float32
        self.query, self.database = (torch.from_numpy(unpack(codes)).to(device, dtype) for codes in (query, database))
        ternary = query.nonzero is not None or database.nonzero is not None
        self.bits, self.step = query.bits, 1 if ternary else 2
        self.bins = 2 * query.bits // self.step + 1
        self.narrow = torch.int16 if self.bins < 2**15 else torch.int32
        self.related, self.device = related, device

    def batch(
        self, first: int, last: int, exclude: Sequence[int], rank_start: np.ndarray, room: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return counts, hits, ranks and n_relevant of queries first..last-1, as ``rank_batch`` writes them.

        exclude: (S,) 1 where item q is taken out of the ranking of query q. rank_start: (m,) where a query's ranks
        begin among ``room`` places. Unlike there, places of ``ranks`` without a rank are 0.
        """
        m = last - first
        products = self.query[first:last] @ self.database.T
        bins = ((self.bits - products.float()) / self.step).to(torch.int64)
        relevant = self._relevant(first, last)
        counts, hits = np.empty((2, len(exclude), m, self.bins), np.int64)
        ranks, n_relevant = np.zeros((len(exclude), room), np.int64), np.empty((len(exclude), m), np.int64)
        own = torch.arange(m, device=self.device)
        for s, excluded in enumerate(exclude):
            if excluded:  # sorted behind everything else and counted in a bin that is cut off
                bins[own, own + first] = self.bins
                relevant[own, own + first] = False
            rows = own[:, None] * (self.bins + 1) + bins
            counts[s] = self._histogram(rows.flatten(), m)
            hits[s] = self._histogram(rows[relevant], m)
            n_relevant[s] = relevant.sum(1).cpu().numpy()
            order = bins.to(self.narrow).sort(dim=1, stable=True).indices
            of_query, rank = relevant.gather(1, order).nonzero(as_tuple=True)
            places = rank_start + n_relevant[s] - np.cumsum(n_relevant[s])
            ranks[s, places[of_query.cpu().numpy()] + np.arange(len(rank))] = rank.cpu().numpy() + 1
        return counts, hits, ranks, n_relevant

    def _histogram(self, rows: Tensor, m: int) -> np.ndarray:
        counted = torch.bincount(rows, minlength=m * (self.bins + 1)).view(m, self.bins + 1)
        return counted[:, : self.bins].cpu().numpy()

    def _relevant(self, first: int, last: int) -> Tensor:
        """Return (m, n) bool: which items share a class with each query."""
        start, classes, class_start, class_rows = self.related
        mine = classes[start[first] : start[last]]
        sizes = class_start[mine + 1] - class_start[mine]
        queries = np.repeat(np.arange(last - first), np.diff(start[first : last + 1])).repeat(sizes)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = class_rows[np.repeat(class_start[mine], sizes) + within]
        relevant = torch.zeros(last - first, len(self.database), dtype=torch.bool, device=self.device)
        relevant[torch.from_numpy(queries).to(self.device), torch.from_numpy(rows).to(self.device)] = True
        return relevant
