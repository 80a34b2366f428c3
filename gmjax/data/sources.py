"""Pictures one at a time, by number: what can be read in parallel, in any order, in any amount."""

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmjax.data.alignment import Eyes, align, resize
from gmjax.data.eyes import find_eyes
from gmjax.data.listing import Entry, Listing
from gmjax.data.pictures import MAX_PICTURE_BYTES, Picture, PictureError, decode_picture, read_file

# Of threads, which share one Python: beyond so many they would only wait for each other.
MOST_THREADS = 16
MOST_WORKERS = 16
_WORTH_WORKERS = 10_000
# Handed on at once: one by one, small pictures cost more to hand on than to read.
_CHUNK = 8
# Of <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


class Pictures(Protocol):
    """What ``read_pictures`` reads from."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str: ...

    def read(self, number: int) -> Picture:
        """Raises PictureError."""
        ...


class Numbers(Protocol):
    """Whole numbers, of which a slice can be taken: an array, a list, a range."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: slice, /) -> Iterable: ...


class Items(Protocol):
    """What ``read_ahead`` makes: each by its place, in any process."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


@dataclass(frozen=True)
class Crop:
    """What is made of a picture.

    size: side in pixels of a face in the paper's crop.
    color: keep the colours.
    aligned: it is aligned already. It is brought to ``size x size``, or where not ``square``, only shrunk until its
        longer side is ``size``.
    """

    size: int = 120
    color: bool = False
    aligned: bool = False
    square: bool = True

    def of(self, content: bytes, name: str | Path, eyes: Eyes | None) -> Picture:
        """The crop of the picture file ``content``, called ``name`` in errors; without ``eyes`` they are found.

        Raises:
            PictureError: the picture cannot be used, or no face is found.
            ImportError: eyes have to be found and the extra ``align`` is not installed.
        """
        image = decode_picture(content, name, color=self.color)
        if not self.aligned:
            if eyes is None:
                # In the colours, gray or not: they help the finder, and both get the same crop.
                eyes = find_eyes(decode_picture(content, name, color=True))
            return align(image, eyes, size=self.size)
        height, width = image.shape[:2]
        if self.square:
            return image if (height, width) == (self.size, self.size) else resize(image, (self.size, self.size))
        scale = self.size / max(height, width)
        return image if scale >= 1 else resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))


@dataclass(frozen=True)
class ListedPictures:
    """The pictures of a ``Listing`` (or of any entries) under ``root``, cropped; ``eyes`` by name, or to be found."""

    entries: Sequence[Entry] | Listing
    root: Path
    crop: Crop
    eyes: Mapping[str, Eyes] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, number: int) -> str:
        return self.entries[number].name

    def read(self, number: int) -> Picture:
        entry = self.entries[number]
        if entry.wrong is not None:
            raise PictureError(entry.wrong)
        if self.eyes is not None and entry.name not in self.eyes:
            raise PictureError("it has no row in the table of eyes.")
        path = os.path.join(self.root, entry.name)  # a Path would take longer than the file
        content = read_file(path) if entry.shard is None else self._member(entry)
        return self.crop.of(content, path, None if self.eyes is None else self.eyes[entry.name])

    def _member(self, entry: Entry) -> bytes:
        if entry.size > MAX_PICTURE_BYTES:
            raise PictureError(f"{entry.name} has {entry.size} bytes, more than {MAX_PICTURE_BYTES}.")
        try:
            with open(self.root / str(entry.shard), "rb") as stream:
                stream.seek(entry.offset)
                return stream.read(entry.size)
        except OSError as error:
            raise PictureError(f"{entry.name} cannot be read: {error}") from error


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures (N, H, W[, C]) that are in memory already; after them (name, reason) of those that cannot be used."""

    images: np.ndarray
    names: Sequence[str]
    skipped: Sequence[tuple[str, str]] = ()

    def __len__(self) -> int:
        return len(self.images) + len(self.skipped)

    def name(self, number: int) -> str:
        return self.names[number] if number < len(self.images) else self.skipped[number - len(self.images)][0]

    def read(self, number: int) -> Picture:
        if number >= len(self.images):
            raise PictureError(self.skipped[number - len(self.images)][1])
        return self.images[number]


def read_pictures(
    pictures: Pictures, numbers: Numbers, *, workers: int = 0
) -> Iterator[tuple[int, Picture | PictureError]]:
    """(number, picture or what is wrong with it) of each of ``numbers``, in their order, by ``read_ahead``."""
    for chunk in read_ahead(_Chunks(pictures, numbers), workers=workers):
        for number, image, wrong in chunk:
            yield number, image if wrong is None else PictureError(wrong)


def read_ahead(items: Items, *, workers: int = 0) -> Iterator:
    """``items[0]``, ``items[1]`` ... in order, made ahead in parallel; few are held at once.

    By grain: on as many threads as there are cores, or with ``workers`` in that many processes.
    """
    import grain

    workers = min(workers, len(items))
    threads = 1 if workers else min(MOST_THREADS, cores())
    ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 2)
    dataset = grain.MapDataset.source(_Packed(items) if workers else items).to_iter_dataset(ahead)
    if workers:
        from absl import flags

        # grain asks its flags, which only a program that parses them has.
        flags.FLAGS.mark_as_parsed()
        processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        dataset = dataset.mp_prefetch(processes, worker_init_fn=_begin)
    with contextlib.closing(iter(dataset)) as made:
        for item in made:
            yield pickle.loads(item) if workers else item


def workers_for(count: int) -> int:
    """How many processes are worth their start, about two seconds and 300 MB each, to read ``count`` pictures once."""
    return min(cores(), MOST_WORKERS) if cores() > 1 and count >= _WORTH_WORKERS else 0


def keep_memory() -> None:
    """What pictures were decoded in stays with this process, to be used again.

    The C library of most Linux systems gives it back to the system and asks for it anew with each picture, which was
    measured to take a seventh of the time. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        change = ctypes.CDLL(None).mallopt
        for what, size in ((_M_MMAP_THRESHOLD, 2**25), (_M_TRIM_THRESHOLD, 2**28), (_M_TOP_PAD, 2**24)):
            change(what, size)


def _begin(worker: int, count: int) -> None:
    """In a process that reads, which ends with the one that it reads for, however that ends."""
    keep_memory()

    def follow(parent=multiprocessing.parent_process()) -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Chunks:
    """An error is a result, and costs no other picture."""

    pictures: Pictures
    numbers: Numbers

    def __len__(self) -> int:
        return -(-len(self.numbers) // _CHUNK)

    def __getitem__(self, place: int) -> list[tuple[int, Picture | None, str | None]]:
        numbers = self.numbers[place * _CHUNK : (place + 1) * _CHUNK]
        return [(number, *self._read(number)) for number in map(int, numbers)]

    def _read(self, number: int) -> tuple[Picture | None, str | None]:
        try:
            return self.pictures.read(number), None
        except PictureError as error:
            return None, str(error)


@dataclass(frozen=True)
class _Packed:
    """As bytes, which go from process to process through a pipe.

    Arrays would go through shared memory, which stays behind when a run is killed.
    """

    items: Items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> bytes:
        return pickle.dumps(self.items[place], pickle.HIGHEST_PROTOCOL)
