"""What a run was started with: its options, what they stand for, and the versions that have a part in its numbers."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import jax

from gmjax._version import __version__
from gmjax.commands.options import FitOptions, Plan

# These do not change the results, and may differ when a run is resumed.
FREE_OPTIONS = frozenset({"out", "overwrite", "on_error", "workers", "save_every", "distribution"})
FREE_VERSIONS = frozenset({"platform", "devices"})
_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")


def configuration_of(command: str, options: FitOptions, plan: Plan) -> dict[str, Any]:
    """As JSON has it: the command, its options as given, and what they stand for."""
    given, fit = dataclasses.asdict(options), dataclasses.asdict(plan.config)
    content = {"command": command, "options": given, "start": plan.start, "seed": options.seed, "fit": fit}
    return json.loads(json.dumps(content, default=str))


def versions() -> dict[str, Any]:
    """The versions of all that has a part in the numbers, and the device that they are computed on."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    devices = jax.local_devices()
    content = {"gmjax": __version__, **packages, "python": platform.python_version(), "platform": platform.platform()}
    return content | {"device": devices[0].device_kind, "devices": len(devices)}


def settings(configuration: Mapping[str, Any], made_with: Mapping[str, Any]) -> dict[str, Any]:
    """All that must not change when a run is resumed, by name; options as the command line names them, and first."""
    options = {f"--{name.replace('_', '-')}": value for name, value in _without(configuration["options"], FREE_OPTIONS)}
    rest = dict(_without(configuration, {"options", "fit", "command"}))
    return {"the command": configuration["command"], **options, **rest, **configuration["fit"]} | dict(
        _without(made_with, FREE_VERSIONS)
    )


def first_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """(name, in ``a``, in ``b``) of the first that differs."""
    return next(((name, a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)), None)


def _without(mapping: Mapping[str, Any], names: frozenset[str] | set[str]):
    return ((name, value) for name, value in mapping.items() if name not in names)
