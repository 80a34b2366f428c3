"""Which faces an experiment is run on, and the options that all experiments share."""

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from gmjax.commands.shared import progress
from tyro.conf import arg

from gmjax.data import Faces, caspeal_faces, load_folder, orl_faces
from gmjax.parallel import processes, watch

# What does not change the results.
FREE = frozenset({"runs", "distributed", "coordinator", "processes", "process"})


@dataclasses.dataclass(frozen=True)
class Options:
    """Of every experiment; each adds its own."""

    data: str = "orl"
    """orl, caspeal (with --root), or a folder of photographs, as gmjax common-model takes it; each folder in it is one
    person, else each file."""

    root: Path | None = None
    """With --data caspeal: the folder of CAS-PEAL-R1 that holds FRONTAL and POSE."""

    also: Path | None = None
    """Another folder of photographs, measured beside the first one where collections are compared."""

    aligned: bool = False
    """The folders' photographs are in the paper's crop already."""

    size: int = 120
    """Side of the aligned faces in pixels."""

    seed: int = 0
    """Of everything that is drawn at random."""

    runs: Path = Path("runs/experiments")
    """Where results are kept, to be used again and gone on from; with --distributed all processes share it."""

    distributed: bool = False
    """One of several processes that share the work, each started with the same command. On Cloud TPU, Slurm, Open MPI
    and Kubernetes they find each other; elsewhere say --coordinator, --processes and --process."""

    coordinator: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="")] = None
    """With --distributed: where process 0 listens."""

    processes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """With --distributed: how many there are."""

    process: Annotated[int | None, arg(metavar="I", help_behavior_hint="")] = None
    """With --distributed: which this one is, from 0."""


def main_faces(options: Options) -> Faces:
    """The collection of ``--data``."""
    if options.data == "caspeal":
        if options.root is None:
            raise SystemExit("--data caspeal needs --root, the folder that holds FRONTAL and POSE")
        return _read(options.root, partial(caspeal_faces, size=options.size))
    if options.data == "orl":
        return orl_faces(size=options.size)
    return _read(Path(options.data), _folder_reader(options))


def collections(options: Options) -> dict[str, Faces]:
    """The collection of ``--data`` and, where it is given, that of ``--also``, by their names."""
    found = {name_of(options): main_faces(options)}
    if options.also is not None:
        name = options.also.resolve().name
        if name in found:
            raise SystemExit(f"--data and --also are both called {name}: rename one of the folders")
        found[name] = _read(options.also, _folder_reader(options))
    return found


def name_of(options: Options) -> str:
    return {"orl": "ORL", "caspeal": "CAS-PEAL-R1"}.get(options.data, Path(options.data).resolve().name)


def changed(options: Options, default: Options, *, names_only: bool = False) -> list[str]:
    """What differs from ``default``, as arguments; ``names_only``: of a path its last part, and without ``FREE``."""
    arguments: list[str] = []
    for field in dataclasses.fields(default):
        value = getattr(options, field.name)
        if value == getattr(default, field.name) or (names_only and field.name in FREE):
            continue
        if names_only and field.name in ("data", "root", "also"):
            value = name_of(options) if field.name == "data" else value.resolve().name
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        arguments += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return arguments


def person_of(name: str) -> str:
    """Whose picture ``name`` is: one folder a person (ORL), ``MY_000001_...`` (CAS-PEAL-R1), or one file a person."""
    folder, _, file = name.rpartition("/")
    caspeal = re.match(r"[MF][YMO]_\d{6}(?=_)", file)
    return folder or (caspeal[0] if caspeal else file)


def one_a_person(faces: Faces, most: int | None = None) -> Faces:
    """The first picture of each person; of more than ``most`` people, so many that are evenly spread."""
    numbers: dict[str, int] = {}
    for number, name in enumerate(faces.names):
        numbers.setdefault(person_of(name), number)
    first = list(numbers.values())
    if most is not None and len(first) > most:
        first = [first[round(i)] for i in np.linspace(0, len(first) - 1, most)]
    return Faces(faces.images[first], tuple(faces.names[i] for i in first))


def _folder_reader(options: Options) -> Callable[..., Faces]:
    return partial(load_folder, aligned=options.aligned, size=options.size)


def _read(folder: Path, reader: Callable[..., Faces]) -> Faces:
    with progress(f"reading {folder.name}", "face") as bar:

        def report(done: int, total: int) -> None:
            watch.progress()
            if processes.is_first():
                bar.total = total
                bar.update(done - bar.n)

        faces = reader(folder, report=report)
    for name, reason in faces.skipped if processes.is_first() else ():
        print(f"left out: {name}: {reason}")
    return faces
