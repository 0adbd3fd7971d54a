"""CHAIN: global and local spatio-temporal information for self-supervised video hashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.errors import BadInput
from benchmark.interfaces.method import Batch, FrameShape, Videos
from benchmark.training.trained_method import FRESH, Draws, Stage, Start, TrainedMethod
from methods.parts.adam import AdamConfig, adam_stage
from methods.parts.augment import FeatureSpace, principal_frames, two_of
from methods.parts.binarize import binarize
from methods.parts.clip_network import ClipNetwork
from methods.parts.contrast import debiased_contrast
from methods.parts.masked_autoencoder import Size
from methods.parts.masking import gather_frames
from methods.parts.ordering import order_terms, shuffle_tokens
from methods.parts.prototypes import scene_contrast, scene_prototypes
from methods.parts.scenes import scenes
from methods.parts.segments import by_clip, sample_segments


class ChainConfig(AdamConfig):
    """The poster gives no numbers, so all defaults are our choice; some follow the model that a description names."""

    segments: int | None = Field(
        None, ge=2, description="frames per clip; none takes half of the video's frames, rounded up; our choice"
    )
    spatial: Literal["auto", "views", "feature", "none"] = Field(
        "auto",
        description="temporally consistent spatial augmentation: two of the stored views, a transform in feature "
        "space, or none; auto takes views where the data have several, else feature; the poster augments pixels",
    )
    channel_drop: float = Field(0.1, ge=0, lt=1, description="feature mode: chance to drop a channel; our choice")
    channel_spread: float = Field(0.1, ge=0, description="feature mode: deviation of channel gains; our choice")
    jitter: float = Field(0.1, ge=0, description="feature mode: deviation of the shift along a direction; our choice")
    jitter_directions: int = Field(32, ge=1, description="feature mode: principal directions of the shift; our choice")
    width: int = Field(256, ge=1, description="encoder width; ConMH's")
    depth: int = Field(6, ge=1, description="encoder layers; our choice (the poster says attention-based)")
    heads: int = Field(8, ge=1, description="encoder heads; our choice")
    scene_dim: int = Field(128, ge=1, description="width of the scene embeddings; PCL's")
    contrast_on: Literal["codes", "reals"] = Field(
        "codes", description="what is contrasted: mean codes, or mean reals before the sign; the poster has codes"
    )
    temperature: float = Field(0.5, gt=0, description="temperature of the contrastive loss; ConMH's")
    class_prior: float = Field(
        0.0, ge=0, lt=1, description="chance that a negative is of the same class; 0 is plain NT-Xent; our choice"
    )
    order_weight: float = Field(0.1, ge=0, description="weight of frame order verification, 0 for none; our choice")
    order_target: Literal["slot", "frame"] = Field(
        "slot", description="position that is predicted: within the clip, or within the video; our choice"
    )
    order_videos: Literal["all", "several_scenes"] = Field(
        "all", description="videos whose order is learnt; a video with one scene may be static; our choice"
    )
    scene_weight: float = Field(0.1, ge=0, description="weight of scene change regularisation, 0 for none; our choice")
    concentration: float = Field(0.2, gt=0, description="temperature of the prototypical contrast; our choice")
    adaptive_concentration: bool = Field(False, description="a concentration for each scene, as in PCL; our choice")
    negatives: Literal["video", "batch"] = Field(
        "video", description="scenes that a frame is contrasted with: its video's, or those of the batch; our choice"
    )
    most_scenes: int = Field(8, ge=2, le=127, description="most scenes per video, others are merged; our choice")
    batch_size: int = Field(512, ge=2, description="videos per step; ConMH's")
    epochs: int = Field(300, ge=1, description="epochs, the last of which is the result; our choice")
    learning_rate: float = Field(1e-4, gt=0, description="initial learning rate of Adam; ConMH's")
    decay_factor: float = Field(0.9, gt=0, le=1, description="learning rate factor per step; ConMH's")
    decay_every: int = Field(20, ge=1, description="epochs between the steps; ConMH's")
    learning_rate_floor: float = Field(1e-5, ge=0, description="least learning rate; ConMH's")


class CHAIN(TrainedMethod):
    """Two clips are sampled from the segments of a video, each with its own spatial augmentation.

    Their codes attract each other against those of the other videos. Two more tasks shape the frame representations:
    the positions of shuffled frames are predicted, and frames are contrasted with the prototypes of the video's scenes.
    At inference all frames are seen, in order.
    """

    title = "CHAIN"
    paper = (
        "Wei, Liu, Song, Cui, Xie, Zhou: CHAIN: Exploring Global-Local Spatio-Temporal Information for Improved "
        "Self-Supervised Video Hashing, ACM MM 2023"
    )
    source = "the poster and abstract, arXiv 2310.18926; the authors have published no code"
    differences = (
        "The authors have published no code. This is a re-implementation from the poster and the abstract, which "
        "describe the tasks and state no number.",
        "No published table exists to compare with. The published results are figures.",
        "The paper augments pixels before the CNN. Features with one view are augmented in feature space.",
    )
    choices = (
        "Every setting marked 'our choice'. The poster states none of them.",
        "Scenes come from affinity propagation on the CNN's features of the whole video, once before training. We do "
        "not know whether the paper clusters these features or the encoder's representations.",
        "The prototypes of a clip come from the other clip of its video. Negatives are the scenes of that video.",
        "With an even number of frames a bit may be undecided. It stays 0, and the protocol decides how it counts.",
    )
    cost = (
        "One stage on two clips of every video. Before it, affinity propagation on the frames of every video, once for "
        "all code lengths and seeds: 12 s for 45,585 synthetic videos of 25 x 4096 on 2 cores, reading excluded."
    )
    bf16 = (
        "mAP@20 at 64 bits in float32 and in bfloat16, mean ± deviation over three seeds. Subset of ucf101, 20 epochs: "
        "0.867 ± 0.005 and 0.866 ± 0.002. moving_digits: 0.698 ± 0.018 and 0.693 ± 0.016."
    )
    Config = ChainConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # All are our choice, after ConMH's configurations and those of later code with its losses.
        "fcvid": {"batch_size": 512, "epochs": 300},
        "activitynet": {"batch_size": 128, "epochs": 500},
        "yfcc": {"batch_size": 128, "epochs": 40},
        "ucf101": {"batch_size": 128, "epochs": 350},
        "hmdb51": {"batch_size": 128, "epochs": 350},
        # Small enough for minutes on two cores. Most motions there are periodic, so order is learnt slowly.
        "moving_digits": {
            "width": 128,
            "depth": 2,
            "heads": 4,
            "order_weight": 1.0,
            "batch_size": 128,
            "learning_rate": 1e-3,
            "epochs": 15,
        },
    }
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "full": {},
        "contrast": {"order_weight": 0.0, "scene_weight": 0.0},
        "contrast_order": {"scene_weight": 0.0},
        "contrast_scenes": {"order_weight": 0.0},
        "no_spatial": {"spatial": "none"},
        "real_contrast": {"contrast_on": "reals"},
        "batch_negatives": {"negatives": "batch"},
        "conmh_encoder": {"depth": 12, "heads": 6},
    }
    config: ChainConfig
    module: ClipNetwork
    _prepared = False
    _scenes: np.ndarray | None = None
    _feature_space: FeatureSpace | None = None

    @classmethod
    def unsupported(cls, bits: int, shape: FrameShape, config: ChainConfig) -> str | None:
        """Return why the segments do not fit the frames, or the heads the width."""
        if shape.frames < 2:
            return "a video of one frame has no order"
        if config.segments is not None and config.segments > shape.frames:
            return f"{config.segments} segments do not fit in {shape.frames} frames"
        if config.heads > config.width:
            return f"the encoder has more heads ({config.heads}) than channels ({config.width})"
        return None

    @property
    def segments(self) -> int:
        """Frames per clip."""
        return self.config.segments or max(2, (self.shape.frames + 1) // 2)

    @property
    def _order_classes(self) -> int:
        return self.segments if self.config.order_target == "slot" else self.shape.frames

    def build(self) -> nn.Module:
        """Return the network with all of its heads, so that its first weights are the same in every ablation."""
        config = self.config
        return ClipNetwork(
            self.shape.frames,
            self.segments,
            self.shape.dim,
            self.bits,
            encoder=Size(config.width, config.depth, config.heads),
            order_classes=self._order_classes,
            scene_dim=config.scene_dim,
        )

    def stages(self) -> Sequence[Stage]:
        """Return the one stage."""
        return [adam_stage("train", self.config.epochs, self.config)]

    def prepare(self, train: Videos) -> None:
        """Find the scenes and the principal directions of the frames, as far as the configuration uses them.

        Raises BadInput if the configuration asks for stored views and the data have only one.
        """
        config = self.config
        if config.spatial == "views" and train.views < 2:
            raise BadInput(
                "spatial=views needs features with several views of each video (at least 2)",
                found=str(train.views),
                next_step="use spatial=feature, or features of shape (videos, views, frames, dim)",
            )
        if self._uses_scenes:
            video_scenes = scenes(self.run, train, config.most_scenes)
            self._scenes = video_scenes.labels
            self.run.log(**video_scenes.scalars())
        if config.order_weight > 0:
            self.run.log(order_chance=1 / self._order_classes)
        spatial = self._spatial(train)
        if spatial == "feature":
            directions = principal_frames(self.run, train, config.jitter_directions) if config.jitter else None
            self._feature_space = FeatureSpace(
                config.channel_drop,
                config.channel_spread,
                config.jitter,
                None if directions is None else torch.from_numpy(directions).to(self.run.device),
            )
        self.run.log(spatial_views=spatial == "views")
        self._prepared = True

    def begin_stage(self, stage: Stage, train: Videos, start: Start = FRESH) -> None:
        """Call ``prepare`` if it was not called before."""
        if not self._prepared:
            self.prepare(train)

    def batch(self, train: Videos, rows: np.ndarray, stage: Stage, draws: Draws) -> Batch:
        """Return the videos (n, 1, T, dim), or two views of them (n, 2, T, dim), and what makes two clips of m frames.

        index (n, 2, m): the frames of the clips; channels (n, 2, dim) and shift (n, 2, k): the feature augmentation;
        permutations (n, 2, m): which token each slot of the order pass holds; scenes (n, 2, m): labels of the frames.
        """
        n, m = len(rows), self.segments
        index = sample_segments(draws.uniform("segments", rows, 2 * m).reshape(n, 2, m), self.shape.frames)
        out: Batch = {"index": torch.from_numpy(index)}
        if self._spatial(train) == "views":
            views = two_of(draws.uniform("views", rows, 2), train.views)
            out["frames"] = torch.stack([train.take(rows, views[:, clip]) for clip in (0, 1)], dim=1)
        else:
            out["frames"] = train.take(rows)[:, None]
        if self._feature_space is not None:
            out |= self._feature_space.draw(draws, rows, self.shape.dim)
        if self.config.order_weight > 0:
            shuffles = [draws.permutations(f"order of clip {clip}", rows, m) for clip in (1, 2)]
            out["permutations"] = torch.from_numpy(np.stack(shuffles, axis=1))
        if self._scenes is not None:
            labels = self._scenes[rows].astype(np.int64)
            out["scenes"] = torch.from_numpy(labels[np.arange(n)[:, None, None], index])
            out["several_scenes"] = torch.from_numpy(labels.max(1) > 0)
        return out

    def loss(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Return ``contrast``, ``total`` and, where switched on, ``order`` with ``order_accuracy``, and ``scenes``."""
        config, module = self.config, self.module
        tokens = module.embed(self._clips(batch))
        count = len(tokens)
        with_order = "permutations" in batch
        if with_order:
            tokens = torch.cat([tokens, shuffle_tokens(tokens, by_clip(batch["permutations"]))])
        representations = module.contextual(tokens, module.slots)
        reals = module.pre_sign(representations[:count])
        first, second = (binarize(reals) if config.contrast_on == "codes" else reals).mean(1).chunk(2)
        terms = {"contrast": debiased_contrast(first, second, config.temperature, config.class_prior)}
        total = terms["contrast"]
        if with_order:
            counts = batch["several_scenes"].repeat(2) if config.order_videos == "several_scenes" else None
            logits = module.order(representations[count:])
            terms["order"], terms["order_accuracy"] = order_terms(logits, self._order_target(batch), counts)
            total = total + config.order_weight * terms["order"]
        if config.scene_weight > 0:
            terms["scenes"] = self._scene_term(module.scene_embeddings(representations[:count]), batch["scenes"])
            total = total + config.scene_weight * terms["scenes"]
        return {**terms, "total": total}

    def _clips(self, batch: Batch) -> Tensor:
        """Return ``(2 n, m, dim)``: the first clip of every video, then the second."""
        clips = gather_frames(by_clip(batch["frames"]), by_clip(batch["index"]))
        if self._feature_space is not None:
            transforms: Batch = {name: by_clip(batch[name]) for name in ("channels", "shift") if name in batch}
            self._feature_space.apply_(clips, transforms)
        return clips

    def _order_target(self, batch: Batch) -> Tensor:
        """Return (2 n, m): the position of the frame in each slot, within the clip or within the video."""
        target = batch["permutations"]
        return by_clip(batch["index"].gather(2, target) if self.config.order_target == "frame" else target)

    def _scene_term(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        config = self.config
        embeddings = embeddings.unflatten(0, (2, -1)).transpose(0, 1)
        prototypes = scene_prototypes(
            embeddings, labels, config.most_scenes, config.concentration, config.adaptive_concentration
        )
        return scene_contrast(embeddings, labels, prototypes, across_videos=config.negatives == "batch")

    def encode(self, frames: Tensor) -> Tensor:
        """Return the mean over all frames of their ±1 codes, ``(batch, bits)``."""
        return binarize(self.module.encode(frames)).mean(1)

    @property
    def _uses_scenes(self) -> bool:
        config = self.config
        return config.scene_weight > 0 or (config.order_weight > 0 and config.order_videos == "several_scenes")

    def _spatial(self, train: Videos) -> str:
        if self.config.spatial != "auto":
            return self.config.spatial
        return "views" if train.views > 1 else "feature"
