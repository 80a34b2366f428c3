"""The suffix of a file name, which is its kind."""

from collections.abc import Collection
from pathlib import Path

from gmjax.errors import ArgumentError


def require_suffix(path: Path, known: Collection[str]) -> None:
    """Raises ArgumentError unless the name of ``path`` ends in one of ``known``, in lower or upper case."""
    if (suffix := path.suffix.lower()) not in known:
        problem = f"has the unknown suffix {suffix}" if suffix else "has no suffix"
        raise ArgumentError(str(path), f"{problem}: use one of {' '.join(sorted(known))}")
