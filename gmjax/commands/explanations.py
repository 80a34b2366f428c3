"""Errors as the person at the terminal reads them: a sentence and an exit status instead of a traceback."""

import dataclasses
import os
from typing import Any

import jax

from gmjax.errors import ArgumentError, DivergedError, GmjaxError

# Arguments of the library that have another name on the command line.
_OPTIONS = {"num_components": "components", "init": "start"}


def explained(error: Exception, command: Any) -> tuple[str, int] | None:
    """What to say of an error of ``command``, and the exit status; None if it is a bug, which has its traceback."""
    if isinstance(error, ArgumentError):
        return f"{_option(error.argument, command)} {error.problem}", 2
    if isinstance(error, GmjaxError | OSError | ImportError):
        return in_words(error), 1 if isinstance(error, DivergedError) else 2
    is_of_jax = isinstance(error, jax.errors.JaxRuntimeError)
    if isinstance(error, MemoryError) or (is_of_jax and "RESOURCE_EXHAUSTED" in str(error)):
        return "there is not enough memory: use fewer --components, a smaller --size, or a machine with more", 2
    if isinstance(error, RuntimeError | AssertionError) and (problem := _device_problem()):
        return problem, 2
    return None


def in_words(error: BaseException) -> str:
    """The text of an error in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return "; ".join(line.strip() for line in text.splitlines())


def _option(argument: str, command: Any) -> str:
    """The option for an argument of the library, or the argument itself."""
    name = argument.removeprefix("FitConfig.")
    name = _OPTIONS.get(name, name)
    parts = [part for part in (command, getattr(command, "distribution", None)) if part is not None]
    known = {field.name for part in parts for field in dataclasses.fields(part)}
    return "--" + name.replace("_", "-") if name in known else argument


def _device_problem() -> str | None:
    """Why JAX has no device here, if it has none."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        reason = f" ({error})" if str(error) else ""
        platforms = os.environ.get("JAX_PLATFORMS", "")
        return (
            f"JAX has no device for JAX_PLATFORMS={platforms}{reason}: set JAX_PLATFORMS=cpu, or install JAX for that "
            "device, for example gmjax[gpu]"
        )
    return None
