"""Checks of the files that a command is to write, before it does any work."""

import os
from pathlib import Path

from gmjax.errors import ArgumentError


def require_writable(path: Path, *, model: Path | None = None) -> None:
    """Raises ArgumentError where no file ``path`` can be written, or if it is the ``model`` that the command reads."""
    if model is not None and path.resolve() == model.resolve():
        raise ArgumentError(str(path), "is the model itself: give another file")
    if path.is_dir():
        raise ArgumentError(str(path), "is a folder: give the name of a file")
    if not path.parent.is_dir():
        raise ArgumentError(str(path), f"cannot be written: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise ArgumentError(str(path), f"cannot be written: you may not write to the folder {path.parent}")
