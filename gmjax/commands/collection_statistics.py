"""The statistics of all pictures of a run, which its processes read once, together; interrupted, they resume."""

import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np

from gmjax.commands import checkpoint
from gmjax.commands.options import FitOptions
from gmjax.commands.picture_sums import PICTURES_PER_BLOCK, PictureSums
from gmjax.commands.run_folder import Run
from gmjax.commands.terminal import SHOWN, notice, progress
from gmjax.data import PictureError, Pictures, read_ahead, read_pictures, workers_for
from gmjax.parallel import processes
from gmjax.parallel.statistics import merged
from gmjax.statistics import ImageStatistics, Sums, added, none_of, statistics_of

# Pictures that are needed again and again stay in memory if they take no more than this.
_KEPT_BYTES = 2**31


@dataclasses.dataclass
class Collected:
    """The ``sums`` over the pictures in ``blocks`` that can be used, and why the others were skipped, by number."""

    blocks: list[int] = dataclasses.field(default_factory=list)
    sums: Sums | None = None
    skipped: dict[int, str] = dataclasses.field(default_factory=dict)

    def add(self, blocks: list[int], sums: Sums | None, skipped: dict[int, str]) -> None:
        self.blocks += blocks
        self.skipped |= skipped
        self.sums = added(self.sums, sums) if self.sums is not None and sums is not None else self.sums or sums


def collection_statistics(pictures: Pictures, run: Run, options: FitOptions) -> tuple[ImageStatistics, dict[int, str]]:
    """The statistics of all pictures that can be used, and why the others cannot, by number; on every process.

    Each start of a run reads blocks that are not in the checkpoints of earlier starts, into checkpoints of its own.
    Raises PictureError if no picture can be used or, with ``--on-error stop``, if one cannot; Stopped if the run was
    asked to stop, with its progress saved; and OSError if a checkpoint cannot be written or read.
    """
    earlier = [_load(path) for path in run.checkpoints.glob("reading-*.npz")] if processes.is_first() else []
    done = {block for part in earlier for block in part.blocks}
    missing = [block for block in range(math.ceil(len(pictures) / PICTURES_PER_BLOCK)) if block not in done]
    first, missing = json.loads(processes.broadcast(json.dumps([len(earlier), missing])))
    if first:
        read = max(0, len(pictures) - PICTURES_PER_BLOCK * len(missing))
        notice(f"{run.folder} is resumed: {read} of {len(pictures)} pictures are read")
    collected = _collect(pictures, missing, run.checkpoints / f"reading-{first + processes.index()}.npz", options)
    for part in earlier:
        collected.add(part.blocks, part.sums, part.skipped)
    return _gathered(collected, pictures)


def _collect(pictures: Pictures, missing: list[int], path: Path, options: FitOptions) -> Collected:
    """Reads this process's share of the ``missing`` blocks, with checkpoints in ``path``."""
    mine = missing[processes.index() :: processes.count()]
    count = min(PICTURES_PER_BLOCK * len(mine), len(pictures))
    workers = workers_for(count) if options.workers is None else options.workers
    blocks = read_ahead(PictureSums(pictures, mine), workers=workers)
    collected, saved = Collected(), time.monotonic()
    with progress("reading", "picture", count) as bar:
        for block in blocks:
            if block.skipped and options.on_error == "stop":
                number, reason = next(iter(block.skipped.items()))
                raise PictureError(f"{pictures.name(number)}: {reason}")
            collected.add([block.number], block.sums, block.skipped)
            bar.update(PICTURES_PER_BLOCK)
            if processes.stop_noticed():
                break
            if time.monotonic() - saved >= options.save_every:
                _save(path, collected)
                saved = time.monotonic()
    if mine:
        _save(path, collected)
    processes.require_running()
    return collected


def _gathered(collected: Collected, pictures: Pictures) -> tuple[ImageStatistics, dict[int, str]]:
    """The statistics and the skipped pictures of all processes, some of which may have read nothing."""
    shape = None if collected.sums is None else collected.sums.minimum.shape
    parts = [json.loads(text) for text in processes.allgather(json.dumps([shape, collected.skipped]))]
    skipped = dict(sorted((int(number), reason) for _, some in parts for number, reason in some.items()))
    shapes = [tuple(shape) for shape, _ in parts if shape is not None]
    if not shapes:
        reasons = "".join(f"\n  {pictures.name(number)}: {skipped[number]}" for number in list(skipped)[:SHOWN])
        raise PictureError(f"none of the {len(pictures)} pictures can be used.{reasons}")
    return statistics_of(merged(collected.sums or none_of(shapes[0]))), skipped


def _save(path: Path, collected: Collected) -> None:
    sums = {} if collected.sums is None else {name: np.asarray(value) for name, value in vars(collected.sums).items()}
    checkpoint.save(
        path, {"blocks": np.array(collected.blocks), "skipped": np.array(json.dumps(collected.skipped)), **sums}
    )


def _load(path: Path) -> Collected:
    arrays = checkpoint.load(path) or {}
    blocks, skipped = arrays.pop("blocks").tolist(), json.loads(str(arrays.pop("skipped")))
    return Collected(blocks, Sums(**arrays) if arrays else None, {int(n): reason for n, reason in skipped.items()})


@dataclasses.dataclass
class PicturesAgain:
    """The ``pictures`` with the given ``numbers``, indexed as an array: read each time."""

    pictures: Pictures
    numbers: np.ndarray
    workers: int

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        images = []
        for number, image in read_pictures(self.pictures, self.numbers[places], workers=self.workers):
            if isinstance(image, PictureError):
                raise PictureError(f"{self.pictures.name(number)} could be read before, and now: {image}")
            images.append(image)
        return np.stack(images)


def images_for_minibatches(
    pictures: Pictures, numbers: np.ndarray, shape: tuple[int, ...], workers: int
) -> PicturesAgain | np.ndarray:
    """The pictures of ``shape`` with these ``numbers``: as an array if it fits into memory."""
    again = PicturesAgain(pictures, numbers, workers)
    return again[np.arange(len(again))] if 4 * len(numbers) * math.prod(shape) <= _KEPT_BYTES else again
