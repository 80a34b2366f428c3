"""The statistics of all pictures of a run, read once, by all of its processes; interrupted, it goes on."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gmjax.commands.blocks import PICTURES_A_BLOCK, Blocks, pictures_of
from gmjax.commands.checkpoints import Checkpoints
from gmjax.commands.ledger import Ledger, Lines
from gmjax.commands.options import FitOptions
from gmjax.commands.run_folder import Run
from gmjax.commands.running import require_going_on
from gmjax.commands.shared import SHOWN, progress, say_going_on
from gmjax.data import ArrayPictures, PictureError, Pictures, read_ahead, read_pictures, workers_for
from gmjax.losses import ImageStatistics
from gmjax.parallel import processes, statistics, watch

# Of pictures read again and again, up to which all are kept in memory.
KEPT_BYTES = 2**31


def collected(pictures: Pictures, run: Run, options: FitOptions) -> tuple[ImageStatistics, np.ndarray]:
    """(the statistics of all pictures that can be used, on every process; the numbers of these).

    Those that cannot are in the run's ledger.

    Raises:
        PictureError: not one can be used; or one cannot, with ``--on-error stop``.
        Stopped: what has been read is saved.
    """
    blocks = math.ceil(len(pictures) / PICTURES_A_BLOCK)
    earlier = _Earlier(run.checkpoints / "reading", blocks)
    processes.together()
    sums, done = (earlier.sums, earlier.done) if processes.is_first() else (None, np.zeros(blocks, bool))
    if done.any():
        read = min(PICTURES_A_BLOCK * int(done.sum()), len(pictures))
        say_going_on(run, read, len(pictures), "pictures are read")
    folder = earlier.folder / f"{earlier.generation:06}-{processes.index():06}"
    checkpoints, ledger = Checkpoints(folder, options.save_every), Ledger(run.ledger, processes.index())

    def save():
        ledger.sync()
        checkpoints.save(int(done.sum()), {"done": done} | ({} if sums is None else {"sums": _leaves(sums)}))
        earlier.remove()

    mine = np.flatnonzero(~earlier.done)[processes.index() :: processes.count()]
    count = sum(len(pictures_of(block, len(pictures))) for block in mine.tolist())
    workers = workers_for(count) if options.workers is None else options.workers
    with progress("reading", "picture", count) as bar:
        for block in read_ahead(Blocks(pictures, mine), workers=workers):
            watch.progress()
            bar.update(len(pictures_of(block.number, len(pictures))))
            for number, reason in block.lost:
                ledger.add(number, pictures.name(number), reason)
                if options.on_error == "stop":
                    raise PictureError(f"{pictures.name(number)}: {reason}")
            if block.sums is not None:
                sums = block.sums if sums is None else statistics.added(sums, block.sums)
            done[block.number] = True
            if watch.stops():
                save()
                require_going_on()
            if checkpoints.due():
                save()
    if len(mine):
        save()
    ledger.close()
    checkpoints.close()
    whole = _merged(sums)
    processes.together()
    lost = Lines(run.ledger, len(pictures))
    if whole is None:
        reasons = "".join(f"\n  {name}: {reason}" for _, (name, reason) in itertools.islice(lost, SHOWN))
        raise PictureError(f"none of the {len(pictures)} pictures can be used.{reasons}")
    return statistics.statistics_of(whole), np.flatnonzero(~lost.has)


class PicturesAgain:
    """The pictures ``usable`` of a collection as an array is indexed: kept where they are few, else read again."""

    def __init__(self, pictures: Pictures, usable: np.ndarray, shape: tuple[int, ...], workers: int):
        self.pictures, self.usable, self.workers = pictures, usable, workers
        self._kept: np.ndarray | None = None
        self._has = np.zeros(len(usable), bool)
        if isinstance(pictures, ArrayPictures):
            self._kept, self._has[:] = pictures.images[usable], True
        elif 4 * len(usable) * math.prod(shape) <= KEPT_BYTES:
            self._kept = np.zeros((len(usable), *shape), np.float32)

    def __len__(self) -> int:
        return len(self.usable)

    def __getitem__(self, order: np.ndarray) -> np.ndarray:
        if self._kept is None:
            return np.stack([image for image in self._read(order)])
        missing = np.unique(order[~self._has[order]])
        for place, image in zip(missing, self._read(missing), strict=True):
            self._kept[place], self._has[place] = image, True
        return self._kept[order]

    def _read(self, order: np.ndarray):
        for number, image in read_pictures(self.pictures, self.usable[order], workers=self.workers):
            watch.progress()
            if isinstance(image, PictureError):
                raise PictureError(f"{self.pictures.name(number)} could be read before, and now: {image}")
            yield image


class _Earlier:
    """What earlier starts of this run have read: the sums and blocks of their checkpoints together.

    Each start is a new generation, in which process 0 begins with all of the earlier ones and the others with nothing.
    So what counts is the newest checkpoint of process 0, and those of the others that are not older than it.
    """

    def __init__(self, folder: Path, blocks: int):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.parts = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        found = {}
        for path in self.parts:
            latest = Checkpoints(path).latest()
            if latest is not None:
                found[tuple(map(int, path.name.split("-")))] = latest[1]
        newest = max((generation for generation, process in found if process == 0), default=-1)
        self.generation = 1 + max((int(path.name.split("-")[0]) for path in self.parts), default=-1)
        self.sums: statistics.Sums | None = None
        self.done = np.zeros(blocks, bool)
        for (generation, process), content in found.items():
            if (generation > newest and process) or generation == newest:
                self.done |= content["done"]
                if "sums" in content:
                    part = _sums(content["sums"])
                    self.sums = part if self.sums is None else statistics.added(self.sums, part)

    def remove(self) -> None:
        """Called when what process 0 saves holds all of it."""
        if processes.is_first():
            for path in self.parts:
                Checkpoints(path).remove()
            self.parts = []


def _leaves(sums: statistics.Sums) -> dict[str, Any]:
    return {str(place): leaf for place, leaf in enumerate(jax.tree.leaves(sums))}


def _sums(leaves: dict[str, Any]) -> statistics.Sums:
    return statistics.Sums(*(leaves[str(place)] for place in range(len(leaves))))


def _merged(sums: statistics.Sums | None) -> statistics.Sums | None:
    """The sums of all processes, some of which may have none."""
    shapes = [json.loads(text) for text in processes.from_each(json.dumps(sums and sums.minimum.shape))]
    shape = next((shape for shape in shapes if shape is not None), None)
    if shape is None:
        return None
    with watch.waiting():
        return statistics.merged(statistics.none_of(tuple(shape)) if sums is None else sums)
