"""Prototypical contrast of frames against the scenes of their videos."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from methods.parts.precision import full_precision

SMOOTHING = 10.0
"""Added to the number of members inside the logarithm of a concentration (PCL, Li et al., ICLR 2021, section 3.4)."""

LEAST_SHARE = 0.25
"""A concentration is at least this share of its clip's mean (our choice), as members that coincide would give 0."""


class Prototypes(NamedTuple):
    """Of two clips of n videos with up to S scenes.

    centres: (n, 2, S, d) unit vectors, one set for the tokens of each clip. concentration: (n, 2, S), positive.
    present: (n, S) bool, the scenes that either clip shows.
    """

    centres: Tensor
    concentration: Tensor
    present: Tensor


@full_precision
def scene_prototypes(
    embeddings: Tensor, scenes: Tensor, most: int, concentration: float, adaptive: bool = False
) -> Prototypes:
    """Return the prototypes that the tokens of each clip are compared with; no gradient flows through them.

    embeddings: (n, 2, m, d) unit vectors, the tokens of two clips. scenes: (n, 2, m) integers below ``most``.
    A prototype for clip 1 is the normalised sum of the scene's tokens in clip 2, and the other way round; a scene that
    the other clip lacks takes the tokens of both. ``adaptive`` gives each scene its own concentration (PCL, equation
    12): the mean distance of its members to the prototype over ln(members + 10), scaled so that the mean over a
    video's scenes is ``concentration``; a scene with one member takes the largest of the others.
    """
    embeddings = embeddings.detach()
    member = functional.one_hot(scenes, most).to(embeddings.dtype)
    sums = member.transpose(2, 3) @ embeddings
    sizes = member.sum(2)
    absent = sizes.flip(1)[..., None] == 0
    centres = functional.normalize(torch.where(absent, sums.sum(1, keepdim=True), sums.flip(1)), dim=3)
    present = sizes.sum(1) > 0
    if adaptive:
        spread = _concentrations(embeddings, member, centres, absent, present) * concentration
    else:
        spread = torch.full_like(sizes, concentration)
    return Prototypes(centres, spread, present)


def _concentrations(embeddings: Tensor, member: Tensor, centres: Tensor, absent: Tensor, present: Tensor) -> Tensor:
    """Return (n, 2, S) with a mean of 1 over the scenes that are present."""
    m = member.shape[2]
    cosine = centres @ embeddings.flatten(1, 2).transpose(1, 2)[:, None]
    distance = (2 - 2 * cosine).clamp(min=0).sqrt()
    other = ~torch.eye(2, dtype=torch.bool, device=member.device).repeat_interleave(m, dim=1)
    used = member.flatten(1, 2).transpose(1, 2)[:, None] * (other[:, None] | absent)
    sizes = used.sum(3)
    spread = (used * distance).sum(3) / sizes.clamp(min=1) / (sizes + SMOOTHING).log()
    several = sizes > 1
    largest = (spread * several).amax(2, keepdim=True)
    spread = torch.where(several, spread, largest) * present[:, None]
    spread = torch.where(largest > 0, spread, present[:, None].to(spread.dtype))
    count = present.sum(1).clamp(min=1)[:, None, None]
    spread = spread.maximum(LEAST_SHARE * spread.sum(2, keepdim=True) / count)
    mean = (spread * present[:, None]).sum(2, keepdim=True) / count
    return spread / mean


@full_precision
def scene_contrast(embeddings: Tensor, scenes: Tensor, prototypes: Prototypes, across_videos: bool = False) -> Tensor:
    """Return the mean over tokens of -ln(softmax over scenes of (token · prototype / concentration) at its own scene).

    The scenes are those of the token's video, or all of the batch with ``across_videos``. The mean is over the videos
    that show at least two scenes, and 0 where there is none. Shapes as in ``scene_prototypes``.
    """
    n, _, m, _ = embeddings.shape
    centres, spread, present = prototypes
    most = present.shape[1]
    if across_videos:
        tokens = embeddings.transpose(0, 1).flatten(1, 2)
        scale = spread.transpose(0, 1).flatten(1)[:, None]
        logits = tokens @ centres.transpose(0, 1).flatten(1, 2).transpose(1, 2) / scale
        logits = logits.masked_fill(~present.flatten(), -torch.inf)
        first = most * torch.arange(n, device=scenes.device)[:, None, None]
        target = (scenes + first).transpose(0, 1).flatten(1)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(2, n, m)
        loss = loss.transpose(0, 1)
    else:
        logits = embeddings @ centres.transpose(2, 3) / spread[:, :, None]
        logits = logits.masked_fill(~present[:, None, None], -torch.inf)
        loss = functional.cross_entropy(logits.flatten(0, 2), scenes.flatten(), reduction="none").view(n, 2, m)
    counts = (present.sum(1) > 1).to(loss.dtype)
    return (loss.mean((1, 2)) * counts).sum() / counts.sum().clamp(min=1)
