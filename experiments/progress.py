"""Progress bars."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from gmjax.parallel import processes


def progress(items: Iterable[Any] | None = None, *, label: str, unit: str, total: int | None = None) -> tqdm:
    """``items`` with a progress bar, which only process 0 shows, and only on a terminal."""
    disable = None if processes.is_first() else True
    return tqdm(items, desc=label, total=total, unit=unit, disable=disable, leave=False)
