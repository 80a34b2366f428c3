"""The machine and the versions that results were measured with."""

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path

import jax


def machine() -> str:
    """The processor, the number of cores, JAX's device, and the versions of Python, JAX and PyTorch."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    shown = ", ".join(f"{name} {version}" for name, version in versions("jax", "torch").items())
    return f"{model}, {os.cpu_count()} cores, JAX on {jax.devices()[0].device_kind}; {shown}"


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python and of the ``packages`` that are installed."""
    found = {"Python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
