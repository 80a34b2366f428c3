"""Results on disk, each computed once: what makes a run reuse what is there, and go on where it was interrupted."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from joblib import Memory

import benchmarks
import gmjax
from gmjax import runs

SHARED = "collection.py", "models.py", "codecs.py"


class Kept:
    """``kept(function, *arguments)`` is ``function(*arguments)``, computed only where it is not on disk yet.

    A result belongs to the function's text, its arguments, the code it stands on (all of gmjax, the PyTorch peers, and
    what experiments share), the versions and the device. The other functions of a script are not looked at: whoever
    changes what one computes removes the folder ``kept``. ``seconds`` adds up what making the results took.
    """

    def __init__(self, folder: Path):
        self._memory = Memory(folder / "kept" / _code_and_device(), verbose=0)
        self._durations: dict[tuple[str, str], float] = {}

    @property
    def seconds(self) -> float:
        return sum(self._durations.values())

    def __call__(self, function: Callable, *arguments: Any) -> Any:
        cached = self._memory.cache(function)
        result = cached.call_and_shelve(*arguments)
        try:
            value = result.get()
        except Exception:
            # A file cut short, by a full disk or a loss of power, raises whatever its first wrong byte makes it raise.
            result.clear()
            result = cached.call_and_shelve(*arguments)
            value = result.get()
        # Without its duration the process ended between the two files of a result, the first of which is whole.
        self._durations[result.func_id, result.args_id] = result.duration or 0.0
        return value


def _code_and_device() -> str:
    versions = {name: value for name, value in runs.versions().items() if name != "platform"}
    digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    here = Path(__file__).parent
    peers = Path(benchmarks.__file__).with_name("peers.py")
    for path in (*sorted(Path(gmjax.__file__).parent.rglob("*.py")), *(here / name for name in SHARED), peers):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-{jax.default_backend()}"
