"""Read ahead in parallel, by grain: on threads, or in processes of their own."""

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from gmjax.data.pictures import Picture, PictureError
from gmjax.data.sources import Pictures, tried

# Of threads, which share one Python: beyond so many they would only wait for each other.
MOST_THREADS = 16
MOST_WORKERS = 16
_WORTH_WORKERS = 10_000
# Handed on at once: one by one, small pictures cost more to hand on than to read.
_CHUNK = 8
# Of <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


class Numbers(Protocol):
    """Whole numbers, of which a slice can be taken: an array, a list, a range."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: slice, /) -> Iterable: ...


class Items(Protocol):
    """What ``read_ahead`` makes: each by its place, in any process."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


def read_pictures(
    pictures: Pictures, numbers: Numbers, *, workers: int = 0
) -> Iterator[tuple[int, Picture | PictureError]]:
    """(number, picture or what is wrong with it) of each of ``numbers``, in their order, by ``read_ahead``."""
    for chunk in read_ahead(_Chunks(pictures, numbers), workers=workers):
        for number, found in chunk:
            yield number, PictureError(found) if isinstance(found, str) else found


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

    def __getitem__(self, place: int) -> list[tuple[int, Picture | str]]:
        numbers = self.numbers[place * _CHUNK : (place + 1) * _CHUNK]
        return [(number, tried(self.pictures, number)) for number in map(int, numbers)]


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
