"""How torch uses this machine: determinism, the precision and the library of matrix products, freed memory, threads."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.compute.memory import keep_freed_memory
from benchmark.errors import BadInput
from benchmark.interfaces.names import BF16, FP32

if TYPE_CHECKING:
    import torch

EXACT = 1e-5
"""Relative error that a float32 product of 512 terms stays below; with operands rounded to bfloat16 it has 1e-3."""

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable that cuBLAS reads when it is first used; deterministic sums need a fixed workspace."""


@contextmanager
def configured() -> Iterator[None]:
    """Compute as ``set_up`` says for one block or, as a decorator, for one function; then put torch's settings back.

    How the C library keeps freed memory cannot be put back: it moves no number.
    """
    variable = os.environ.get(WORKSPACE)
    undo = _settings_of_torch()
    try:
        set_up()
        yield
    finally:
        undo()
        if variable is None:
            os.environ.pop(WORKSPACE, None)


def set_up() -> None:
    """Ask torch for results that do not depend on timing, and for the machine's speed where it changes no precision.

    These are settings of the whole process: call it in a process of its own, elsewhere ``configured``.
    """
    _make_deterministic()
    choose_products()
    keep_freed_memory()


def _settings_of_torch() -> Callable[[], None]:
    """Return the function that puts torch's present settings back."""
    import torch

    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    trials, products = torch.backends.cudnn.benchmark, _products().fp32_precision

    def undo() -> None:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", filling)  # noqa: B010
        torch.backends.cudnn.benchmark = trials
        _products().fp32_precision = products

    return undo


def _make_deterministic() -> None:
    import torch

    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing reads uninitialised memory here, and filling it costs a pass over memory.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.backends.cudnn.benchmark = False


def choose_products() -> None:
    """Choose the library of large float32 matrix products on the CPU; ``float32_products`` says which it is.

    torch's default, MKL, uses half of the vector width of processors that are not Intel's: there oneDNN is twice as
    fast. torch leads to it by a setting that permits lower precision inside; it is kept only where a trial shows that
    products stay exact to float32, which holds on processors without matrix units for bfloat16.
    """
    if _prefers_onednn():
        _products().fp32_precision = BF16


@functools.cache
def _prefers_onednn() -> bool:
    """Return whether oneDNN is the faster library here and exact to float32, which a trial shows."""
    import torch

    if torch.backends.cpu.get_cpu_capability() != "AVX512" or "Intel" in processor():
        return False
    products = _products()
    before = products.fp32_precision
    products.fp32_precision = BF16
    try:
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randn(256, 512, generator=generator) for _ in range(2))
        expected = a.double() @ b.double().T
        return bool((a @ b.T - expected).abs().max() < EXACT * expected.abs().max())
    finally:
        products.fp32_precision = before


def default_products() -> None:
    """Compute large float32 products on the CPU as torch does by itself, whatever ``choose_products`` has chosen."""
    _products().fp32_precision = "none"


def float32_products() -> str:
    """Return which library computes large float32 products on the CPU: ``oneDNN``, or torch's ``default``."""
    return "oneDNN" if _products().fp32_precision == BF16 else "default"


def _products() -> Any:
    """Return torch's settings of float32 products on the CPU."""
    import torch

    return getattr(torch.backends.mkldnn, "matmul")  # noqa: B009


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which matrix products are computed in bfloat16 if ``precision`` is ``bf16``."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == BF16)


def choose_device(name: str) -> torch.device:
    """Return the torch device for ``auto``, ``cpu`` or ``cuda``; raises BadInput where there is no such device."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: no CUDA device is visible to torch", next_step="use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether the device has instructions for products of bfloat16."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def accelerator(device: torch.device) -> torch.device | None:
    """Return the device where it ranks codes in place of the compiled kernels: a GPU, else None."""
    return device if device.type == "cuda" else None


def resolve_precision(asked: str, device: torch.device, *, trained: bool, proven: bool) -> str:
    """Return ``fp32`` or ``bf16`` for one of ``PRECISIONS``.

    trained: whether the method trains in epochs; others compute in float32. proven: whether bfloat16 was measured to
    keep its numbers; without that, ``auto`` means float32.
    """
    if not trained:
        return FP32
    if asked == "auto":
        return BF16 if proven and has_fast_bf16(device) else FP32
    return asked


def processor() -> str:
    """Return the processor's name."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
