"""ConMH: contrastive masked autoencoder for self-supervised video hashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from benchmark.errors import BadInput
from benchmark.interfaces.method import Batch, FrameShape, Imported, Videos
from benchmark.interfaces.names import FP32
from benchmark.training.trained_method import Draws, Stage, TrainedMethod
from methods.parts.adam import AdamConfig, adam_stage
from methods.parts.binarize import binarize
from methods.parts.checkpoints import AutoencoderSizes, authors_state, autoencoder_sizes
from methods.parts.contrast import debiased_contrast
from methods.parts.masked_autoencoder import MaskedAutoencoder, Size
from methods.parts.masking import masked_count, two_views
from methods.parts.reconstruction import linear_mean_square

ENCODERS = {
    "mini": Size(256, 1, 1),
    "small": Size(256, 12, 6),
    "base": Size(256, 12, 12),
    "large": Size(256, 24, 16),
}
"""Width, depth and heads of the encoder in the authors' four sizes; their configurations all use small."""

SMALL_BATCH = 128
"""Videos per step up to which the activations of all layers take less than a GiB."""


class ConMHConfig(AdamConfig):
    """Defaults are the authors' FCVID configuration."""

    size: Literal["mini", "small", "base", "large"] = Field(
        "small",
        description="layers/heads: mini 1/1, small 12/6, base 12/12, large 24/16; authors' configuration",
    )
    encoder_width: int | None = Field(None, ge=1, description="overrides the size's encoder width of 256; our choice")
    encoder_depth: int | None = Field(None, ge=1, description="overrides the size's encoder layers; our choice")
    encoder_heads: int | None = Field(None, ge=1, description="overrides the size's encoder heads; our choice")
    decoder_width: int = Field(192, ge=1, description="decoder width; authors' code, all sizes")
    decoder_depth: int = Field(2, ge=1, description="decoder layers; authors' code, all sizes")
    decoder_heads: int = Field(3, ge=1, description="decoder heads; authors' code, all sizes")
    kept_blocks: int | None = Field(
        None,
        ge=0,
        description="encoder layers whose activations are kept for backward, the others are computed again; none "
        "keeps all in bfloat16 and up to a batch of 128, and four above it; our choice: equal values in less memory",
    )
    mask_ratio: float = Field(
        0.75, gt=0, lt=1, description="share of frames masked in each view; authors' configuration"
    )
    contrastive_weight: float = Field(1.0, ge=0, description="weight of the contrastive term; authors' configuration")
    temperature: float = Field(0.5, gt=0, description="temperature of the contrastive term; authors' configuration")
    class_prior: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="tau+, chance that a negative is of the anchor's class; authors' configuration",
    )
    batch_size: int = Field(512, ge=2, description="videos per step; authors' configuration")
    epochs: int = Field(800, ge=1, description="epochs, the last of which is the result; the epoch the authors report")
    learning_rate: float = Field(1e-4, gt=0, description="initial learning rate of Adam; authors' configuration")
    decay_factor: float = Field(0.9, gt=0, le=1, description="learning rate factor per step; authors' configuration")
    decay_every: int = Field(20, ge=1, description="epochs between the steps; authors' configuration")
    learning_rate_floor: float = Field(1e-5, ge=0, description="least learning rate; authors' code")

    def encoder(self) -> Size:
        """Return the encoder's width, depth and heads."""
        given = Size(self.encoder_width or 0, self.encoder_depth or 0, self.encoder_heads or 0)
        return Size(*(value or default for value, default in zip(given, ENCODERS[self.size], strict=True)))

    def decoder(self) -> Size:
        """Return the decoder's width, depth and heads."""
        return Size(self.decoder_width, self.decoder_depth, self.decoder_heads)

    def layers_to_keep(self) -> int:
        """Return how many encoder layers keep their activations for backward, in float32."""
        if self.kept_blocks is not None:
            return self.kept_blocks
        return self.encoder().depth if self.batch_size <= SMALL_BATCH else 4


class ConMH(TrainedMethod):
    """Two disjointly masked views of a video are encoded to one code per visible frame.

    Each view's hidden frames are reconstructed from its codes, and the frame-averaged codes of the two views attract
    each other against those of the other videos. At inference all frames are visible.
    """

    title = "ConMH"
    paper = "Wang, Wang, Chen, Zeng, Xia: Contrastive Masked Autoencoders for Self-Supervised Video Hashing, AAAI 2023"
    source = "github.com/huangmozhi9527/ConMH, commit d6dd5b5"
    differences = (
        "The result is the last epoch, which is the one whose checkpoint the authors report. Their loops run five more "
        "epochs.",
    )
    choices = (
        "View masks are drawn by the suite's seeded generators. The authors' code draws them from one global stream.",
        "With an even number of frames a bit may be undecided. It stays 0, and the protocol decides how it counts.",
        "Only visible frames are embedded, and the decoder's last layer computes hidden frames only. The values are "
        "equal.",
        "The authors' repository has no configuration of UCF101 and HMDB51. Their presets are those of later code with "
        "ConMH's losses.",
    )
    cost = "One stage, without preparation. The cost of a step grows with the number of videos, each in two views."
    bf16 = (
        "mAP@20 at 64 bits in float32 and in bfloat16, mean ± deviation over three seeds. Subset of ucf101, 20 epochs: "
        "0.805 ± 0.022 and 0.803 ± 0.020. moving_digits: 0.709 ± 0.006 and 0.701 ± 0.008."
    )
    Config = ConMHConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # The authors' configurations. Epochs are those after which the reported checkpoints were written.
        "fcvid": {"batch_size": 512, "mask_ratio": 0.75, "contrastive_weight": 1.0, "class_prior": 0.1, "epochs": 800},
        "activitynet": {
            "batch_size": 128,
            "mask_ratio": 0.5,
            "contrastive_weight": 0.2,
            "class_prior": 0.05,
            "epochs": 500,
        },
        "yfcc": {"batch_size": 128, "mask_ratio": 0.75, "contrastive_weight": 1.0, "class_prior": 0.1, "epochs": 40},
        # From the UCF101 and HMDB51 configurations of S5VH (epochs: also AutoSSVH's), which keep ConMH's losses;
        # AutoSSVH masks 0.7 and takes a class prior of 0.1 on HMDB51.
        "ucf101": {"batch_size": 128, "mask_ratio": 0.5, "epochs": 350},
        "hmdb51": {"batch_size": 128, "mask_ratio": 0.5, "class_prior": 0.05, "epochs": 350},
        # Our choice, for a minute and a half on 2 cores. It follows a few short trials of size, mask ratio, batch size
        # (32, 64, 128) and learning rate (5e-4, 1e-3), at 64 bits and one seed. Their queries were 400 training videos;
        # the test queries took no part. This was no full grid. Time bounds the epochs: more of them score higher.
        "moving_digits": {"size": "mini", "batch_size": 64, "learning_rate": 5e-4, "epochs": 8},
    }
    config: ConMHConfig
    module: MaskedAutoencoder

    @classmethod
    def unsupported(cls, bits: int, shape: FrameShape, config: ConMHConfig) -> str | None:
        """Return why the mask ratio leaves no frame masked or none visible, or why the heads do not fit."""
        masked = masked_count(shape.frames, config.mask_ratio)
        if not 0 < masked < shape.frames:
            return f"mask_ratio {config.mask_ratio:g} masks {masked} of {shape.frames} frames in each view"
        for part, size in (("encoder", config.encoder()), ("decoder", config.decoder())):
            if size.heads > size.width:
                return f"the {part} has more heads ({size.heads}) than channels ({size.width})"
        return None

    def build(self) -> nn.Module:
        """Return the masked autoencoder."""
        frames, dim = self.shape
        config = self.config
        kept_blocks = config.layers_to_keep() if self.run.precision == FP32 else config.kept_blocks
        return MaskedAutoencoder(frames, dim, self.bits, config.encoder(), config.decoder(), kept_blocks)

    def stages(self) -> Sequence[Stage]:
        """Return the one stage."""
        return [adam_stage("train", self.config.epochs, self.config)]

    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        """Return frames (n, T, dim) and the indices of visible (n, 2, V) and hidden (n, 2, M) frames of both views."""
        shuffles = draws.permutations("masks", rows, train.shape.frames)
        visible, hidden = two_views(shuffles, masked_count(train.shape.frames, self.config.mask_ratio))
        return {"frames": train.take(rows), "visible": visible, "hidden": hidden}

    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Return the terms ``reconstruction``, ``contrastive`` and ``total``."""
        frames = batch["frames"]
        # Both views go through the network as one batch of 2n: the first view of every video, then the second.
        visible, hidden = (batch[name].transpose(0, 1).flatten(0, 1) for name in ("visible", "hidden"))
        codes = binarize(self.module.encode_views(frames, visible))
        tokens = self.module.hidden_tokens(codes, visible, hidden)
        # The mean over both views, doubled, is the sum of the two views' means.
        reconstruction = 2 * linear_mean_square(tokens, self.module.decoder.head, frames, hidden)
        first, second = codes.mean(1).chunk(2)
        contrastive = debiased_contrast(first, second, self.config.temperature, self.config.class_prior)
        total = reconstruction + self.config.contrastive_weight * contrastive
        return {"reconstruction": reconstruction, "contrastive": contrastive, "total": total}

    def encode(self, frames: Tensor) -> Tensor:
        """Return the mean over all frames of their ±1 codes, ``(batch, bits)``."""
        return binarize(self.module.pre_sign(frames)).mean(1)

    @classmethod
    def import_checkpoint(cls, payload: Mapping[str, Any]) -> Imported:
        """Translate a file of the authors' code, in any layout of ``authors_state``; the sizes follow from the shapes.

        The number of frames leaves no trace in the file, so ``shape.frames`` is 0. Sizes small and base differ in the
        number of heads only, which no shape shows: small is assumed, as in all of the authors' configurations.
        """
        state = authors_state(payload)
        sizes = autoencoder_sizes(state)
        config = {
            "size": _size_name(sizes),
            "decoder_width": sizes.decoder_width,
            "decoder_depth": sizes.decoder_depth,
        }
        return Imported(sizes.bits, FrameShape(0, sizes.dim), config, state)


def _size_name(sizes: AutoencoderSizes) -> str:
    for name, size in ENCODERS.items():
        if (size.width, size.depth, size.width // size.heads * size.heads) == (sizes.width, sizes.depth, sizes.inner):
            return name
    raise BadInput(
        "the checkpoint's encoder has none of the authors' sizes",
        expected="width 256 with 1, 12 or 24 layers of inner width 256, 252 or 256",
        found=f"width {sizes.width} with {sizes.depth} layers of inner width {sizes.inner}",
    )
