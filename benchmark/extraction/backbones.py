"""Networks that turn frames into features, from any source, behind one interface.

A source is a module that is imported when its prefix is asked for and offers ``open_source(spec, device, precision)``.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from benchmark.compute import machine
from benchmark.errors import BadInput, nearest

SOURCES = {
    "hf": "benchmark.extraction.backbones_transformers",
    "timm": "benchmark.extraction.backbones_timm",
    "torchvision": "benchmark.extraction.backbones_torchvision",
    "py": "benchmark.extraction.backbones_py",
}
"""Prefix of a specification -> the module that opens it."""

Pooling = Literal["pooler", "cls", "mean"]
PRECISIONS = ("fp32", "fp16", "bf16", "auto")
FORMS = "hf:NAME@REVISION, a folder with a model, timm:NAME, torchvision:NAME@WEIGHTS or py:PACKAGE.MODULE:FUNCTION"
CPU_BATCH, GPU_BATCH = 16, 128
"""Frames per pass through the network (our choice)."""


class Backbone(ABC):
    """A network with its preprocessing.

    ``spec``: what the user wrote. ``dim``: values per frame. ``identity``: all that decides the numbers, as texts.
    ``batch``: frames that go through the network at a time; multiples of it waste nothing.
    """

    spec: str
    dim: int
    identity: dict[str, str]
    batch: int = CPU_BATCH

    @abstractmethod
    def prepare(self, frames: Tensor) -> Tensor:
        """Return float32 ``(T, 3, h, w)`` for the uint8 RGB frames ``(T, 3, H, W)`` of one clip; thread-safe."""

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """Return float32 ``(n, dim)`` on the CPU for prepared frames ``(n, 3, h, w)``, of one clip or several.

        Raises BadInput where a value is not finite.
        """


@dataclass(frozen=True)
class Spec:
    """``SOURCE:NAME@REVISION?pool=POOLING`` taken apart; ``revision`` and ``pool`` may be left out."""

    text: str
    source: str
    name: str
    revision: str | None = None
    pool: Pooling | None = None


def open_backbone(spec: str, device: torch.device, precision: str) -> Backbone:
    """Open a backbone for a device; raises BadInput where that is not possible.

    precision: ``fp32``, ``fp16`` (GPUs), ``bf16``, or ``auto``, which is a half precision where it is faster.
    """
    parsed = parse(spec)
    try:
        opened: Backbone = importlib.import_module(SOURCES[parsed.source]).open_source(
            parsed, device, resolve_precision(precision, device)
        )
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package == "benchmark" or not package:
            raise
        raise BadInput(f"backbone '{spec}' needs the package {package}", next_step=_how_to_install(package)) from error
    return opened


def parse(text: str) -> Spec:
    """Take a specification apart; raises BadInput."""
    body, _, tail = text.partition("?")
    pool = _pool(text, tail)
    source, colon, name = body.partition(":")
    if Path(body).is_dir() or (source == "hf" and name and Path(name).is_dir()):
        return Spec(text, "hf", body if Path(body).is_dir() else name, None, pool)
    if not colon or not name:
        raise BadInput(f"backbone '{text}' is neither a folder nor a known form", expected=FORMS)
    if source not in SOURCES:
        raise BadInput(f"backbone '{text}': unknown source '{source}'; {nearest(source, list(SOURCES))}")
    name, _, revision = name.partition("@")
    return Spec(text, source, name, revision or None, pool)


def _pool(text: str, tail: str) -> Pooling | None:
    if not tail:
        return None
    key, _, value = tail.partition("=")
    for pooling in get_args(Pooling):
        if key == "pool" and value == pooling:
            return pooling
    raise BadInput(
        f"backbone '{text}': cannot read the option '{tail}'", expected=f"pool={'|'.join(get_args(Pooling))}"
    )


def _how_to_install(package: str) -> str:
    extra = {"transformers", "huggingface_hub", "safetensors", "kornia"}
    return "pip install -e '.[extract]'" if package in extra else f"pip install {package}"


def resolve_precision(name: str, device: torch.device) -> str:
    """Return ``fp32``, ``fp16`` or ``bf16``; raises BadInput where the device cannot compute in that precision.

    ``auto`` is fp16 on a GPU, bf16 on a processor with instructions for it, else fp32.
    """
    if name not in PRECISIONS:
        raise BadInput(f"unknown precision '{name}'; {nearest(name, PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise BadInput("fp16 is for GPUs", next_step="use bf16, fp32 or auto")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "fp16"
    return "bf16" if machine.has_fast_bf16(device) else "fp32"


class NetworkBackbone(Backbone):
    """A torch module with a preprocessing: what every source makes.

    Frames go through the network in passes of ``batch``, the last one filled up, so that every product has one shape
    and a frame's features do not depend on what it is batched with.
    """

    def __init__(
        self,
        spec: Spec,
        network: nn.Module,
        preprocessing: Callable[[Tensor], Tensor],
        device: torch.device,
        precision: str,
        identity: dict[str, str],
    ) -> None:
        """Move the network to the device and try it on a made-up picture; raises BadInput where it does not fit.

        network: float ``(n, 3, h, w)`` to ``(n, dim)``, or to ``(n, dim, h', w')``, which is averaged over space.
        """
        self.spec, self.precision, self._device = spec.text, precision, device
        self.batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        self._type = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        self._preprocessing = preprocessing
        self._network = network.eval().requires_grad_(False).to(device, self._type)
        # ResNet-50 is 1.15 times as fast on channels that lie together (fp32, CPU); linear layers have no such order.
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.identity = {
            "source": spec.source,
            **identity,
            "preprocessing": str(preprocessing),
            "precision": precision,
            "torch": torch.__version__,
        }
        self.dim = self._try_out()

    def prepare(self, frames: Tensor) -> Tensor:
        """Return what the preprocessing makes of a clip."""
        return self._preprocessing(frames)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the network's output in passes of ``batch`` frames."""
        with torch.inference_mode():
            passes = [self._pass(part) for part in inputs.split(self.batch) if len(part)]
            values = torch.cat(passes) if passes else torch.empty(0, self.dim)
        if not torch.isfinite(values).all():
            raise BadInput(
                f"backbone '{self.spec}' returned a value that is not finite in {self.precision}",
                next_step="its weights are damaged" if self.precision == "fp32" else "use --precision fp32",
            )
        return values.clone()  # outside of inference mode: an ordinary tensor

    def _pass(self, inputs: Tensor) -> Tensor:
        moved = inputs.to(self._device, self._type, non_blocking=True)
        short = self.batch - len(inputs)
        filled = torch.cat([moved, moved[-1:].expand(short, -1, -1, -1)]) if short else moved
        values = self._network(filled.contiguous(memory_format=torch.channels_last))[: len(inputs)].float()
        return (values if values.ndim < 3 else values.flatten(2).mean(2)).cpu()

    def _try_out(self) -> int:
        """Return the values per frame; raises BadInput where the network takes no pictures or draws random numbers."""
        picture = torch.arange(64 * 96 * 3).remainder_(251).to(torch.uint8).view(1, 3, 64, 96)
        try:
            with torch.random.fork_rng(), torch.inference_mode():
                inputs = self.prepare(picture)
                first, again = self._pass(inputs), self._pass(inputs)
        except Exception as error:  # a foreign network may raise anything
            raise BadInput(
                f"backbone '{self.spec}' does not take pictures ({first_line(error)})",
                expected="float (n, 3, h, w) to (n, dim)",
            ) from error
        if first.ndim != 2 or len(first) != 1:
            raise BadInput(f"backbone '{self.spec}' returns {tuple(first.shape)} for one picture", expected="(1, dim)")
        if not torch.equal(first, again):
            raise BadInput(
                f"backbone '{self.spec}' gives two answers to one picture: it draws random numbers",
                next_step="choose a model without random masking",
            )
        return first.shape[1]


def digest_of_weights(network: nn.Module) -> str:
    """Return the hex digest of names and values of all parameters and buffers."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(network.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(values.shape)} {values.dtype} ".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def only_tensors() -> Iterator[None]:
    """Let ``torch.load`` read nothing but tensors, whatever a library asks of it."""
    variable = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def refuse_pooling(spec: Spec) -> None:
    """Raise BadInput where a source without a choice of pooling is asked for one."""
    if spec.pool:
        raise BadInput(f"backbone '{spec.text}': '{spec.source}:' has one pooling", next_step="leave '?pool=' out")


def first_line(error: BaseException) -> str:
    """Return what an error of a foreign library says, in one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
