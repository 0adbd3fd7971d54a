"""Tensors and plain data in files: written atomically, read without unpickling anything else."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BadInput
from benchmark.files.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_FAMILY = "video-hashing-model-"
MODEL_FORMAT = f"{FORMAT_FAMILY}1"
"""What a model file says of its form."""

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_POINTER, _TEXT_SHOWN, _BLOCK = b"version https://git-lfs", 40, 2**20


def save_tensors(path: Path, value: Mapping[str, Any]) -> None:
    """Write tensors and plain data with ``torch.save``, atomically."""
    import torch

    with replacing(path) as temporary:
        torch.save(dict(value), temporary)


def load_tensors(path: Path, instead: str = "write it again") -> dict[str, Any]:
    """Read a file of ``torch.save``, unpickling tensors, numpy's numbers and plain data only, or a safetensors file.

    Everything comes onto the CPU. instead: what to do about a file that holds other objects. Raises BadInput, which
    names the file, where it is missing, damaged, no checkpoint at all, or such a file.
    """
    if path.is_dir():
        raise BadInput("is a folder, not a checkpoint file", file=path)
    if not path.is_file():
        raise BadInput("no such checkpoint file", file=path, next_step="check the path given to --checkpoint")
    try:
        with open(path, "rb") as stream:
            start = stream.read(64)
        if _is_safetensors(start):
            return _load_safetensors(path)
        _check_kind(path, start)
        if start.startswith(_ZIP):
            _check_records(path)
        value = _unpickled(path, instead)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror or error})", file=path) from error
    if not isinstance(value, dict):
        raise BadInput(
            "holds no dictionary", file=path, expected="a dict of tensors", found=type(value).__name__,
            next_step=instead,
        )  # fmt: skip
    return value


def as_tensors(values: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return dense tensors of real finite numbers by name; arrays of numpy become tensors.

    Raises BadInput, which names the key, where there is anything else.
    """
    import numpy as np
    import torch

    tensors: dict[str, Tensor] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise BadInput("names a tensor by something else than text", found=repr(name)[:80])
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
            value = torch.from_numpy(np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape))
        if not isinstance(value, torch.Tensor):
            raise BadInput("is no tensor", key=name, found=type(value).__name__)
        if value.layout is not torch.strided or value.is_quantized or value.is_complex():
            raise BadInput("is no dense tensor of real numbers", key=name, found=f"{value.layout}, {value.dtype}")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise BadInput("holds values that are no finite numbers (NaN or infinity)", key=name)
        tensors[name] = value
    return tensors


def _is_safetensors(start: bytes) -> bool:
    return start[8:10] == b'{"' and not start.startswith((_ZIP, _PICKLE))


def _load_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise BadInput(
            "is a safetensors file, and the package safetensors is missing", file=path,
            next_step="pip install safetensors",
        ) from error  # fmt: skip
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _check_kind(path: Path, start: bytes) -> None:
    """Raise BadInput where a file is no checkpoint of torch by its first bytes, with what it is instead."""
    if not start:
        raise BadInput("is empty (0 bytes)", file=path, next_step="obtain it again")
    if start.startswith(_POINTER):
        raise BadInput("is a pointer of Git LFS, not the checkpoint", file=path, next_step="run 'git lfs pull' there")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadInput("is a web page, not the checkpoint", file=path, next_step="download the file itself")
    if not start.startswith((_ZIP, _PICKLE)):
        raise BadInput(
            "is no checkpoint", file=path, expected="a file of torch.save, or safetensors",
            found=f"one that starts with {start[:_TEXT_SHOWN]!r}",
        )  # fmt: skip


def _check_records(path: Path) -> None:
    """Raise BadInput where the checksum of a record does not fit: torch does not look at them."""
    try:
        with zipfile.ZipFile(path) as archive:
            for record in archive.infolist():
                if record.CRC:  # torch can be told not to compute them, and writes 0
                    with archive.open(record) as stream:
                        while stream.read(_BLOCK):
                            pass
    except Exception as error:  # zipfile raises half a dozen types on damaged bytes, NotImplementedError among them
        raise _damaged(path, error) from error


def _unpickled(path: Path, instead: str) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_numbers_of_numpy()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        objects = re.search(r"GLOBAL ([\w.]+)", str(error))
        if objects is None:
            raise _damaged(path, error) from error
        raise BadInput(
            f"holds a Python object beside tensors and plain data ({objects[1]}), which is not unpickled",
            file=path,
            next_step=instead,
        ) from error
    except Exception as error:  # the restricted unpickler raises almost anything on bytes that are no checkpoint
        raise _damaged(path, error) from error


def _numbers_of_numpy() -> list[Any]:
    """Return what unpickling arrays and scalars of numpy needs, under the names of numpy 1 and 2; all of it is data."""
    import numpy as np
    from numpy._core import multiarray

    makers = [
        (getattr(multiarray, name), f"{module}.{name}")
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ]
    kinds = [getattr(np.dtypes, name) for name in np.dtypes.__all__ if name != "ObjectDType"]
    return [np.ndarray, np.dtype, *kinds, *makers]


def _damaged(path: Path, error: Exception) -> BadInput:
    reason = " ".join(str(error).split())[:100]
    return BadInput(
        f"is damaged, cut short or no checkpoint ({type(error).__name__}: {reason})", file=path,
        next_step="obtain it again",
    )  # fmt: skip
