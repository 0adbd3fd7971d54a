"""LSH: signs of random projections."""

from __future__ import annotations

from benchmark.interfaces.method import Videos
from methods.parts.linear_hash import LinearHash
from methods.parts.pooling import mean


class LSH(LinearHash):
    """Gaussian random hyperplanes through the mean of the mean-pooled training videos.

    Two videos at an angle a around that mean agree in a bit with probability 1 - a / pi (Charikar 2002, section 3).
    """

    title = "LSH"
    paper = "Charikar: Similarity Estimation Techniques from Rounding Algorithms, STOC 2002"
    choices = ("The hyperplanes pass through the training mean, since frame features are not negative.",)
    cost = "One pass over the videos for their mean."

    def prepare(self, train: Videos) -> None:
        """Compute the mean."""
        mean(self.run, train)

    def fit(self, train: Videos) -> None:
        """Draw the hyperplanes."""
        self.hold(mean(self.run, train), self.run.rng("hyperplanes").standard_normal((self.shape.dim, self.bits)))
