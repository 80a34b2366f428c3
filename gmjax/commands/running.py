"""A run from its start to its end: its processes, its folder, SIGTERM, and what is said when it is over."""

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gmjax.commands import run_folder
from gmjax.commands.options import FitOptions
from gmjax.commands.shared import UsageError, refusals, require_same_pictures
from gmjax.parallel import processes, watch
from gmjax.parallel.processes import Stopped


@contextlib.contextmanager
def joined(options: FitOptions) -> Iterator[None]:
    """Around a whole run, before anything touches a device: with ``--distributed`` the other processes join it."""
    given = (options.coordinator, options.processes, options.process)
    if not options.distributed and given != (None, None, None):
        raise UsageError("--coordinator, --processes and --process go with --distributed")
    stopped = None
    with _stopping_at_sigterm():
        if options.distributed:
            with refusals():
                processes.start(*given)
        with processes.ending_together():
            try:
                yield
            except Stopped as error:  # all have: it is no one's fault
                stopped = error
    if stopped is not None:
        raise stopped


@contextlib.contextmanager
def opened(folder: Path, configuration: Mapping[str, Any], *, overwrite: bool) -> Iterator[run_folder.Run]:
    """``run_folder.opened`` by process 0, for all of them, which must have the same ``configuration``."""
    _require_alike(configuration)
    with contextlib.ExitStack() as stack:
        run = run_folder.Run(folder)
        if processes.is_first():
            run = stack.enter_context(run_folder.opened(folder, configuration, overwrite=overwrite))
        outcome = json.loads(processes.from_first(json.dumps(run.outcome)))
        if not (folder / run_folder.CONFIG).is_file():
            raise OSError(f"{folder} of process 0 is not to be seen here: give an --out that all processes share")
        processes.together()
        try:
            yield run_folder.Run(folder, None if outcome is None else tuple(outcome))
        except Stopped as error:
            if not error.together:
                # The others have been asked too: each saves its own.
                processes.stop_together()
            raise


def require_going_on() -> None:
    """Raises Stopped if the run was asked to stop; what it came to has been saved by then."""
    if watch.stops():
        raise Stopped


def finish(run: run_folder.Run, said: str, status: int = 0) -> int:
    """The run's last words (process 0's), kept for whoever starts it again; the exit status (process 0's)."""
    status = int(processes.from_first(str(status)))
    if processes.is_first():
        run.finish(said, status)
        print(said)
    return status


def say_again(run: run_folder.Run, source: Path | None) -> int:
    """A finished run started again, of the pictures of ``source``.

    Raises FileExistsError if these are no longer those of the run.
    """
    assert run.outcome is not None
    said, status = run.outcome
    if processes.is_first():
        if source is not None and run.pictures.is_file():
            require_same_pictures(run, source)
        print(f"{run.folder} is finished, nothing was done; --overwrite does it again. It had said:\n{said}")
    return status


def _require_alike(configuration: Mapping[str, Any]) -> None:
    first, *others = (json.loads(text) for text in processes.from_each(run_folder.as_json(configuration)))
    for process, other in enumerate(others, 1):
        if different := run_folder.differences(first, other):
            said = "; ".join(f"{name} is {a} there, and {b} here" for name, a, b in different)
            raise UsageError(f"process 0 and process {process} were not started with the same command: {said}")


@contextlib.contextmanager
def _stopping_at_sigterm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        watch.stop()
        signal.signal(signal.SIGTERM, before)  # whoever sends it twice does not want to wait
        print("gmjax: SIGTERM: saving, then leaving", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        watch.go_on()
