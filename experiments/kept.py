"""Results on disk, each computed once: what makes a run reuse what is there, and go on where it was interrupted."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from joblib import Memory

import gmjax
from gmjax import runs

SHARED = "collection.py", "models.py", "codecs.py"


class Kept:
    """``kept(function, *arguments)`` is ``function(*arguments)``, computed only where it is not on disk yet.

    A result belongs to the function's text, its arguments, the code it stands on (gmjax, and what experiments share),
    the versions of the packages and the kind of device. ``seconds`` adds up what the results asked for took when they
    were computed.
    """

    def __init__(self, folder: Path):
        self.seconds = 0.0
        self._memory = Memory(folder / "kept" / _code_and_device(), verbose=0)

    def __call__(self, function: Callable, *arguments: Any) -> Any:
        result = self._memory.cache(function).call_and_shelve(*arguments)
        self.seconds += result.duration
        return result.get()


def _code_and_device() -> str:
    package, here = Path(gmjax.__file__).parent, Path(__file__).parent
    digest = hashlib.sha256(json.dumps(runs.versions(), sort_keys=True).encode())
    for path in (*sorted(package.rglob("*.py")), *(here / name for name in SHARED)):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-{jax.default_backend()}"
