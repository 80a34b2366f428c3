"""The options that all experiments share, and the faces they run on."""

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import arg

from experiments.progress import progress
from gmjax.commands.options import DistributedOptions
from gmjax.data import Faces, caspeal_faces, load_folder, orl_faces
from gmjax.errors import ArgumentError
from gmjax.parallel import processes

# Options that do not change the results.
NEUTRAL = frozenset({"runs", "distribution"})


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of every experiment."""

    data: str = "orl"
    """orl, caspeal (with --root), or a folder of photographs as for gmjax common-model. Each subfolder is one person;
    a file outside of subfolders is a person of its own."""

    root: Path | None = None
    """With --data caspeal: the CAS-PEAL-R1 folder that contains FRONTAL and POSE."""

    also: Path | None = None
    """A second folder of photographs, for the experiments that compare collections."""

    aligned: bool = False
    """The photographs of both folders already have the paper's crop."""

    size: int = 120
    """Side length of the aligned faces in pixels."""

    seed: int = 0
    """Seed for everything random."""

    runs: Path = Path("runs/experiments")
    """Folder for cached results and sections. The processes of a distributed run must share it."""

    distribution: Annotated[DistributedOptions, arg(name="")] = DistributedOptions()


def main_faces(options: Options) -> Faces:
    """The collection ``--data``."""
    if options.data == "caspeal":
        if options.root is None:
            raise ArgumentError("root", "is needed with --data caspeal: the folder that contains FRONTAL and POSE")
        return _read(options.root, partial(caspeal_faces, size=options.size))
    if options.data == "orl":
        return orl_faces(size=options.size)
    return _read(Path(options.data), _folder_reader(options))


def collections(options: Options) -> dict[str, Faces]:
    """The collections ``--data`` and, if given, ``--also``, by name."""
    found = {name_of(options): main_faces(options)}
    if options.also is not None:
        name = options.also.resolve().name
        if name in found:
            raise ArgumentError("also", f"has the same name as --data, {name}: rename one of the folders")
        found[name] = _read(options.also, _folder_reader(options))
    return found


def name_of(options: Options) -> str:
    """The name of the collection ``--data``."""
    return {"orl": "ORL", "caspeal": "CAS-PEAL-R1"}.get(options.data, Path(options.data).resolve().name)


def arguments(options: Options, default: Options, *, for_report: bool = False) -> list[str]:
    """The command-line arguments that turn ``default`` into ``options``.

    ``for_report`` shortens paths to their last part, and leaves out options that do not change the results.
    """
    found: list[str] = []
    for field in dataclasses.fields(default):
        value, default_value = getattr(options, field.name), getattr(default, field.name)
        if value == default_value or (for_report and field.name in NEUTRAL):
            continue
        if dataclasses.is_dataclass(value):
            found += arguments(value, default_value)
            continue
        if for_report and field.name in ("data", "root", "also"):
            value = name_of(options) if field.name == "data" else value.resolve().name
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        found += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return found


def person_of(name: str) -> str:
    """The person on picture ``name``: its folder (ORL), its prefix ``MY_000001`` (CAS-PEAL-R1), or the file itself."""
    folder, _, file = name.rpartition("/")
    caspeal = re.match(r"[MF][YMO]_\d{6}(?=_)", file)
    return folder or (caspeal[0] if caspeal else file)


def one_per_person(faces: Faces, most: int | None = None) -> Faces:
    """The first picture of each person; if there are more than ``most`` people, of ``most`` evenly spaced ones."""
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
    with progress(label=f"reading {folder.name}", unit="face") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        faces = reader(folder, report=report)
    for name, reason in faces.skipped if processes.is_first() else ():
        print(f"skipped {name}: {reason}")
    return faces
