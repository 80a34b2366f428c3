"""Results on disk, each computed once: what makes a run reuse what is there, and go on where it was interrupted."""

import hashlib
import inspect
import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import joblib

import benchmarks
import gmjax
from gmjax.commands import run_folder
from gmjax.parallel import processes

SHARED = "collection.py", "models.py", "codecs.py"


class Kept:
    """``kept(function, *arguments)`` is ``function(*arguments)``, computed only where it is not on disk yet.

    A result belongs to the function's text, its arguments, the code it stands on (all of gmjax, the PyTorch peers, and
    what experiments share), the versions and the kind of device, not to their number. The other functions of a script
    are not looked at: whoever changes what one computes removes the folder ``kept``. ``seconds`` adds up what making
    the results took.

    In a run of several processes all compute and all get the result; the first one says whether it is there, and
    writes it.
    """

    def __init__(self, folder: Path):
        self._folder = folder / "kept" / _code_and_device()
        self._durations: dict[Path, float] = {}

    @property
    def seconds(self) -> float:
        return sum(self._durations.values())

    def __call__(self, function: Callable, *arguments: Any) -> Any:
        path = self._folder / f"{Path(inspect.getfile(function)).stem}.{function.__name__}" / _key(function, arguments)
        found = _load(path) if processes.is_first() else None
        # A result that is made here is written by the next exchange, that of the next call.
        theirs = processes.from_each(f"{self._folder.name} {path.name} {found is not None}")
        for process, text in enumerate(theirs):
            if text.split()[:2] != theirs[0].split()[:2]:
                raise OSError(f"process {process} has other pictures, options or code than process 0")
        if theirs[0].endswith("True"):
            found = found or _load(path)
            if found is None:
                raise OSError(f"{path} of process 0 cannot be read here: give --runs a folder that all processes share")
        else:
            begun = time.perf_counter()
            value = function(*arguments)
            content = pickle.dumps((value, time.perf_counter() - begun))
            if processes.is_first():
                _store(path, content)
            # As it will be when it is used again.
            found = pickle.loads(content)
        value, self._durations[path] = found
        return value


def _key(function: Callable, arguments: tuple) -> str:
    parts = [inspect.getsource(function), *(joblib.hash(argument) for argument in arguments)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _load(path: Path) -> tuple[Any, float] | None:
    try:
        value, seconds = pickle.loads(path.read_bytes())
    except Exception:
        # A file cut short, by a full disk or a loss of power, raises whatever its first wrong byte makes it raise.
        return None
    return value, seconds


def _store(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)


def _code_and_device() -> str:
    versions = {name: value for name, value in run_folder.versions().items() if name not in run_folder.FREE_VERSIONS}
    digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    here = Path(__file__).parent
    peers = Path(benchmarks.__file__).with_name("peers.py")
    for path in (*sorted(Path(gmjax.__file__).parent.rglob("*.py")), *(here / name for name in SHARED), peers):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-{jax.default_backend()}"
