"""Reading ahead in parallel with grain, on threads or in worker processes."""

import contextlib
import ctypes
import functools
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gmjax.data.pictures import Picture, PictureError
from gmjax.data.sources import Pictures, read_or_reason
from gmjax.errors import missing_extra

# More threads than this only wait for the interpreter lock.
MOST_THREADS = 16
MOST_WORKERS = 16
_WORTH_WORKERS = 10_000
# Pictures per item: passing on small ones one by one takes longer than reading them.
_CHUNK = 8
# From <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


class Items(Protocol):
    """What ``read_ahead`` reads: items made on request, on any thread or in any process."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


def read_pictures(
    pictures: Pictures, numbers: Sequence[int] | np.ndarray, *, workers: int = 0
) -> Iterator[tuple[int, Picture | PictureError]]:
    """(number, picture, or the error that says why it cannot be used) of each of ``numbers``, in that order.

    ``workers``: as in ``read_ahead``.
    """
    for chunk in read_ahead(_Chunks(pictures, numbers), workers=workers):
        for number, found in chunk:
            yield number, PictureError(found) if isinstance(found, str) else found


def read_ahead(items: Items, *, workers: int = 0) -> Iterator:
    """``items[0]``, ``items[1]``, ... in order, made ahead in parallel; only a few are held at a time.

    ``workers``: the number of worker processes; 0 uses threads, as many as there are cores. Raises ImportError where
    grain (extra ``cli``) is not installed.
    """
    try:
        import grain
    except ImportError as error:
        raise missing_extra("cli", "Reading pictures in parallel") from error

    workers = min(workers, len(items))
    threads = 1 if workers else min(MOST_THREADS, cores())
    ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 2)
    dataset = grain.MapDataset.source(_Packed(items) if workers else items).to_iter_dataset(ahead)
    if workers:
        from absl import flags

        # grain reads its options from flags, which only absl's own programs parse.
        flags.FLAGS.mark_as_parsed()
        processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        dataset = dataset.mp_prefetch(processes, worker_init_fn=_start_worker)
    with contextlib.closing(iter(dataset)) as made:
        for item in made:
            yield pickle.loads(item) if workers else item


def workers_for(count: int) -> int:
    """How many worker processes to use for reading ``count`` pictures once; each takes 2 s to start and 300 MB."""
    return min(cores(), MOST_WORKERS) if cores() > 1 and count >= _WORTH_WORKERS else 0


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_memory() -> None:
    """Lets this process keep the memory that pictures were decoded in, where the C library is glibc.

    glibc returns it to the system and requests it again for each picture, which was measured to take a seventh of the
    time.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        change = ctypes.CDLL(None).mallopt
        for what, size in ((_M_MMAP_THRESHOLD, 2**25), (_M_TRIM_THRESHOLD, 2**28), (_M_TOP_PAD, 2**24)):
            change(what, size)


def _start_worker(worker: int, count: int) -> None:
    """In each worker process: it ends when its parent ends, also when that is killed."""
    keep_memory()

    def end_with_parent(parent=multiprocessing.parent_process()) -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@dataclass(frozen=True)
class _Chunks:
    """Chunks of pictures. An unusable picture gives its reason as a result, and does not stop the others."""

    pictures: Pictures
    numbers: Sequence[int] | np.ndarray

    def __len__(self) -> int:
        return -(-len(self.numbers) // _CHUNK)

    def __getitem__(self, place: int) -> list[tuple[int, Picture | str]]:
        numbers = self.numbers[place * _CHUNK : (place + 1) * _CHUNK]
        return [(number, read_or_reason(self.pictures, number)) for number in map(int, numbers)]


class _Packed:
    """The same items in a worker process, each pickled.

    They are pickled once, not for each worker. What a worker makes goes back as bytes through a pipe: arrays would go
    through shared memory, which outlives a run that is killed.
    """

    def __init__(self, items: Items):
        self._count, self._pickled = len(items), pickle.dumps(items, pickle.HIGHEST_PROTOCOL)

    @functools.cached_property
    def _items(self) -> Items:
        return pickle.loads(self._pickled)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:
        return pickle.dumps(self._items[place], pickle.HIGHEST_PROTOCOL)
