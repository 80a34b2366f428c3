"""Run folders: what every run of the command leaves behind, so that it can be read, plotted and done again."""

import csv
import dataclasses
import fcntl
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax

from gmjax._version import __version__
from gmjax.solvers.config import FitConfig

MODEL, CONFIG, VERSIONS, FINISHED = "model.safetensors", "config.json", "versions.json", "finished.json"
LOSS, METRICS, SKIPPED = "loss.csv", "metrics.csv", "skipped.csv"
# What does not change the results, and so may change while a run goes on.
FREE_OPTIONS = frozenset(
    {"overwrite", "on_error", "workers", "save_every", "distributed", "coordinator", "processes", "process"}
)
# Of options that the command line does not name.
_OPERANDS = {"path": "the input"}
FREE_VERSIONS = frozenset({"platform", "devices"})
_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")


class Run(NamedTuple):
    """A run's folder. ``outcome``: what a finished run said at its end, and its exit status; None while it is not."""

    folder: Path
    outcome: tuple[str, int] | None = None

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures.txt"

    def finish(self, said: str, status: int) -> None:
        """All that the run is for has been written: what only served it goes."""
        write_json(self.folder / FINISHED, {"said": said, "status": status})
        for path in (self.checkpoints, self.ledger):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def opened(folder: Path, configuration: Mapping[str, Any], *, overwrite: bool) -> Iterator[Run]:
    """The folder of a run of this ``configuration``: of a new one, of one to go on with, or of a finished one.

    Nobody else runs in it meanwhile. With ``overwrite`` the folder of an earlier run begins anew: what that needed to
    go on is removed, files of the same names are written over, others stay.

    Raises FileExistsError for a folder in use, be it for something else, by another run that is still at work, or by
    one of another configuration, which the text names; and OSError for one that cannot be made or written to.
    """
    _make(folder)
    with _locked(folder):
        if not (folder / CONFIG).is_file() and _names(folder) - {VERSIONS}:
            raise FileExistsError(f"{folder} is not empty, and no folder of a run: give another one with --out")
        if overwrite:
            (folder / FINISHED).unlink(missing_ok=True)
            for path in (Run(folder).checkpoints, Run(folder).ledger):
                shutil.rmtree(path, ignore_errors=True)
            # Left from an earlier run, they would name pictures that this run does not have.
            for path in (folder / SKIPPED, Run(folder).pictures):
                path.unlink(missing_ok=True)
        elif (folder / CONFIG).is_file():
            _require_same(folder, configuration)
            outcome = _outcome(folder)
            if outcome is None:
                _remove_unfinished_files(folder)
            yield Run(folder, outcome)
            return
        write_versions(folder)
        write_json(folder / CONFIG, configuration)
        try:
            yield Run(folder)
        except BaseException:
            _remove_unused(folder)
            raise


def configuration_of(command: str, options: Any, config: FitConfig, **resolved: Any) -> dict[str, Any]:
    """The command and its ``options`` (a dataclass) as given, what they came to, and the ``FitConfig``."""
    given = {"command": command, "options": dataclasses.asdict(options)}
    return given | resolved | {"fit": dataclasses.asdict(config)}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}.part"
        trial.touch()
        trial.unlink()
    except OSError as error:
        reason = "a file of that name is there" if isinstance(error, FileExistsError) else error.strerror
        raise OSError(f"{folder} cannot be a run's folder ({reason}); give another one with --out") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The system gives the lock back when the process ends, in whatever way."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise FileExistsError(f"{folder}: another run is at work in it; wait for it, or give another --out") from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def _remove_unused(folder: Path) -> None:
    """Of a run that ended before it began: nobody shall have to clear it away."""
    if _names(folder) == {CONFIG, VERSIONS}:
        for name in (CONFIG, VERSIONS):
            (folder / name).unlink()


def _remove_unfinished_files(folder: Path) -> None:
    """What a killed process had begun to write."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".part"):
                Path(place, name).unlink(missing_ok=True)


def _outcome(folder: Path) -> tuple[str, int] | None:
    if not (folder / FINISHED).is_file():
        return None
    finished = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
    return finished["said"], finished["status"]


def _require_same(folder: Path, configuration: Mapping[str, Any]) -> None:
    try:
        there = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        made_with = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
        different = differences(there, json.loads(as_json(configuration)))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OSError(f"{folder} holds a run whose {CONFIG} cannot be read ({error}); give --overwrite") from error
    if not different and not (folder / FINISHED).is_file():
        # A run that goes on under other versions would end elsewhere than it set out to.
        now = versions()
        different = [
            (name, made_with.get(name), now[name])
            for name in now
            if name not in FREE_VERSIONS and made_with.get(name) != now[name]
        ]
    if different:
        said = "; ".join(f"{name} was {then}, is {now}" for name, then, now in different)
        raise FileExistsError(
            f"{folder} holds a run of another configuration ({said}): go on with that one, give another folder with "
            "--out, or begin anew with --overwrite"
        )


def as_json(configuration: Mapping[str, Any]) -> str:
    return json.dumps(configuration, indent=2, default=_name_of)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, there, here) of what differs in two configurations that were JSON.

    Named as the command line names it, or else as it was resolved.
    """

    def of(a: Mapping[str, Any], b: Mapping[str, Any], free: frozenset[str], prefix: str) -> list[tuple[str, Any, Any]]:
        names = [name for name in {**a, **b} if name not in free and a.get(name) != b.get(name)]
        return [(_OPERANDS.get(name, prefix + name.replace("_", "-")), a.get(name), b.get(name)) for name in names]

    if there["command"] != here["command"]:
        return [("the command", there["command"], here["command"])]
    nested = frozenset({"options", "fit"})
    return (
        of(there["options"], here["options"], FREE_OPTIONS, "--")
        or of(there, here, nested, "")
        or of(there["fit"], here["fit"], frozenset(), "")
    )


def _name_of(value: Any) -> str:
    """Of a path the path; of a function its name, which does not change from run to run."""
    return getattr(value, "__qualname__", str(value))


def write_versions(folder: Path) -> None:
    write_json(folder / VERSIONS, versions())


def versions() -> dict[str, Any]:
    """Of everything that has a say in the numbers, and the kind of device they are made on."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    devices = jax.local_devices()
    content = {"gmjax": __version__, **packages, "python": platform.python_version(), "platform": platform.platform()}
    return content | {"device": devices[0].device_kind, "devices": len(devices)}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(as_json(content) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A CSV file with its columns' names in the first line."""
    with table(path, columns) as (writer, _):
        writer.writerows(rows)


@contextmanager
def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, TextIO]]:
    """A CSV file to write row by row: (its writer, its stream)."""
    # A file name that is no text in its file system's encoding must not end a long run.
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        yield writer, stream
