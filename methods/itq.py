"""ITQ: iterative quantisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from benchmark.interfaces.method import FrameShape, MethodConfig, Videos
from methods.parts.linear_hash import LinearHash
from methods.parts.principal import principal, projections, require


class ITQConfig(MethodConfig):
    """The one setting of the method."""

    iterations: int = Field(50, ge=1, description="alternations of codes and rotation; paper, section 2.2")


class ITQ(LinearHash):
    """Principal components, rotated so that their signs lose as little as possible (paper, section 2.2)."""

    title = "ITQ"
    paper = "Gong, Lazebnik: Iterative Quantization: A Procrustean Approach to Learning Binary Codes, CVPR 2011"
    choices = ("The mean-pooled videos are centred and not normalised.",)
    cost = (
        "One pass over the videos for their principal directions, then iterations of n x bits x bits. It takes seconds."
    )
    Config = ITQConfig

    @classmethod
    def unsupported(cls, bits: int, shape: FrameShape, config: Any) -> str | None:
        """Return why there are fewer directions than bits."""
        return f"{shape.dim} dimensions have fewer than {bits} principal directions" if bits > shape.dim else None

    def prepare(self, train: Videos) -> None:
        """Compute the principal directions and the videos along them."""
        projections(self.run, train, self.bits)

    def fit(self, train: Videos) -> None:
        """Learn the rotation. Raises BadInput if fewer directions than bits have variance."""
        basis = principal(self.run, train, self.bits)
        require(basis, self.bits, self.title)
        values = np.ascontiguousarray(projections(self.run, train, self.bits))
        start = random_rotation(self.run.rng("rotation"), self.bits)
        rotation, errors = rotate(values, start, self.config.iterations)
        self.run.log(quantisation_error_first=errors[0], quantisation_error_last=errors[-1])
        self.hold(basis.mean, basis.axes @ rotation)


def random_rotation(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return an orthogonal matrix ``(size, size)``, uniform over the group (Mezzadri, Notices of the AMS 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def rotate(values: np.ndarray, rotation: np.ndarray, iterations: int) -> tuple[np.ndarray, list[float]]:
    """Alternate between codes B = sign(V R) and the orthogonal R that brings V R closest to B.

    values: V, (n, bits) float32, centred. Returns R and the error ||B - V R||^2 / n before every change of R and at the
    end; it never rises.
    """
    errors = []
    for _ in range(iterations):
        codes, error = _quantise(values, rotation)
        errors.append(error)
        left, _, right = np.linalg.svd((values.T @ codes).astype(np.float64))
        rotation = left @ right
    errors.append(_quantise(values, rotation)[1])
    return rotation, errors


def _quantise(values: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, float]:
    rotated = values @ rotation.astype(values.dtype)
    codes = np.where(rotated > 0, 1, -1).astype(values.dtype)
    rotated -= codes
    return codes, float(np.einsum("ij,ij->", rotated, rotated, dtype=np.float64)) / len(values)
