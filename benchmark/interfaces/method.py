"""The interface of a hashing method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from benchmark.errors import BadInput
from benchmark.interfaces.names import DEFAULT_VARIANT
from benchmark.interfaces.videos import FrameShape, Videos

if TYPE_CHECKING:
    import torch

    from benchmark.interfaces.run import Run

__all__ = ["Batch", "FrameShape", "Imported", "Method", "MethodConfig", "Videos"]

Batch = dict[str, "torch.Tensor"]
"""One mini-batch: names to tensors, the first axis of each being the videos."""

OWN_FILE = "give the model.pt of a finished cell"
"""What to do with a method that reads no checkpoints of others."""


class MethodConfig(BaseModel):
    """Every hyper-parameter of a method. A field's description says what it is and where its default comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


@dataclass(frozen=True)
class Imported:
    """The authors' checkpoint, translated: sizes inferred from its shapes, tensors under our names."""

    bits: int
    shape: FrameShape | None
    config: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]


class Method(ABC):
    """One hashing method: ``prepare`` and ``fit`` see training videos without labels, ``encode`` returns reals.

    A method is one file in ``methods/`` that defines one concrete subclass; its name is the file's name.
    """

    title: ClassVar[str]
    """The name as the field prints it."""
    paper: ClassVar[str]
    """Authors, title, venue, year."""
    source: ClassVar[str] = ""
    """Where the facts beyond the paper come from (the authors' repository and commit), or empty."""
    differences: ClassVar[Sequence[str]] = ()
    """Where paper and released code differ, and which of them is followed; a few sentences for each."""
    choices: ClassVar[Sequence[str]] = ()
    """Where this implementation departs from both or chooses what they do not state; a few sentences for each."""
    cost: ClassVar[str] = ""
    """What preparation and training take and what that grows with, beyond what ``list methods --verbose`` counts."""
    bf16: ClassVar[str] = ""
    """The measurement that shows that bfloat16 keeps the method's numbers; without one ``auto`` means float32."""
    seeded: ClassVar[bool] = True
    """Whether the seed has an influence on the codes."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Importable packages beyond the suite's own dependencies."""
    trained_in_epochs: ClassVar[bool] = False
    """Whether an epoch budget means anything to the method."""
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Dataset name -> configuration overrides."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {DEFAULT_VARIANT: {}}
    """Variant name -> configuration overrides; the first is the default."""

    def __init__(self, bits: int, shape: FrameShape, config: Any, run: Run) -> None:
        self.bits = bits
        self.shape = shape
        self.config = config
        self.run = run

    @classmethod
    def unsupported(cls, bits: int, shape: FrameShape, config: Any) -> str | None:
        """Return why this method cannot run with these sizes, as half a sentence, or None if it can."""
        return None

    def prepare(self, train: Videos) -> None:
        """Build what is shared between bit lengths and seeds (anchors, graphs, scenes) through ``run.artefact``."""

    @abstractmethod
    def fit(self, train: Videos) -> None:
        """Learn the hash function from unlabelled videos."""

    @abstractmethod
    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, bits)`` reals for ``(batch, frames, dim)`` float32; the engine takes the sign.

        An exact zero means that the method does not decide; the protocol says how such a bit counts.
        """

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """Return all that ``encode`` depends on, as tensors."""

    @abstractmethod
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what ``state`` returned."""

    @classmethod
    def import_checkpoint(cls, payload: Mapping[str, Any]) -> Imported:
        """Translate a checkpoint of the authors' code; raises BadInput where none is known."""
        raise BadInput(
            f"is no model.pt of this benchmark, and no checkpoint format of the authors of {cls.title} is known",
            next_step=OWN_FILE,
        )

    def parameters_count(self) -> int:
        """Return the number of stored values that ``encode`` depends on."""
        return sum(tensor.numel() for tensor in self.state().values())
