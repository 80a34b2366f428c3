"""Reading ahead in parallel with grain, on threads or in worker processes."""

import contextlib
import ctypes
import functools
import math
import multiprocessing
import os
import pickle
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gmjax.data.pictures import Picture, PictureError
from gmjax.data.sources import ArrayPictures, Pictures, read_or_reason
from gmjax.errors import missing_extra

_MOST = 16  # threads, of which more only wait for the interpreter lock, or worker processes
_CHUNK = 8  # pictures per item: passing on small ones one by one takes longer than reading them
_KEPT_BYTES = 2**31  # pictures that are read again and again stay in memory if they take no more


def read_pictures(
    pictures: Pictures, numbers: Sequence[int] | np.ndarray, *, workers: int = 0
) -> Iterator[tuple[int, Picture | PictureError]]:
    """The number and the picture, or the error, of each of ``numbers``, in order; ``workers`` as in ``read_ahead``."""
    chunks = -(-len(numbers) // _CHUNK)
    for chunk in read_ahead(functools.partial(_read_chunk, pictures, numbers), chunks, workers):
        for number, found in chunk:
            yield number, PictureError(found) if isinstance(found, str) else found


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
            return np.stack(list(self._read(places)))
        missing = np.unique(places[~self._has[places]])
        for place, image in zip(missing, self._read(missing), strict=True):
            self._kept[place], self._has[place] = image, True
        return self._kept[places]

    def _read(self, places: np.ndarray) -> Iterator[np.ndarray]:
        for number, image in read_pictures(self.pictures, self.numbers[places], workers=self.workers):
            if isinstance(image, PictureError):
                raise PictureError(f"{self.pictures.name(number)} could be read before, and now: {image}")
            yield image


def workers_for(count: int) -> int:
    """How many worker processes to use for reading ``count`` pictures once; each takes 2 s to start and 300 MB."""
    return min(cores(), _MOST) if cores() > 1 and count >= 10_000 else 0


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_memory() -> None:
    """Lets this process keep the memory of decoded pictures, which glibc would return and request for each of them."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        # From <malloc.h>: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD.
        for what, size in ((-3, 2**25), (-1, 2**28), (-2, 2**24)):
            ctypes.CDLL(None).mallopt(what, size)


def read_ahead(make: Callable[[int], Any], count: int, workers: int = 0) -> Iterator:
    """``make(0)``, ... ``make(count - 1)`` in order, made a few ahead, in ``workers`` processes or, if 0, on threads.
    Raises ImportError where grain (extra ``cli``) is not installed."""
    try:
        import grain
    except ImportError as error:
        raise missing_extra("cli", "Reading pictures in parallel") from error

    workers = min(workers, count)
    threads = 1 if workers else min(_MOST, cores())
    ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 2)
    if workers:  # pickled once, not for each worker; it is copied several times on its way
        make = functools.partial(_make_packed, zlib.compress(pickle.dumps(make, pickle.HIGHEST_PROTOCOL), 1))
    dataset = grain.MapDataset.source(range(count)).map(make).to_iter_dataset(ahead)
    if workers:
        from absl import flags

        flags.FLAGS.mark_as_parsed()  # grain reads its options from flags, which only absl's own programs parse
        processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        dataset = dataset.mp_prefetch(processes, worker_init_fn=_start_worker)
    with contextlib.closing(iter(dataset)) as made:
        for item in made:
            yield pickle.loads(item) if workers else item


def _read_chunk(pictures: Pictures, numbers: Sequence[int] | np.ndarray, chunk: int) -> list[tuple[int, Picture | str]]:
    places = numbers[chunk * _CHUNK : (chunk + 1) * _CHUNK]
    return [(number, read_or_reason(pictures, number)) for number in map(int, places)]


@functools.cache
def _unpacked(packed: bytes) -> Any:
    return pickle.loads(zlib.decompress(packed))


def _make_packed(make: bytes, place: int) -> bytes:
    """In a worker: the item, pickled. It returns through a pipe; shared memory would outlive a run that is killed."""
    return pickle.dumps(_unpacked(make)(place), pickle.HIGHEST_PROTOCOL)


def _start_worker(worker: int, count: int) -> None:
    """In each worker process: it ends when its parent ends, also when that is killed."""
    keep_memory()

    def end_with_parent(parent=multiprocessing.parent_process()) -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
