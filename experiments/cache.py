"""Results on disk, each computed once: a second run reuses them, and an interrupted run resumes from them."""

import hashlib
import inspect
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import joblib

import gmjax
from experiments.machine import versions
from gmjax.errors import GmjaxError
from gmjax.files.atomic import write_atomically
from gmjax.parallel import processes

LIBRARIES = "jax", "jaxlib", "optax", "flax", "numpy", "scipy", "pillow"
SHARED_MODULES = "collection.py", "models.py", "codecs.py", "pytorch.py"


class Cache:
    """``cached(function, *arguments)`` returns ``function(*arguments)``, computed only if it is not on disk yet.

    The key of a result is the source of the function, its arguments, the code it depends on (all of gmjax and
    ``SHARED_MODULES``), the versions of the libraries, and the kind of device, but not the number of devices. It does
    not cover other functions in the same script: after changing one of these, remove the folder ``cache``.

    In a distributed run all processes call the cache with the same function and arguments, and all get the result.
    Process 0 decides whether it is on disk, and writes it. Raises Stopped instead if the run got SIGTERM.

    seconds: how long the results returned so far took to compute, each counted once.
    """

    def __init__(self, folder: Path):
        self._folder = folder / "cache" / _code_and_device()
        self._durations: dict[Path, float] = {}

    @property
    def seconds(self) -> float:
        return sum(self._durations.values())

    def __call__(self, function: Callable, *arguments: Any) -> Any:
        processes.require_running()
        path = self._folder / f"{Path(inspect.getfile(function)).stem}.{function.__name__}" / _key(function, arguments)
        found = _read(path) if processes.is_first() else None
        key = f"{self._folder.name} {path.name}"
        (first_key, on_disk), *others = map(json.loads, processes.allgather(json.dumps([key, found is not None])))
        for process, (other_key, _) in enumerate(others, 1):
            if other_key != first_key:
                raise GmjaxError(
                    f"process {process} has other pictures, options or code than process 0: start all processes from "
                    "the same checkout, with the same options and data"
                )
        if on_disk:
            found = found or _read(path)
            if found is None:
                raise GmjaxError(f"{path} of process 0 cannot be read here: use a folder for --runs that all share")
        else:
            began = time.perf_counter()
            value = function(*arguments)
            content = pickle.dumps((value, time.perf_counter() - began))
            if processes.is_first():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
            found = pickle.loads(content)  # the same value as a later run reads
        value, self._durations[path] = found
        return value


def _key(function: Callable, arguments: tuple) -> str:
    parts = [inspect.getsource(function), *(joblib.hash(argument) for argument in arguments)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(path: Path) -> tuple[Any, float] | None:
    try:
        value, seconds = pickle.loads(path.read_bytes())
    except Exception:  # unpickling a damaged file can raise anything
        return None
    return value, seconds


def _code_and_device() -> str:
    digest = hashlib.sha256(json.dumps([versions(*LIBRARIES), jax.devices()[0].device_kind]).encode())
    here = Path(__file__).parent
    for path in (*sorted(Path(gmjax.__file__).parent.rglob("*.py")), *(here / name for name in SHARED_MODULES)):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-{jax.default_backend()}"
