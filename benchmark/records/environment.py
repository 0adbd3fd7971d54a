"""Where a number was made: versions, processor, device, threads and determinism flags."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from benchmark.compute import machine

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "numba", "h5py", "pandas", "pydantic")


def describe(device: torch.device) -> dict[str, Any]:
    """Return the environment as it goes into a record."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": machine.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "float32_products": machine.float32_products() if device.type == "cpu" else "default",
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """Return the installed version of each package that can move a number."""
    return {package: version(package) for package in PACKAGES}


def version(package: str) -> str:
    """Return the installed version of a package; raises LookupError where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise LookupError(package) from error
