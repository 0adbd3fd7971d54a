"""Backbones through transformers: ``hf:NAME@REVISION`` from the hub or its cache, or a folder, by the same code path.

Only configuration, preprocessing and weights are read: no code of a model is run and no pickle beyond plain tensors.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import BadInput
from benchmark.extraction.backbones import NetworkBackbone, Pooling, Spec, first_line
from benchmark.extraction.processor import preprocessing_of

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
SETTINGS = (CONFIG, PREPROCESSOR, "processor_config.json")
SAFE = ("model*.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
CLASS_TOKENS = ("cls_token", "class_embedding", "class_token")
UNUSED = ("mask_token",)
"""Parameters that only training uses: a checkpoint without them is whole."""

_hiding = threading.Lock()


def open_source(spec: Spec, device: torch.device, precision: str) -> NetworkBackbone:
    """Open a model of the hub, of its cache, or of a folder; raises BadInput."""
    transformers = import_transformers()

    folder, where = _locate(spec)
    config = _config(transformers, spec, folder)
    dual = _is_dual(config)
    _check_takes_pictures(spec, config, dual)
    preprocessing = preprocessing_of(spec, folder)
    model, missing = _load(transformers, spec, folder, config)
    network = _pooled(spec, model, missing, dual)
    identity = {
        **where,
        "model": str(config.model_type),
        "pooling": str(network.pooling),
        "transformers": transformers.__version__,
    }
    return NetworkBackbone(spec, network, preprocessing, device, precision, identity)


def import_transformers() -> ModuleType:
    """Import transformers and let it find that Hugging Face's package ``datasets`` is not here.

    In a checkout the name ``datasets`` leads to the suite's own folder. transformers asks once whether there is such a
    package and remembers the answer; with the wrong one it imports the folder and uses what is not in it.
    """
    with _hiding:
        import transformers
        from transformers.utils import import_utils

        own_package, is_imported = sys.modules.get("datasets"), "datasets" in sys.modules
        sys.modules["datasets"] = None  # type: ignore[assignment]  # what importlib takes for "not there"
        try:
            import_utils.is_datasets_available.cache_clear()
            import_utils.is_datasets_available()
        finally:
            del sys.modules["datasets"]
            if is_imported and own_package is not None:
                sys.modules["datasets"] = own_package
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
    return transformers


def _locate(spec: Spec) -> tuple[Path, dict[str, str]]:
    """Return the folder of a model, and its name and revision."""
    folder = Path(spec.name)
    if folder.is_dir():
        if spec.revision:
            raise BadInput(f"backbone '{spec.text}': a folder has no revisions", next_step="leave '@...' out")
        return folder, {"name": folder.resolve().name, "revision": digest_of_folder(folder)}
    snapshot = _snapshot(spec)
    return snapshot, {"name": spec.name, "revision": snapshot.name}


def digest_of_folder(folder: Path) -> str:
    """Return the hex digest of configuration, preprocessing and weights; other files in the folder do not count."""
    digest = hashlib.blake2b(digest_size=16)
    weights = _found(folder, SAFE) or _found(folder, PICKLED)
    for path in [*(folder / name for name in SETTINGS if (folder / name).is_file()), *weights]:
        digest.update(f"{path.name} {path.stat().st_size} ".encode())
        with open(path, "rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _found(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _snapshot(spec: Spec) -> Path:
    """Return the folder of a model of the hub, named by its commit; weights as safetensors where there are any."""
    from huggingface_hub import errors, snapshot_download

    def fetched(*patterns: str) -> Path:
        return Path(snapshot_download(spec.name, revision=spec.revision, allow_patterns=[*SETTINGS, *patterns]))

    try:
        folder = fetched(*SAFE)
        return folder if _found(folder, SAFE) else fetched(*PICKLED)
    except errors.GatedRepoError as error:
        raise _unreachable(
            spec, "its authors ask for an agreement first", "accept it there, then 'hf auth login'"
        ) from (error)
    except errors.RevisionNotFoundError as error:
        raise _unreachable(spec, f"there is no revision '{spec.revision}'", "give a branch, tag or commit") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise _unreachable(spec, "there is no such model", "look the name up on huggingface.co/models") from error
    except Exception as error:  # offline, no route, no certificate: each has a type of its own
        raise _unreachable(
            spec, "it is neither in the cache nor can the hub be reached", "go online once, or give a folder"
        ) from error


def _unreachable(spec: Spec, why: str, next_step: str) -> BadInput:
    return BadInput(f"backbone '{spec.text}' cannot be had: {why}", next_step=next_step)


def _config(transformers: ModuleType, spec: Spec, folder: Path) -> Any:
    if not (folder / CONFIG).is_file():
        raise BadInput("holds no model", file=folder, expected=CONFIG, next_step="save one with save_pretrained")
    try:
        return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        declared = _declared(folder / CONFIG)
        if "auto_map" in declared:
            raise BadInput(
                f"backbone '{spec.text}' needs code of its own, which is never run", next_step="choose another model"
            ) from error
        raise BadInput(
            f"transformers cannot read the model's configuration ({first_line(error)})", file=folder / CONFIG
        ) from error


def _declared(path: Path) -> dict[str, Any]:
    try:
        declared = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return declared if isinstance(declared, dict) else {}


def _is_dual(config: Any) -> bool:
    """Return whether the model has a tower for texts beside the one for pictures, as CLIP has."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES

    return config.model_type in MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES


def _check_takes_pictures(spec: Spec, config: Any, dual: bool) -> None:
    """Raise BadInput for a model of texts or sounds, before its weights are read."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    cls = MODEL_MAPPING.get(type(config), None)
    cls = cls[0] if isinstance(cls, tuple) else cls
    takes = "pixel_values" if dual and hasattr(cls, "get_image_features") else getattr(cls, "main_input_name", None)
    if takes != "pixel_values":
        raise BadInput(
            f"backbone '{spec.text}' is no model of pictures (its type is '{config.model_type}')",
            next_step="choose one such as a ViT, DINOv2, CLIP, SigLIP, ResNet or ConvNeXt",
        )


def _load(transformers: ModuleType, spec: Spec, folder: Path, config: Any) -> tuple[nn.Module, list[str]]:
    """Return the model in float32 and the parameters that its checkpoint lacks."""
    try:
        model, loading = transformers.AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            weights_only=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise BadInput(
            f"the model's weights cannot be read ({first_line(error)})",
            file=folder,
            expected="model.safetensors, or pytorch_model.bin with nothing but tensors",
        ) from error
    lacking = sorted(name for name in loading["missing_keys"] if not name.endswith(UNUSED))
    without = [name for name in lacking if not _in_pooler(name)]
    if without:
        raise BadInput(
            f"backbone '{spec.text}': the checkpoint lacks {len(without)} of the network's parameters, "
            f"such as '{without[0]}'",
            next_step="they would be random: choose a checkpoint of the whole network",
        )
    return model, lacking


def _in_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _pooled(spec: Spec, model: nn.Module, missing: Sequence[str], dual: bool) -> Any:
    """Return a network of pictures to one vector each.

    Without a wish: image embeddings of models with two towers; else the model's own pooling, unless its checkpoint has
    no weights for it; else the class token; else the mean over tokens or space.
    """
    if dual and spec.pool in (None, "pooler"):
        for unused in ("text_model", "text_projection"):
            if hasattr(model, unused):
                delattr(model, unused)
        return _network(model, "embedding", 0)
    tower: nn.Module = getattr(model, "vision_model", model) if dual else model
    cls = sum(1 for name, _ in tower.named_parameters() if name.rpartition(".")[2] in CLASS_TOKENS)
    pooling: Pooling | None = spec.pool
    if pooling == "cls" and not cls:
        raise BadInput(f"backbone '{spec.text}' has no class token", next_step="use ?pool=mean")
    pooler = _has_pooler(spec, tower)
    if pooling == "pooler" and (missing or not pooler):
        raise BadInput(f"backbone '{spec.text}' has no trained pooling", next_step="use ?pool=cls or ?pool=mean")
    if pooling is None:
        pooling = "pooler" if pooler and not missing else "cls" if cls else "mean"
    return _network(tower, pooling, cls)


def _has_pooler(spec: Spec, tower: nn.Module) -> bool:
    return getattr(_answer(spec, tower), "pooler_output", None) is not None


def _answer(spec: Spec, tower: nn.Module) -> Any:
    """Return what the model says of one black picture of its size."""
    size = getattr(tower.config, "image_size", None) or 224
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            return tower.eval()(pixel_values=torch.zeros(1, 3, height, width))
    except Exception as error:
        raise BadInput(f"backbone '{spec.text}' does not take single pictures ({first_line(error)})") from error


def _network(model: nn.Module, pooling: str, class_tokens: int) -> Any:
    class Pooled(nn.Module):
        """``(n, 3, h, w)`` to ``(n, dim)``."""

        def __init__(self) -> None:
            super().__init__()
            self.model, self.pooling = model, pooling

        def forward(self, pictures: Tensor) -> Tensor:
            if pooling == "embedding":
                embedding = self.model.get_image_features(pixel_values=pictures)  # type: ignore[operator]
                return embedding if hasattr(embedding, "ndim") else embedding.pooler_output
            answer = self.model(pixel_values=pictures)
            if pooling == "pooler":
                return answer.pooler_output.flatten(1)
            hidden = answer.last_hidden_state
            if hidden.ndim == 4:
                return hidden.flatten(2).mean(2)
            return hidden[:, 0] if pooling == "cls" else hidden[:, _prefix(self.model, class_tokens) :].mean(1)

    return Pooled()


def _prefix(model: nn.Module, class_tokens: int) -> int:
    """Return how many tokens stand before those of the patches: class tokens, distillation token and registers."""
    distillation = any(name.endswith("distillation_token") for name, _ in model.named_parameters())
    return class_tokens + distillation + int(getattr(model.config, "num_register_tokens", 0) or 0)
