"""Reading pictures from files for a common face, against decoding alone on as many cores.

Input: 512 generated colour JPEG files of 300 x 300, reduced to 120 x 120 gray, and 512 PNG files of 20 x 16, reduced to
16 x 16; each file is read many times. Decoding alone: `Crop.of` in a plain loop over file contents in memory, in one
process per core. gmjax: `read_pictures` from listed files, as used for minibatches and personal faces; and the exact
sums of the pictures by blocks, as used by `gmjax common-model`. The time to start and stop processes is not counted.
Expected: for photographs at least 0.9 of the speed of decoding alone; for tiny pictures, which take a tenth of a
millisecond to decode, at least 0.5.
"""

import functools
import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from experiments.markdown import table
from gmjax.data import Crop, ListedPictures, cores, keep_memory, list_pictures, read_ahead, read_pictures
from gmjax.parallel.statistics import PICTURES_PER_BLOCK, block_sums
from gmjax.statistics import added

KINDS = {"photographs": (2000, Crop(120, aligned=True)), "tiny pictures": (16_000, Crop(16, aligned=True))}
FILES, ROUNDS, WARM_UP = 512, 5, 512


def run() -> str:
    keep_memory()
    processes, rows = cores(), []
    for kind, (count, crop) in KINDS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "in")
            _fill(folder, kind)
            pictures = ListedPictures(list_pictures(folder), folder, crop)
            sides = {
                f"decoding alone, {processes} processes": lambda p=pictures, c=count: _decoding(p, c, processes),
                "read_pictures, threads": lambda p=pictures, c=count: _reading(p, c, 0),
                f"read_pictures, {processes} processes": lambda p=pictures, c=count: _reading(p, c, processes),
                "sums, threads": lambda p=pictures, c=count: _sums(p, c, 0),
                f"sums, {processes} processes": lambda p=pictures, c=count: _sums(p, c, processes),
            }
            speeds: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(ROUNDS):
                for side, measure in sides.items():
                    speeds[side].append(measure())
        first = next(iter(speeds.values()))
        rows += [
            (kind, side, median(found), median(a / b for a, b in zip(found, first, strict=True)))
            for side, found in speeds.items()
        ]
    return table(("pictures", "side", "pictures/s", "relative to decoding alone"), rows)


def _fill(folder: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(FILES):
        if kind == "photographs":
            # Detail at all scales, as in photographs: files of about 10 kB.
            layers = [
                np.asarray(Image.fromarray(rng.standard_normal((side, side)).astype(np.float32)).resize((300, 300)))
                for side in np.repeat((4, 8, 16, 32, 64, 128), 3)
            ]
            weights = np.float32((4, 8, 16, 32, 64, 128)) ** -0.7
            colours = np.stack(
                [sum(w * layer for w, layer in zip(weights, layers[c::3], strict=True)) for c in range(3)]
            )
            pixels = np.uint8(np.clip(127 + 60 * colours, 0, 255)).transpose(1, 2, 0)
            Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=85)
        else:
            Image.fromarray(rng.integers(0, 255, (20, 16), np.uint8)).save(folder / f"{number}.png")


def _decoding(pictures: ListedPictures, count: int, cores: int) -> float:
    """Pictures per second of all processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, seconds = context.Barrier(cores), context.Queue()
    processes = [
        context.Process(target=_decode, args=(pictures, count // cores, barrier, seconds)) for _ in range(cores)
    ]
    for process in processes:
        process.start()
    found = sum(count // cores / seconds.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    return found


def _decode(pictures: ListedPictures, count: int, barrier, seconds) -> None:
    keep_memory()
    names = [str(pictures.root / pictures.name(number)) for number in range(FILES)]
    contents = [Path(name).read_bytes() for name in names]
    barrier.wait(300)
    began = time.perf_counter()
    for number in range(count):
        pictures.crop.face(contents[number % FILES], names[number % FILES])
    seconds.put(time.perf_counter() - began)


def _reading(pictures: ListedPictures, count: int, workers: int) -> float:
    numbers = np.arange(WARM_UP + count) % FILES
    return _speed(((1, image) for _, image in read_pictures(pictures, numbers, workers=workers)))


def _sums(pictures: ListedPictures, count: int, workers: int) -> float:
    numbers = np.arange((WARM_UP + count) // PICTURES_PER_BLOCK) % (FILES // PICTURES_PER_BLOCK)
    blocks = read_ahead(functools.partial(block_sums, pictures, numbers), len(numbers), workers)
    parts = ((PICTURES_PER_BLOCK, sums) for _, sums, _ in blocks)
    return _speed(itertools.accumulate(parts, lambda a, b: (b[0], added(a[1], b[1]))))


def _speed(made: Iterable[tuple[int, object]]) -> float:
    """Pictures per second after the first ``WARM_UP``; ``made`` yields (number of pictures, what was made of them)."""
    done, times = 0, []
    for some, _ in made:
        done += some
        times.append((done, time.perf_counter()))
    first = next(time for time in times if time[0] >= WARM_UP)
    return (done - first[0]) / (times[-1][1] - first[1])
