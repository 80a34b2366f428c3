"""Run folders: new ones, resumed ones and finished ones, each used by one run at a time."""

import contextlib
import csv
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from gmjax._version import __version__
from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.printing import say
from gmjax.commands.run_files import COMMON_FACE, DOUBTFUL, EYES, LOSS, METRICS, MODEL, SKIPPED, VIEW
from gmjax.data import Entry
from gmjax.errors import GmjaxError, in_one_line
from gmjax.files.atomic import write_atomically
from gmjax.files.tables import table
from gmjax.parallel import processes

CONFIG, PICTURES, FINISHED = "config.json", "pictures.csv", "finished.json"
_RESULTS = {MODEL, METRICS, SKIPPED, DOUBTFUL, EYES, LOSS, "loss.png", "picture.png", "render.png", "fit.png"} | {
    COMMON_FACE, VIEW, "common_face.png", "average_face.png", "comparison.png"
}  # fmt: skip
_FOLDERS = CHECKPOINTS, REASONS, RECORDS, MODELS, RENDERS, CROPS = (
    "checkpoints", "skipped", "checks", "models", "renders", "crops"
)  # fmt: skip
_SHEETS = "check*.html"
_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")
# What may differ when a run is resumed.
_FREE = frozenset({"overwrite", "on_error", "workers", "save_every", "distribution", "platform", "devices"})


def configuration_of(command: str, options: FitOptions, plan: Plan) -> dict[str, Any]:
    """As JSON has it: the command, its options, what they stand for, and the versions that affect the numbers."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    versions |= {"gmjax": __version__, "python": platform.python_version(), "platform": platform.platform()}
    devices = jax.local_devices()
    content = {
        "command": command,
        "options": {**dataclasses.asdict(options), "size": options.side},
        "fit": {**dataclasses.asdict(plan.config), "start": plan.start},
        "versions": {**versions, "device": devices[0].device_kind, "devices": len(devices)},
    }
    return json.loads(json.dumps(content, default=str))


@contextlib.contextmanager
def opened(
    folder: Path, configuration: Mapping[str, Any], inputs: Sequence[Entry], *, overwrite: bool
) -> Iterator[tuple[str, int] | None]:
    """The folder for all processes of a run: new or, with equal ``configuration`` and ``inputs`` (files), resumed.

    Gives the output and exit status of a finished run. ``overwrite`` discards an earlier run. A new run that ends
    before it has results leaves no folder. Raises GmjaxError if the processes do not agree, and OSError if the folder
    cannot be used or holds something else.
    """
    listed = table(("picture", "size", "modified"), (entry[:3] for entry in inputs)) if inputs else b""
    _require_agreement(configuration, listed)
    with contextlib.ExitStack() as stack:
        finished, problem, refusal = None, None, None
        if processes.is_first():
            try:
                finished = stack.enter_context(_opened(folder, configuration, listed, overwrite))
            except OSError as error:
                refusal, problem = error, in_one_line(error)
        problem, finished = processes.broadcast([problem, finished])
        if problem is not None:
            raise refusal or GmjaxError(f"process 0 cannot use the run folder: {problem}")
        if not (folder / CONFIG).is_file():
            raise OSError(f"{folder} of process 0 is not visible here: give an --out that all processes share")
        yield finished


def finish(folder: Path, said: str, status: int = 0) -> int:
    """Marks the run as finished with its output and exit status, which are process 0's; prints and returns these."""
    status = processes.broadcast(status)
    if processes.is_first():
        write_atomically(folder / FINISHED, json.dumps([said, status]).encode())
        for name in (CHECKPOINTS, REASONS, RECORDS):
            shutil.rmtree(folder / name, ignore_errors=True)
        say(said)
    return status


@contextlib.contextmanager
def _opened(folder: Path, configuration: Mapping[str, Any], listed: bytes, overwrite: bool) -> Iterator[Any]:
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder} cannot be used as a run folder ({error.strerror}); give another --out") from error
    descriptor = _lock(folder)
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if CONFIG not in names and names - {PICTURES}:
            raise FileExistsError(f"{folder} is not empty and is not the folder of a run: give another one with --out")
        if CONFIG in names and not overwrite:
            finished = json.loads((folder / FINISHED).read_text(encoding="utf-8")) if FINISHED in names else None
            _require_same(folder, configuration, listed, is_finished=finished is not None)
            if finished is None:  # what a killed process had begun to write
                for path in folder.rglob(".*.part"):
                    path.unlink(missing_ok=True)
            yield finished
            return
        try:
            _discard(folder)
            if listed:
                write_atomically(folder / PICTURES, listed)
            write_atomically(folder / CONFIG, json.dumps(configuration, indent=2).encode())
            yield None
        except BaseException:
            if not _has_results(folder):
                with contextlib.suppress(OSError):  # a folder that others use stays
                    _discard(folder)
                    for path in created or [folder] * (CONFIG in names):
                        path.rmdir()
            raise
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    """An open descriptor: the system releases the lock when it is closed, also by the end of the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise FileExistsError(f"{folder}: another run is using it; wait for it, or give another --out") from error
    except OSError:  # a file system without locks
        pass
    return descriptor


def _discard(folder: Path) -> None:
    """Removes all that a run writes, what makes it a run at the end; other files stay."""
    (folder / FINISHED).unlink(missing_ok=True)
    for name in _FOLDERS:
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    for path in folder.glob(_SHEETS):
        path.unlink(missing_ok=True)
    for name in (*_RESULTS, PICTURES, CONFIG):
        (folder / name).unlink(missing_ok=True)


def _has_results(folder: Path) -> bool:
    files = [folder / name for name in _RESULTS]
    folders = (CHECKPOINTS, REASONS, MODELS, RENDERS)
    files += [path for name in folders for path in (folder / name).rglob("*") if path.is_file()]
    return any(path.exists() and path.stat().st_size for path in files)


def _require_agreement(configuration: Mapping[str, Any], listed: bytes) -> None:
    mine = json.dumps([configuration, hashlib.sha256(listed).hexdigest()])
    (first, pictures), *others = map(json.loads, processes.allgather(mine))
    for process, (other, other_pictures) in enumerate(others, 1):
        if different := _differences(first, other, "{} is {} there and {} here"):
            raise GmjaxError(f"process 0 and process {process} were not started with the same command: {different}")
        if other_pictures != pictures:
            raise GmjaxError(f"process 0 and process {process} do not see the same pictures: give a shared folder")


def _require_same(folder: Path, configuration: Mapping[str, Any], listed: bytes, *, is_finished: bool) -> None:
    try:
        before = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        different = _differences(before, configuration, "{} was {}, is {}", versions=not is_finished)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OSError(f"{folder} holds a run whose {CONFIG} cannot be read ({error}); give --overwrite") from error
    pictures = (folder / PICTURES).read_bytes() if (folder / PICTURES).is_file() else b""
    if not different and pictures != listed:
        different = _changes(pictures, listed)
    if different:
        problem = f"holds a run of other options or files ({different}): give another --out, or --overwrite"
        raise FileExistsError(f"{folder} {problem}")


def _differences(a: Mapping[str, Any], b: Mapping[str, Any], text: str, *, versions: bool = False) -> str:
    """The first difference of two configurations: in the options, in what they stand for, or in the versions."""
    if a["command"] != b["command"]:
        return text.format("the command", a["command"], b["command"])
    for group in ("options", "fit", "versions")[: 3 if versions else 2]:
        one, other = a[group], b[group]
        names = [name for name in {**one, **other} if name not in _FREE and one.get(name) != other.get(name)]
        known = {name: "--" + name.replace("_", "-") for name in a["options"]} | {"path": "the input"}
        if names:
            return "; ".join(text.format(known.get(name, name), one.get(name), other.get(name)) for name in names)
    return ""


def _changes(before: bytes, listed: bytes) -> str:
    texts = (io.StringIO(content.decode(), newline="") for content in (before, listed))
    then, now = ({name: rest for name, *rest in csv.reader(text)} for text in texts)
    changes = [f"{name} is new" for name in now if name not in then]
    changes += [f"{name} is gone" for name in then if name not in now]
    changes += [f"{name} has changed" for name in now if name in then and then[name] != now[name]]
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    return (changes[0] if changes else "the order of the files has changed") + more
