"""The statistics of all pictures of a run, which its processes read once, together; interrupted, they resume."""

import dataclasses
import json
import math
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np

from gmjax.commands import checkpoint
from gmjax.commands.options import FitOptions
from gmjax.commands.picture_sums import PICTURES_PER_BLOCK, PictureSums, pictures_of
from gmjax.commands.run_folder import Run
from gmjax.commands.terminal import SHOWN, notice, progress
from gmjax.data import ArrayPictures, PictureError, Pictures, read_ahead, read_pictures, workers_for
from gmjax.parallel import processes
from gmjax.parallel.processes import Stopped
from gmjax.parallel.statistics import merged
from gmjax.statistics import ImageStatistics, Sums, added, none_of, statistics_of

# Pictures that are read again and again stay in memory if they take no more than this.
_KEPT_BYTES = 2**31


@dataclasses.dataclass
class Collected:
    """What has been read: the ``sums`` over the blocks that are ``done``, and why pictures in them were skipped."""

    done: np.ndarray
    sums: Sums | None = None
    skipped: dict[int, str] = dataclasses.field(default_factory=dict)

    def add(self, done: np.ndarray, sums: Sums | None, skipped: dict[int, str]) -> None:
        """``done``: numbers of blocks, or a mask."""
        self.done[done] = True
        self.skipped |= skipped
        if sums is not None:
            self.sums = sums if self.sums is None else added(self.sums, sums)


def collection_statistics(pictures: Pictures, run: Run, options: FitOptions) -> tuple[ImageStatistics, dict[int, str]]:
    """The statistics of all pictures that can be used, and why the others cannot, by number; on every process.

    Raises PictureError if none can be used or, with ``--on-error stop``, if one cannot; Stopped if the run was asked
    to stop, with its progress saved; and OSError if a checkpoint cannot be written or read.
    """
    collected = _resumed(run, math.ceil(len(pictures) / PICTURES_PER_BLOCK))
    missing = np.flatnonzero(~collected.done)
    if len(missing) < len(collected.done):
        done = len(pictures) - _count(missing, pictures)
        notice(f"{run.folder} is resumed: {done} of {len(pictures)} pictures are read")
    if not processes.is_first():  # process 0 has what was read before
        collected = Collected(np.zeros_like(collected.done))
    if len(missing):
        _collect(collected, missing, pictures, run, options)
    return _gathered(collected, pictures)


def _collect(collected: Collected, missing: np.ndarray, pictures: Pictures, run: Run, options: FitOptions) -> None:
    """Adds this process's share of the ``missing`` blocks."""
    mine = missing[processes.index() :: processes.count()]
    count, path = _count(mine, pictures), _checkpoint(run, processes.index())
    workers = workers_for(count) if options.workers is None else options.workers
    blocks, saved = read_ahead(PictureSums(pictures, mine), workers=workers), time.monotonic()
    with progress("reading", "picture", count) as bar:
        # The same number of rounds everywhere: all processes must ask equally often whether to stop.
        for _ in range(0, len(missing), processes.count()):
            if (block := next(blocks, None)) is not None:
                if block.skipped and options.on_error == "stop":
                    number, reason = next(iter(block.skipped.items()))
                    raise PictureError(f"{pictures.name(number)}: {reason}")
                collected.add(np.array([block.number]), block.sums, block.skipped)
                bar.update(len(pictures_of(block.number, len(pictures))))
            stop = processes.stop_requested()
            if stop or time.monotonic() - saved >= options.save_every:
                _save(path, collected)
                saved = time.monotonic()
            if stop:
                raise Stopped
    _save(path, collected)


class PicturesAgain:
    """The pictures with the given ``numbers``, indexed as an array: kept in memory if they fit, else read each time."""

    def __init__(self, pictures: Pictures, numbers: np.ndarray, shape: tuple[int, ...], workers: int):
        self.pictures, self.numbers, self.workers = pictures, numbers, workers
        self._kept: np.ndarray | None = None
        self._has = np.zeros(len(numbers), bool)
        if isinstance(pictures, ArrayPictures):
            self._kept, self._has[:] = pictures.images[numbers], True
        elif 4 * len(numbers) * math.prod(shape) <= _KEPT_BYTES:
            self._kept = np.zeros((len(numbers), *shape), np.float32)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        if self._kept is None:
            return np.stack([image for image in self._read(places)])
        missing = np.unique(places[~self._has[places]])
        for place, image in zip(missing, self._read(missing), strict=True):
            self._kept[place], self._has[place] = image, True
        return self._kept[places]

    def _read(self, places: np.ndarray):
        for number, image in read_pictures(self.pictures, self.numbers[places], workers=self.workers):
            if isinstance(image, PictureError):
                raise PictureError(f"{self.pictures.name(number)} could be read before, and now: {image}")
            yield image


def _resumed(run: Run, blocks: int) -> Collected:
    """What earlier starts of this run have read; on process 0 with its sums, which it saves as its own.

    Checkpoints of one start cover different blocks; one that covers more was made of others that it replaces.
    """
    whole = Collected(np.zeros(blocks, bool))
    if processes.is_first():
        paths = list(run.checkpoints.glob("reading-*.npz"))
        for part in sorted(map(_load, paths), key=lambda part: -part.done.sum()):
            if not whole.done[part.done].any():
                whole.add(part.done, part.sums, part.skipped)
        mine = _checkpoint(run, 0)
        if len(paths) > 1 or (paths and paths != [mine]):
            _save(mine, whole)
            for path in paths:
                if path != mine:
                    path.unlink()
    done = bytes.fromhex(processes.broadcast(np.packbits(whole.done).tobytes().hex()))
    return dataclasses.replace(whole, done=np.unpackbits(np.frombuffer(done, np.uint8), count=blocks).astype(bool))


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


def _count(blocks: Collection[int] | np.ndarray, pictures: Pictures) -> int:
    """How many pictures the ``blocks`` have."""
    return sum(len(pictures_of(int(block), len(pictures))) for block in blocks)


def _checkpoint(run: Run, process: int) -> Path:
    return run.checkpoints / f"reading-{process}.npz"


def _save(path: Path, collected: Collected) -> None:
    arrays = {"done": collected.done, "skipped": np.array(json.dumps(collected.skipped))}
    if collected.sums is not None:
        arrays |= {name: np.asarray(value) for name, value in vars(collected.sums).items()}
    checkpoint.save(path, arrays)


def _load(path: Path) -> Collected:
    arrays = checkpoint.load(path) or {}
    done, skipped = arrays.pop("done"), json.loads(str(arrays.pop("skipped")))
    sums = Sums(**arrays) if arrays else None
    return Collected(done, sums, {int(number): reason for number, reason in skipped.items()})
