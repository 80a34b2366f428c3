"""Run folders: what every run of the command leaves behind, so that it can be read, plotted and done again."""

import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import jax

from gmjax._version import __version__
from gmjax.config import FitConfig

MODEL, CONFIG, VERSIONS = "model.safetensors", "config.json", "versions.json"
LOSS, METRICS, SKIPPED = "loss.csv", "metrics.csv", "skipped.csv"
_PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")


def create(folder: Path, *, overwrite: bool) -> Path:
    """The folder of a new run, made and found to be writable before the work begins.

    With ``overwrite`` a folder that is not empty is taken too: files of the same names are written over, others stay.

    Raises FileExistsError for a folder in use, and OSError for one that cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        in_use = not overwrite and any(folder.iterdir())
        if not in_use:
            trial = folder / f".{os.getpid()}.part"
            trial.touch()
            trial.unlink()
            # Left from an earlier run, it would name pictures that this run did not lose.
            (folder / SKIPPED).unlink(missing_ok=True)
    except OSError as error:
        reason = "a file of that name is there" if isinstance(error, FileExistsError) else error.strerror
        raise OSError(f"{folder} cannot be a run's folder ({reason}); give another one with --out") from error
    if in_use:
        raise FileExistsError(f"{folder} is not empty; give another folder with --out, or --overwrite")
    return folder


def write_configuration(folder: Path, command: str, options: Any, config: FitConfig, **resolved: Any) -> None:
    """``config.json``: the command and its options (a dataclass) as given, what they came to, and the ``FitConfig``."""
    given = {"command": command, "options": dataclasses.asdict(options)}
    write_json(folder / CONFIG, given | resolved | {"fit": dataclasses.asdict(config)})


def write_versions(folder: Path) -> None:
    write_json(folder / VERSIONS, versions())


def versions() -> dict[str, Any]:
    """Of everything that has a say in the numbers, and the kind of device they are made on."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    devices = jax.local_devices()
    content = {"gmjax": __version__, **packages, "python": platform.python_version(), "platform": platform.platform()}
    return content | {"device": devices[0].device_kind, "devices": len(devices)}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


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
