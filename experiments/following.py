"""How far the work has come: said on the terminal by the first process, and by each to those that watch over it."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from gmjax.parallel import processes, watch

Item = TypeVar("Item")


def following(items: Iterable[Item], label: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """``items``, with a bar on a terminal."""
    hidden = None if processes.is_first() else True
    for item in tqdm(items, desc=label, total=total, unit=unit, disable=hidden, leave=False):
        watch.progress()
        yield item


def heard(step: int, steps: int, loss: float) -> None:
    """A ``report`` for fits of one process."""
    watch.progress()
