"""PCAH: signs of principal components."""

from __future__ import annotations

from typing import Any

from benchmark.interfaces.method import FrameShape, Videos
from methods.parts.linear_hash import LinearHash
from methods.parts.principal import principal, require


class PCAH(LinearHash):
    """One bit for each principal direction of the mean-pooled training videos: the side of the mean."""

    title = "PCAH"
    paper = "Wang, Kumar, Chang: Semi-Supervised Hashing for Scalable Image Retrieval, CVPR 2010 (baseline)"
    choices = ("Exact and deterministic: the seed has no influence.",)
    seeded = False
    cost = "One pass over the videos for their principal directions. It takes seconds."

    @classmethod
    def unsupported(cls, bits: int, shape: FrameShape, config: Any) -> str | None:
        """Return why there are fewer directions than bits."""
        return f"{shape.dim} dimensions have fewer than {bits} principal directions" if bits > shape.dim else None

    def prepare(self, train: Videos) -> None:
        """Compute the principal directions."""
        principal(self.run, train, self.bits)

    def fit(self, train: Videos) -> None:
        """Take the first directions. Raises BadInput if fewer of them than bits have variance."""
        basis = principal(self.run, train, self.bits)
        require(basis, self.bits, self.title)
        self.hold(basis.mean, basis.axes)
