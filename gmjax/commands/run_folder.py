"""Run folders: new ones, resumed ones and finished ones, each used by one run at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gmjax.commands.configuration import first_difference, settings, versions
from gmjax.commands.explanations import in_words
from gmjax.commands.tables import rows_of, table
from gmjax.data import Entry
from gmjax.errors import GmjaxError
from gmjax.files.atomic import write_atomically
from gmjax.parallel import processes

CONFIG, VERSIONS, PICTURES, FINISHED = "config.json", "versions.json", "pictures.csv", "finished.json"
MODEL, METRICS, SKIPPED, LOSS = "model.safetensors", "metrics.csv", "skipped.csv", "loss.csv"
MODELS, RENDERS = "models", "renders"
_DESCRIPTION = {CONFIG, VERSIONS, PICTURES}
_RESULTS = {MODEL, METRICS, SKIPPED, LOSS, "loss.png", "picture.png", "render.png", "fit.png"} | {
    "common_face.png", "average_face.png", "comparison.png"
}  # fmt: skip
_REMEDY = "choose another folder with --out, or discard that run with --overwrite"


class Run(NamedTuple):
    """The folder of a run. ``finished``: the output and exit status of a run that is finished, else None."""

    folder: Path
    finished: tuple[str, int] | None = None

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def skipped(self) -> Path:
        """The folder in which each process lists the pictures that it could not use, until the run is finished."""
        return self.folder / "skipped"


@contextmanager
def opened(
    folder: Path, configuration: Mapping[str, Any], inputs: Sequence[Entry], *, overwrite: bool
) -> Iterator[Run]:
    """The folder for all processes of a run, which must have the same ``configuration`` and the same ``inputs``.

    ``inputs``: the files that the run reads. It is a new run, or one with the same configuration and inputs that is
    resumed or finished. ``overwrite`` discards an earlier run of any kind. A new run that ends before it has results
    leaves no folder.

    Raises GmjaxError if the processes do not agree, or if the folder cannot be written, is in use, contains something
    else than a run, or holds a run with another configuration or other inputs.
    """
    listed = table(("picture", "size", "modified"), (entry[:3] for entry in inputs)) if inputs else b""
    _require_agreement(configuration, listed)
    with contextlib.ExitStack() as stack:
        run, refusal = Run(folder), None
        if processes.is_first():
            try:
                run = stack.enter_context(_opened(folder, configuration, listed, overwrite))
            except OSError as error:
                refusal = error
        problem, finished = json.loads(processes.broadcast(json.dumps([refusal and in_words(refusal), run.finished])))
        if problem is not None:
            raise GmjaxError(problem) from refusal
        if not (folder / CONFIG).is_file():
            raise OSError(f"{folder} of process 0 is not visible here: give an --out that all processes share")
        yield Run(folder, None if finished is None else tuple(finished))


def finish(run: Run, said: str, status: int = 0) -> int:
    """Marks the run as finished with its output and exit status, which are process 0's; prints and returns these."""
    status = int(processes.broadcast(str(status)))
    if processes.is_first():
        _write_json(run.folder / FINISHED, {"said": said, "status": status})
        for path in (run.checkpoints, run.skipped):
            shutil.rmtree(path, ignore_errors=True)
        print(said)
    return status


def say_again(run: Run) -> int:
    """Repeats the output of a finished run; its exit status."""
    assert run.finished is not None
    said, status = run.finished
    if processes.is_first():
        print(f"{run.folder} is finished, nothing was done; --overwrite does it again. Its output was:\n{said}")
    return status


@contextmanager
def _opened(folder: Path, configuration: Mapping[str, Any], listed: bytes, overwrite: bool) -> Iterator[Run]:
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{folder} cannot be used as a run folder ({error.strerror}); give another one with --out"
        raise OSError(problem) from error
    with _locked(folder):
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if CONFIG not in names and names - _DESCRIPTION:
            raise FileExistsError(f"{folder} is not empty and is not the folder of a run: give another one with --out")
        if CONFIG in names and not overwrite:
            run = Run(folder, _outcome(folder))
            _require_same(folder, configuration, is_finished=run.finished is not None)
            _require_same_inputs(folder, listed)
            for path in folder.rglob(".*.part"):  # what a killed process had begun to write
                path.unlink(missing_ok=True)
            yield run
            return
        try:
            _discard(folder)
            _write_json(folder / VERSIONS, versions())
            if listed:
                write_atomically(folder / PICTURES, listed)
            _write_json(folder / CONFIG, configuration)
            yield Run(folder)
        except BaseException:
            _remove_unused(folder, created or [folder] if CONFIG in names else created)
            raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The system releases the lock when the process ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise FileExistsError(f"{folder}: another run is using it; wait for it, or give another --out") from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _discard(folder: Path) -> None:
    """Removes all that a run writes, what makes it a run at the end; other files stay."""
    run = Run(folder)
    (folder / FINISHED).unlink(missing_ok=True)
    for path in (run.checkpoints, run.skipped, folder / MODELS, folder / RENDERS):
        if path.exists():
            shutil.rmtree(path)
    for name in (*_RESULTS, PICTURES, VERSIONS, CONFIG):
        (folder / name).unlink(missing_ok=True)


def _remove_unused(folder: Path, created: Sequence[Path]) -> None:
    """Removes the description of a run without results, and the folders that were ``created`` for it."""
    paths = sorted(folder.rglob("*"), reverse=True)
    if {path.name for path in paths if path.is_file()} <= _DESCRIPTION:
        for path in paths:
            path.unlink() if path.is_file() else path.rmdir()
        with contextlib.suppress(OSError):  # not empty
            for path in created:
                path.rmdir()


def _outcome(folder: Path) -> tuple[str, int] | None:
    try:
        content = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content["said"], content["status"]


def _require_agreement(configuration: Mapping[str, Any], listed: bytes) -> None:
    mine = json.dumps(settings(configuration, {}) | {"the pictures": hashlib.sha256(listed).hexdigest()})
    first, *others = map(json.loads, processes.allgather(mine))
    for process, other in enumerate(others, 1):
        if different := first_difference(first, other):
            name, there, here = different
            raise GmjaxError(
                f"process 0 and process {process} were not started with the same command: {name} is {there} there and "
                f"{here} here"
            )


def _require_same(folder: Path, configuration: Mapping[str, Any], *, is_finished: bool) -> None:
    try:
        there, made_with = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (CONFIG, VERSIONS))
        # Resumed with other versions, a run would end with other numbers.
        then, now = settings(there, made_with), settings(configuration, made_with if is_finished else versions())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OSError(f"{folder} holds a run whose {CONFIG} cannot be read ({error}); give --overwrite") from error
    if different := first_difference(then, now):
        name, before, after = different
        raise FileExistsError(
            f"{folder} holds a run of another configuration ({name} was {before}, is {after}): {_REMEDY}"
        )


def _require_same_inputs(folder: Path, listed: bytes) -> None:
    path = folder / PICTURES
    before = path.read_bytes() if path.is_file() else b""
    if before == listed:
        return
    then, now = ({name: rest for name, *rest in rows_of(content)} for content in (before, listed))
    changes = [f"{name} is new" for name in now if name not in then]
    changes += [f"{name} is gone" for name in then if name not in now]
    changes += [f"{name} has changed" for name in now if name in then and then[name] != now[name]]
    first = changes[0] if changes else "their order has changed"
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    raise FileExistsError(f"{folder} holds a run of other pictures ({first}{more}): restore them, {_REMEDY}")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
