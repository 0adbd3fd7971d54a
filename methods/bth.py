"""BTH: bidirectional transformer hashing with a neighbour graph over anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.errors import BadInput
from benchmark.interfaces.method import Batch, Imported, Videos
from benchmark.training.trained_method import FRESH, Draws, Stage, Start, TrainedMethod
from methods.parts.adam import AdamConfig, adam_stage
from methods.parts.anchors import anchor_count, kmeans, nearest_anchors
from methods.parts.bert import HashBert
from methods.parts.bth_checkpoints import translate
from methods.parts.corruption import corrupt
from methods.parts.neighbours import MIDDLE, SIMILAR, TagGraph, tag_graph
from methods.parts.pooling import mean
from methods.parts.reconstruction import linear_mean_square

PRETRAIN, TRAIN = "pretrain", "train"
READ = 256
"""Videos whose latent features are computed at a time (our choice)."""


class BTHConfig(AdamConfig):
    """Defaults are the authors' FCVID configuration."""

    target: Literal["corrupted", "clean"] = Field(
        "corrupted",
        description="what is reconstructed: the corrupted frames themselves or the intact ones; authors' code or paper",
    )
    centred_start: bool = Field(
        False,
        description="initial biases subtract the mean training frame from the input and add it to the output, so that "
        "bits differ between videos; our choice, the authors' code has torch's default biases",
    )
    width: int = Field(256, ge=2, description="hidden width; authors' configuration")
    layers: int = Field(1, ge=1, description="transformer blocks; authors' configuration")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout everywhere in the encoder; authors' code")
    corruption_rate: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="share of frames selected; 80 % of them become zero, 10 % a random training frame; authors' code",
    )
    anchors: int = Field(
        2000,
        ge=1,
        description="anchors, at most one for every 7 training videos; authors' configuration, the limit is our choice",
    )
    reconstruction_weight: float = Field(0.92, ge=0, description="weight of the reconstruction term; authors' code")
    neighbour_weight: float = Field(0.08, ge=0, description="weight of the pairwise similarity term; authors' code")
    anchor_weight: float = Field(0.8, ge=0, description="weight of the regression to the anchor; authors' code")
    pretrain_epochs: int = Field(
        56, ge=1, description="epochs of reconstruction alone, before the anchors; our choice: as in the main stage"
    )
    epochs: int = Field(56, ge=1, description="epochs, the last of which is the result; authors' code")
    batch_size: int = Field(256, ge=1, description="videos (with their partners, pairs) per step; authors' code")
    learning_rate: float = Field(3e-4, gt=0, description="initial learning rate of Adam; authors' code")
    decay_factor: float = Field(0.9, gt=0, le=1, description="learning rate factor per step; authors' code")
    decay_every: int = Field(20, ge=1, description="epochs between the steps; authors' code")
    learning_rate_floor: float = Field(1e-4, ge=0, description="least learning rate; authors' code")


class BTH(TrainedMethod):
    """A transformer over the frames learns to restore each frame from its code, in two stages.

    The first stage, reconstruction alone, yields latent features. Their K-means centres are the anchors, from which
    follow a pseudo-label and a neighbour graph. The second starts anew on pairs of videos: reconstruction, the
    similarity of the pair's codes, and regression of the latent feature to the video's nearest anchor.
    """

    title = "BTH"
    paper = "Li, Li, Lu, Zhou: Self-Supervised Video Hashing via Bidirectional Transformers, CVPR 2021"
    source = "github.com/Lily1994/BTH, commit c97db40"
    differences = (
        "In the released code the target of the reconstruction is the corrupted input itself, as both share memory: "
        "variant 'released'. In the paper it is the intact video: variant 'paper'. The default is 'released', because "
        "the numbers that exist for comparison are those of the released code.",
        "In the released code the corruption stays in the loader's copy of the data until the epoch ends. It adds up "
        "on a video that is read again. This depends on the order of loading, and neither variant reproduces it: "
        "here every visit starts from intact frames, and replacements are intact.",
        "The released loader repeats its integer draws in every epoch. Here they differ from epoch to epoch.",
        "The token and segment embeddings of the released network take part in no computation. They are left out.",
    )
    choices = (
        "The released code's configuration does not give the length of the first stage. By default it equals that of "
        "the second.",
        "K-means is scikit-learn's. A centre that loses all its videos moves to a distant video, where the released "
        "code drops it.",
        "The neighbour graph is sparse and equals the dense one of the released code, except that an anchor without "
        "neighbours takes no part. There the released code's graph becomes empty.",
        "The authors configure FCVID only. All other presets are our choice.",
        "With the released code's initial biases, many bits are equal for nearly all videos if the features have a "
        "large mean and the training is short. Variant 'centred' (our choice) differs in two initial biases only.",
    )
    cost = (
        "Two stages over all videos, the second on pairs. Between them, K-means and a sparse neighbour graph for every "
        "code length and seed, as they depend on the first stage. These take 14 s and 32 s and 1.3 GiB for 45,585 "
        "videos and 2,000 anchors."
    )
    bf16 = (
        "mAP@20 at 64 bits in float32 and in bfloat16, mean ± deviation over three seeds. Subset of ucf101, 20 epochs: "
        "0.362 ± 0.053 and 0.437 ± 0.056. moving_digits: 0.601 ± 0.017 and 0.586 ± 0.006."
    )
    Config = BTHConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fcvid": {"anchors": 2000, "batch_size": 256, "epochs": 56},  # the authors' only configuration
        # Our choice: about 23 training videos for each anchor, as on FCVID, and batches that leave an epoch some steps.
        "activitynet": {"anchors": 400, "batch_size": 128},
        "ucf101": {"anchors": 400, "batch_size": 128, "pretrain_epochs": 20},
        "hmdb51": {"anchors": 150, "batch_size": 128, "pretrain_epochs": 20},
        # Our choice: a minute of training on two cores. It was made on videos held out from the training split.
        "moving_digits": {
            "width": 128,
            "centred_start": True,
            "anchors": 100,
            "batch_size": 32,
            "learning_rate": 1e-3,
            "pretrain_epochs": 6,
            "epochs": 20,
        },
    }
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "released": {"target": "corrupted"},
        "paper": {"target": "clean"},
        "centred": {"target": "corrupted", "centred_start": True},
    }
    config: BTHConfig
    module: HashBert
    graph: TagGraph
    targets: Tensor

    def build(self) -> nn.Module:
        """Return the network."""
        config = self.config
        return HashBert(*self.shape, self.bits, config.width, config.layers, config.dropout)

    def stages(self) -> Sequence[Stage]:
        """Return the stage of reconstruction alone and the main stage."""
        lengths = {PRETRAIN: self.config.pretrain_epochs, TRAIN: self.config.epochs}
        return [adam_stage(name, epochs, self.config) for name, epochs in lengths.items()]

    def begin_stage(self, stage: Stage, train: Videos, start: Start = FRESH) -> None:
        """Before the main stage, make anchors and graph with the network of the first stage, then reset its weights."""
        if stage.name == TRAIN:
            self._take_graph(train, start)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(self.run.rng("weights", TRAIN).integers(2**62)))
                self.module.load_state_dict(self.build().state_dict())
        if self.config.centred_start:
            self._centre(torch.from_numpy(mean(self.run, train)))

    @torch.no_grad()
    def _centre(self, frame: Tensor) -> None:
        embed, restore = self.module.bert.embedding.frame_map, self.module.restore
        embed.bias.sub_(embed.weight @ frame.to(embed.weight))
        restore.bias.copy_(frame)

    def _take_graph(self, train: Videos, start: Start) -> None:
        arrays = self.run.artefact("bth-graph", lambda: self._graph(train, start), of=train, **self._origin(start))
        self.graph = TagGraph.from_arrays(arrays)
        self.targets = torch.from_numpy(arrays["anchors"][arrays["nearest"]])
        pairs = len(train) ** 2
        self.run.log(
            anchors=len(arrays["anchors"]),
            similar_pairs=len(self.graph.similar.ids) / pairs,
            middle_pairs=len(self.graph.middle.ids) / pairs,
        )

    def _origin(self, start: Start) -> dict[str, Any]:
        """Return all that the weights at the end of the first stage depend on, besides the videos."""
        return {
            "seed": self.run.seed,
            "bits": self.bits,
            "config": self.config.model_dump(),
            "epochs": start.before,
            "device": self.run.device.type,
            "precision": self.run.precision,
        }

    def _graph(self, train: Videos, start: Start) -> dict[str, np.ndarray]:
        if start.resumed:
            raise BadInput(
                "the anchors of this run are no longer in the cache, and the weights they came from are overwritten",
                next_step="run it again with --rerun failed, which starts from scratch",
            )
        latent = self._latent(train)
        anchors = kmeans(latent, anchor_count(self.config.anchors, len(latent)), self.run.rng("anchors"))
        nearest, _ = nearest_anchors(latent, anchors, 1)
        return {"anchors": anchors, "nearest": nearest[:, 0], **tag_graph(latent, anchors).arrays()}

    @torch.inference_mode()
    def _latent(self, train: Videos) -> np.ndarray:
        """Return the mean hidden state of every video without dropout, (n, width) float32."""
        self.module.eval()
        latent = np.empty((len(train), self.config.width), dtype=np.float32)
        for rows, frames in train.batches(READ):
            latent[rows] = self.module.bert(frames.to(self.run.device)).mean(1).float().cpu().numpy()
        return latent

    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        """Return corrupted ``frames`` and, where they differ, the ``target``.

        In the main stage both hold 2n videos, first the n of ``rows`` and then their partners, with the anchors
        ``latent`` (2n, width) and the pairs' similarity ``sign`` (n,), +1 or -1.
        """
        parts: Batch = {}
        videos = rows
        if stage.name == TRAIN:
            u = draws.uniform("partners", rows, 2)
            alike = u[:, 0] > 0.5
            partners = np.where(
                alike, self.graph.sample(SIMILAR, rows, u[:, 1]), self.graph.sample(MIDDLE, rows, u[:, 1])
            )
            videos = np.concatenate([rows, partners])
            parts = {
                "latent": self.targets[torch.from_numpy(videos)],
                "sign": torch.from_numpy(np.where(alike, np.float32(1), np.float32(-1))),
            }
        frames = train.take(videos)
        if self.config.target == "clean":
            parts["target"] = frames.clone()
        for number, part in enumerate(frames.split(len(rows))):
            corrupt(part, rows, train, draws, f"video {number + 1}", self.config.corruption_rate)
        return {"frames": frames, **parts}

    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Return ``reconstruction`` and ``total``, in the main stage ``neighbour`` and ``anchor`` too."""
        hidden = self.module.bert(batch["frames"])
        codes = self.module.codes(hidden)
        reconstruction = linear_mean_square(codes, self.module.restore, batch.get("target", batch["frames"]))
        if stage.name == PRETRAIN:
            return {"reconstruction": reconstruction, "total": reconstruction}
        first, second = codes.mean(1).chunk(2)
        similarity = (first * second).mean(1)
        neighbour = nn.functional.mse_loss(similarity, batch["sign"])
        # The mean over both videos, doubled, is the sum of the two videos' means.
        anchor = 2 * nn.functional.mse_loss(hidden.mean(1), batch["latent"])
        config = self.config
        total = config.reconstruction_weight * reconstruction + config.neighbour_weight * neighbour
        total = total + config.anchor_weight * anchor
        return {"reconstruction": reconstruction, "neighbour": neighbour, "anchor": anchor, "total": total}

    def encode(self, frames: Tensor) -> Tensor:
        """Return the mean over all frames of their ±1 codes, ``(batch, bits)``, without dropout."""
        self.module.eval()
        return self.module.codes(self.module.bert(frames)).mean(1)

    @classmethod
    def import_checkpoint(cls, payload: Mapping[str, Any]) -> Imported:
        """Translate a file of the authors' code, of before or after they renamed ``bert1`` to ``bert``.

        The number of frames leaves no trace in the file, so ``shape.frames`` is 0.
        """
        return translate(payload)
