"""The ``gmjax`` command: arguments to calls, errors to messages and exit statuses."""

import contextlib
import dataclasses
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from gmjax._version import __version__
from gmjax.commands.printing import escaped
from gmjax.data import keep_memory
from gmjax.errors import ArgumentError, DivergedError, GmjaxError, in_one_line, missing_extra
from gmjax.parallel import processes
from gmjax.parallel.processes import Stopped

_PACKAGES = ("tyro", "tqdm", "matplotlib", "grain")
_OPTIONS = {"num_components": "components", "init": "start"}  # by the library's name


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command. The exit status: 1 if pictures were skipped or the fit diverged, 2 for an error, 130 or 143
    after Ctrl-C or SIGTERM, else 0. Arguments that cannot be parsed, and ``--help``, raise SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show, such as a file name
    argv = sys.argv[1:] if argv is None else argv
    if list(argv) == ["--version"]:
        print(f"gmjax {__version__}")
        return 0
    if not all(map(importlib.util.find_spec, _PACKAGES)):
        print(f"gmjax: {missing_extra('cli', 'The gmjax command')}", file=sys.stderr)
        return 2
    command = _parsed(argv)
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever a notebook has set
    _keep_compiled_programs()
    keep_memory()
    return processes.leave(_status_of(command))


def _parsed(argv: Sequence[str]) -> Any:
    import tyro

    from gmjax.commands import models, space
    from gmjax.commands.common_model import CommonModel
    from gmjax.commands.convert import Convert
    from gmjax.commands.export import Export
    from gmjax.commands.fit import Fit
    from gmjax.commands.view import View

    commands: dict[str, Any] = {"common-model": CommonModel, "fit": Fit}
    commands |= {"render": models.Render, "transform": models.Transform, "plot": models.Plot, "info": models.Info}
    commands |= {"view": View, "export": Export, "convert": Convert}
    commands |= {"average": space.Average, "morph": space.Morph, "symmetrise": space.Symmetrise}
    commands |= {"axis": space.Axis, "compare": space.Compare}
    about = "A picture as one formula: a sum of two-dimensional Gaussians. gmjax --version prints the version."
    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.extras.subcommand_cli_from_dict(commands, args=argv, prog="gmjax", description=about, config=config)


def _status_of(command: Any) -> int:
    try:
        return command.run()
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (Stopped, KeyboardInterrupt) as error:
        searched = getattr(command, "target_psnr", None) is not None
        repeated = "; a search for --target-psnr that was in progress is repeated" if searched else ""
        print(f"gmjax: stopped; the same command resumes from what was saved{repeated}", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(error, Stopped) else signal.SIGINT)
    except Exception as error:
        text, status = explained(error, command)
        if not text:
            raise
        print(f"gmjax: {escaped(text)}", file=sys.stderr)
        return status


def explained(error: Exception, command: Any) -> tuple[str, int]:
    """What to say of an error of ``command``, and the exit status; nothing if it is a bug, which has its traceback."""
    if isinstance(error, ArgumentError):
        return f"{_option(error.argument, command)} {error.problem}", 2
    if isinstance(error, GmjaxError | OSError | ImportError):
        return in_one_line(error), 1 if isinstance(error, DivergedError) else 2
    is_of_jax = isinstance(error, jax.errors.JaxRuntimeError)
    if isinstance(error, MemoryError) or (is_of_jax and "RESOURCE_EXHAUSTED" in str(error)):
        return "there is not enough memory: use fewer --components, a smaller --size, or a machine with more", 2
    if isinstance(error, RuntimeError | AssertionError):
        try:
            jax.devices()
        except (RuntimeError, AssertionError) as problem:
            remedy = "set JAX_PLATFORMS=cpu, or install JAX for that device, for example gmjax[gpu]"
            reason = f" ({in_one_line(problem)})" if str(problem) else ""
            return f"JAX has no device for JAX_PLATFORMS={os.getenv('JAX_PLATFORMS', '')}{reason}: {remedy}", 2
    return "", 1


def _option(argument: str, command: Any) -> str:
    name = argument.removeprefix("FitConfig.")
    name = _OPTIONS.get(name, name)
    parts = [part for part in (command, getattr(command, "distribution", None)) if part is not None]
    known = {field.name for part in parts for field in dataclasses.fields(part)}
    return "--" + name.replace("_", "-") if name in known else argument


def _keep_compiled_programs() -> None:
    """Caches compiled programs, so that the next run starts some seconds earlier; where JAX's own cache is not set."""
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    with contextlib.suppress(OSError, RuntimeError):  # no home, or not writable: no cache
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "gmjax")
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
