"""The statistics of all pictures of a run: its processes read them once, sum them in blocks, and exchange the sums."""

import dataclasses
import json
import math
import time
import uuid
from functools import partial
from pathlib import Path

import numpy as np

from gmjax.commands.options import FitOptions
from gmjax.commands.run_folder import CHECKPOINTS
from gmjax.commands.terminal import SHOWN, notice, progress
from gmjax.data import PictureError, Pictures, read_ahead, workers_for
from gmjax.files.checkpoints import load_checkpoint, save_checkpoint
from gmjax.parallel import processes
from gmjax.parallel.statistics import PICTURES_PER_BLOCK, block_sums, merged, pictures_of
from gmjax.statistics import ImageStatistics, Sums, added, none_of, statistics_of


@dataclasses.dataclass
class Collected:
    """What has been read: the ``sums`` over the blocks that are ``done``, and why pictures in them were skipped."""

    done: np.ndarray
    sums: Sums | None = None
    skipped: dict[int, str] = dataclasses.field(default_factory=dict)

    def add(self, done: np.ndarray | int, sums: Sums | None, skipped: dict[int, str]) -> None:
        """``done``: the number of a block, or a mask of blocks."""
        self.done[done] = True
        self.skipped |= skipped
        if sums is not None:
            self.sums = sums if self.sums is None else added(self.sums, sums)


def collection_statistics(
    pictures: Pictures, folder: Path, options: FitOptions
) -> tuple[ImageStatistics, dict[int, str]]:
    """The statistics of all pictures that can be used, and why the others cannot, by number; on every process."""
    collected = Collected(np.zeros(math.ceil(len(pictures) / PICTURES_PER_BLOCK), bool))
    if processes.is_first():
        # Each process of each start has read other blocks.
        for path in (folder / CHECKPOINTS).glob("reading-*.npz"):
            collected.add(**vars(_load(path)))
    missing = np.array(processes.broadcast(np.flatnonzero(~collected.done).tolist()), int)
    if len(missing) < len(collected.done):
        done = max(0, len(pictures) - PICTURES_PER_BLOCK * len(missing))
        notice(f"{folder} is resumed: {done} of {len(pictures)} pictures are read")
    if len(missing):
        collected.add(**vars(_collect(missing, pictures, folder, options)))
    # Some processes may have read nothing.
    shape = None if collected.sums is None else collected.sums.minimum.shape
    parts = [json.loads(text) for text in processes.allgather(json.dumps([shape, collected.skipped]))]
    skipped = dict(sorted((int(number), reason) for _, some in parts for number, reason in some.items()))
    shapes = [tuple(shape) for shape, _ in parts if shape is not None]
    if not shapes:
        reasons = "".join(f"\n  {pictures.name(number)}: {skipped[number]}" for number in list(skipped)[:SHOWN])
        raise PictureError(f"none of the {len(pictures)} pictures can be used{reasons}")
    return statistics_of(merged(collected.sums or none_of(shapes[0]))), skipped


def _collect(missing: np.ndarray, pictures: Pictures, folder: Path, options: FitOptions) -> Collected:
    """This process's share of the ``missing`` blocks."""
    collected = Collected(np.zeros(math.ceil(len(pictures) / PICTURES_PER_BLOCK), bool))
    path = folder / CHECKPOINTS / f"reading-{uuid.uuid4().hex}.npz"
    mine = missing[processes.index() :: processes.count()]
    count = min(len(pictures), PICTURES_PER_BLOCK * len(mine))
    workers = workers_for(count) if options.workers is None else options.workers
    blocks, saved = read_ahead(partial(block_sums, pictures, mine), len(mine), workers), time.monotonic()
    with progress("reading", "picture", count) as bar:
        for block, sums, skipped in blocks:
            if skipped and options.on_error == "stop":
                number, reason = next(iter(skipped.items()))
                raise PictureError(f"{pictures.name(number)}: {reason}")
            collected.add(block, sums, skipped)
            bar.update(len(pictures_of(block, pictures)))
            if processes.stop_noticed():
                break
            if time.monotonic() - saved >= options.save_every:
                _save(path, collected)
                saved = time.monotonic()
    _save(path, collected)
    processes.require_running()
    return collected


def _save(path: Path, collected: Collected) -> None:
    arrays = {"done": collected.done, "skipped": np.array(json.dumps(collected.skipped))}
    sums = {} if collected.sums is None else vars(collected.sums)
    save_checkpoint(path, arrays | {name: np.asarray(value) for name, value in sums.items()})


def _load(path: Path) -> Collected:
    arrays = load_checkpoint(path)
    done, skipped = arrays.pop("done"), json.loads(str(arrays.pop("skipped")))
    return Collected(done, Sums(**arrays) if arrays else None, {int(n): reason for n, reason in skipped.items()})
