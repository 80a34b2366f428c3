"""The ``gmjax`` command: arguments to calls."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import tyro
from tyro.conf import subcommand

from gmjax.commands.common_model import CommonModel
from gmjax.commands.fit import Fit
from gmjax.commands.models import Info, Plot, Render, Transform
from gmjax.commands.shared import UsageError
from gmjax.data import PictureError, keep_memory
from gmjax.files.models import ModelFileError
from gmjax.parallel import NonFiniteLossError, processes
from gmjax.parallel.processes import Stopped

Command = (
    Annotated[CommonModel, subcommand("common-model")]
    | Annotated[Fit, subcommand("fit")]
    | Annotated[Render, subcommand("render")]
    | Annotated[Transform, subcommand("transform")]
    | Annotated[Plot, subcommand("plot")]
    | Annotated[Info, subcommand("info")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status: 0, 1 if some of the pictures were lost or a fit went wrong, 2 if the command
    cannot be done, 4 if another process of the run died, 143 if it was asked to stop (SIGTERM).

    Arguments that do not parse, and ``--help``, leave by SystemExit as usual.
    """
    command = tyro.cli(
        Command,
        args=argv,
        prog="gmjax",
        description="A face, or any picture, as one explicit formula: a sum of two-dimensional Gaussians.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    _keep_compiled_programs()
    keep_memory()
    return processes.leave(_status_of(command))


def _status_of(command) -> int:
    try:
        return command.run()
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (UsageError, PictureError, ModelFileError, OSError, ImportError) as error:
        print(f"gmjax: {'; '.join(line.strip() for line in str(error).splitlines())}", file=sys.stderr)
        return 2
    except NonFiniteLossError as error:
        print(f"gmjax: {error}", file=sys.stderr)
        return 1
    except (Stopped, KeyboardInterrupt) as error:
        print("gmjax: stopped; what was done is kept, and the same command goes on from there", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(error, Stopped) else signal.SIGINT)


def _keep_compiled_programs() -> None:
    """The second run of a kind starts some seconds earlier. Whoever has set JAX's own cache keeps that."""
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    with contextlib.suppress(OSError, RuntimeError):  # no home, or not ours to write: then without
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = Path(base, "gmjax")
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
