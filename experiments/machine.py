"""The machine and the versions that results were measured with."""

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
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    return f"{model}, {os.cpu_count()} cores, JAX on {jax.devices()[0].device_kind}; {versions}"


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "jax": jax.__version__}
    try:
        return found | {"torch": importlib.metadata.version("torch")}
    except importlib.metadata.PackageNotFoundError:
        return found
