"""The state of a long computation in one small file. It is replaced atomically, so it is always complete."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gmjax.files.atomic import write_atomically


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises OSError if it cannot be written; the checkpoint before it is then unchanged."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        remedy = "free disk space and run the same command again to resume from the last checkpoint"
        raise OSError(error.errno, f"{error.strerror}: {remedy}") from error


def load_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name, none if there is no checkpoint. Raises OSError if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return {}
    except Exception as error:  # a damaged file can raise almost anything
        remedy = "remove it to repeat what it covers, or start again"
        raise OSError(f"{path} cannot be read ({error}): {remedy}") from error
