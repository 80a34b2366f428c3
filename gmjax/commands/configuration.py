"""What a run was started with: its options, what they stand for, and the versions that have a part in its numbers."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import jax

from gmjax._version import __version__
from gmjax.commands.options import FitOptions
from gmjax.solvers.config import FitConfig

# What does not change the results may differ when a run is resumed.
FREE_OPTIONS = frozenset({"overwrite", "on_error", "workers", "save_every", "distribution"})
FREE_VERSIONS = frozenset({"platform", "devices"})
_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")
# Options without a name on the command line.
_POSITIONAL = {"path": "the input"}

Difference = tuple[str, Any, Any]


def configuration_of(command: str, options: FitOptions, config: FitConfig, **resolved: Any) -> dict[str, Any]:
    """As JSON has it: the command, its options as given, what they stand for, and the ``FitConfig``."""
    content = {
        "command": command,
        "options": dataclasses.asdict(options),
        **resolved,
        "fit": dataclasses.asdict(config),
    }
    return json.loads(json.dumps(content, default=str))


def versions() -> dict[str, Any]:
    """The versions of all that has a part in the numbers, and the device that they are computed on."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    devices = jax.local_devices()
    content = {"gmjax": __version__, **packages, "python": platform.python_version(), "platform": platform.platform()}
    return content | {"device": devices[0].device_kind, "devices": len(devices)}


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    """(name, in ``a``, in ``b``) of what differs in two configurations: options by their names on the command line or,
    where these are the same, what they stand for."""
    if a["command"] != b["command"]:
        return [("the command", a["command"], b["command"])]
    options = [
        (_POSITIONAL.get(name, "--" + name.replace("_", "-")), then, now)
        for name, then, now in _different(a["options"], b["options"], FREE_OPTIONS)
    ]
    return options or _different(a, b, {"options", "fit"}) or _different(a["fit"], b["fit"], set())


def different_versions(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    return _different(a, b, FREE_VERSIONS)


def _different(a: Mapping[str, Any], b: Mapping[str, Any], free: frozenset[str] | set[str]) -> list[Difference]:
    return [(name, a.get(name), b.get(name)) for name in {**a, **b} if name not in free and a.get(name) != b.get(name)]
