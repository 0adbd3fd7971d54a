"""Affinity propagation of many small item sets at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

WINDOW = 15
"""Iterations over which the exemplars stay the same before a set counts as converged (scikit-learn's default)."""
_CHECK_EVERY = 8


class Clustering(NamedTuple):
    """labels (n, t) int64, the index of each item's exemplar; converged (n,) bool."""

    labels: Tensor
    converged: Tensor


ROUNDING = 2e-6
"""Squared distances of unit vectors below this are taken for rounding (our choice; float32 rounds 1 to 6e-8)."""


def negative_squared_distances(items: Tensor) -> Tensor:
    """Return ``(n, t, t)`` float64 for ``items`` (n, t, d) that are scaled to unit length; zero vectors stay zero.

    The inner products are in the dtype of the items. What is below the rounding of such a product becomes zero, so
    that equal items are at distance zero exactly.
    """
    products = torch.bmm(items, items.transpose(1, 2)).double()
    squares = products.diagonal(dim1=1, dim2=2).clamp(min=0)
    scale = torch.where(squares > 0, squares, 1).rsqrt()
    cosine = products * scale[:, :, None] * scale[:, None, :]
    length = (squares > 0).double()
    distance = length[:, :, None] + length[:, None, :] - 2 * cosine
    return -distance.masked_fill(distance < ROUNDING, 0)


def affinity_propagation(similarity: Tensor, damping: float = 0.5, iterations: int = 200) -> Clustering:
    """Cluster n sets of t items by affinity propagation (Frey and Dueck, Science 2007).

    similarity: (n, t, t) float64; its diagonal is replaced by the median of the whole matrix, scikit-learn's default
    preference. Noise of the size of one rounding breaks ties. The messages, the convergence rule and the final choice
    of each cluster's best member are those of scikit-learn's AffinityPropagation with ``random_state=0``. Where all
    similarities are equal, the items form one cluster, or one each if the preference is greater. The labels of a set
    that does not converge mean nothing.
    """
    t = similarity.shape[1]
    preference = similarity.flatten(1).sort(1).values[:, [(t * t - 1) // 2, t * t // 2]].mean(1)
    prepared = _with_preferences(similarity, preference)
    exemplars, converged = _messages(prepared, damping, iterations)
    labels = _assign(prepared, exemplars)
    off_diagonal = similarity.flatten(1)[:, 1:].unflatten(1, (t - 1, t + 1))[..., :-1] if t > 1 else similarity
    equal = (off_diagonal == off_diagonal[:, :1, :1]).flatten(1).all(1)
    alone = preference > off_diagonal[:, 0, 0]
    settled = torch.where(alone[:, None], torch.arange(t, device=labels.device), 0)
    return Clustering(torch.where(equal[:, None], settled, labels), converged | equal)


def _with_preferences(similarity: Tensor, preference: Tensor) -> Tensor:
    n, t, _ = similarity.shape
    out = similarity.clone()
    out.diagonal(dim1=1, dim2=2).copy_(preference[:, None].expand(n, t))
    noise = np.random.RandomState(0).standard_normal(size=(t, t))
    tiny = torch.finfo(torch.float64).tiny * 100
    return out + (torch.finfo(torch.float64).eps * out + tiny) * torch.from_numpy(noise).to(out)


def _messages(similarity: Tensor, damping: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Return the exemplar mask (n, t) and which sets converged (n,)."""
    n, t, _ = similarity.shape
    exemplars = torch.zeros(n, t, dtype=torch.bool, device=similarity.device)
    converged = torch.zeros(n, dtype=torch.bool, device=similarity.device)
    # The sets lie along the last axis: reductions over items then run over whole vectors of sets.
    s = similarity.permute(1, 2, 0).contiguous()
    responsibility, availability = torch.zeros_like(s), torch.zeros_like(s)
    active = torch.arange(n, device=s.device)
    done = torch.zeros(n, dtype=torch.bool, device=s.device)
    previous = torch.zeros(t, n, dtype=torch.bool, device=s.device)
    last = previous.clone()
    same = torch.zeros(n, dtype=torch.int32, device=s.device)
    step = 1 - damping
    for iteration in range(iterations):
        _update(s, responsibility, availability, step)
        chosen = (availability.diagonal() + responsibility.diagonal()).T > 0
        same = torch.where((chosen == previous).all(0), same + 1, 1)
        previous = chosen
        if iteration >= WINDOW:
            now = (same >= WINDOW) & chosen.any(0) & ~done
            last = torch.where(now, chosen, last)
            done |= now
        if iteration % _CHECK_EVERY == 0 or iteration == iterations - 1:
            converged[active[done]] = True
            exemplars[active[done]] = last.T[done]
            keep = (~done).nonzero()[:, 0]
            if not len(keep):
                break
            if len(keep) < 0.8 * len(active):
                s, responsibility, availability = (x[:, :, keep] for x in (s, responsibility, availability))
                previous, last = previous[:, keep], last[:, keep]
                active, done, same = active[keep], done[keep], same[keep]
    return exemplars, converged


def _update(s: Tensor, responsibility: Tensor, availability: Tensor, step: float) -> None:
    """Make one damped round of both messages, in place; all are (t item, t candidate, n)."""
    both = availability + s
    best = both.amax(1, keepdim=True)
    is_best = both == best
    second = both.masked_fill_(is_best, -torch.inf).amax(1, keepdim=True)
    second = torch.where(is_best.sum(1, keepdim=True) > 1, best, second)
    responsibility.lerp_(s - torch.where(is_best, second, best), step)
    support = responsibility.clamp(min=0)
    support.diagonal().copy_(responsibility.diagonal())
    new = support.sum(0, keepdim=True) - support
    own = new.diagonal().clone()
    new.clamp_(max=0).diagonal().copy_(own)
    availability.lerp_(new, step)


def _assign(similarity: Tensor, exemplars: Tensor) -> Tensor:
    """Return the exemplar of each item, (n, t), after each cluster took its best member for its exemplar."""
    n, t = exemplars.shape
    cluster = _nearest(similarity, exemplars)
    together = cluster[:, :, None] == cluster[:, None, :]
    fit = (similarity * together).sum(1)
    member = cluster[:, None, :] == torch.arange(t, device=cluster.device)[:, None]
    best = fit[:, None, :].expand(n, t, t).masked_fill(~member, -torch.inf).argmax(2)
    refined = torch.zeros_like(exemplars).scatter(1, best.gather(1, cluster), True)
    return _nearest(similarity, refined)


def _nearest(similarity: Tensor, exemplars: Tensor) -> Tensor:
    nearest = similarity.masked_fill(~exemplars[:, None, :], -torch.inf).argmax(2)
    own = torch.arange(exemplars.shape[1], device=exemplars.device)
    return torch.where(exemplars, own, nearest)
