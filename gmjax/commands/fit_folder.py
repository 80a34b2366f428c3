"""``gmjax fit`` of many pictures: shared out over processes and devices, each result written as soon as it is there."""

import itertools
import os
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from gmjax import parallel, personal
from gmjax.commands import run_folder, running
from gmjax.commands.ledger import Ledger, Lines
from gmjax.commands.run_folder import Run
from gmjax.commands.shared import (
    DIVERGED,
    UsageError,
    as_text,
    figures_of,
    listed,
    model_metadata,
    progress,
    say_going_on,
    say_skipped,
    write_skipped,
)
from gmjax.data import Crop, Picture, PictureError, Pictures, read_pictures, write_picture
from gmjax.files import models
from gmjax.files.models import ModelFileError
from gmjax.gmface import GmFace, render
from gmjax.parallel import processes, watch
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitResult

if TYPE_CHECKING:
    from gmjax.commands.fit import Fit

COLUMNS = ("picture", "height", "width", "components", "parameters", "mse", "pae", "psnr")
_LONGEST_NAME = 255 - len(".safetensors")


def fit_folder(options: "Fit", run: Run, config: FitConfig, init: GmFace | None, start: str) -> int:
    """All pictures that have no line in the run's ledger yet; the exit status."""
    begun = time.perf_counter()
    crop = Crop(options.size, options.color, options.aligned, square=False)
    pictures = listed(run, options.path, crop, None if options.aligned else options.eyes)
    size = _chunk_size(options, init, config)
    missing = ~Lines(run.ledger, len(pictures)).has
    if processes.is_first() and not missing.all():
        say_going_on(run, len(pictures) - int(missing.sum()), len(pictures), "pictures are done")
    starts = np.arange(0, len(pictures), size)
    starts = starts[np.logical_or.reduceat(missing, starts)][processes.index() :: processes.count()]
    processes.together()
    ledger = Ledger(run.ledger, processes.index())
    try:
        _fit_chunks(options, run, config, init, pictures, starts, size, ledger)
    except (OSError, ModelFileError) as error:
        done = int(Lines(run.ledger, len(pictures)).has.sum())
        raise UsageError(
            f"{error}. {done} of {len(pictures)} pictures are done and kept, {len(pictures) - done} are missing: make "
            "room, and the same command goes on with these"
        ) from error
    except BaseException:
        if processes.is_first():
            _write_tables(run, len(pictures))
        raise
    finally:
        ledger.close()
    processes.together()
    if not processes.is_first():
        return running.finish(run, "")
    errors, lost, first = _write_tables(run, len(pictures))
    if absent := len(pictures) - len(errors) - lost:
        raise UsageError(f"{absent} of {len(pictures)} pictures are missing: the same command goes on with these")
    say_skipped(lost, len(pictures), run.folder)
    seconds = time.perf_counter() - begun
    said = [
        f"{len(errors)} of {len(pictures)} pictures from {start}, seed {options.seed}, {seconds:.1f} s.",
        f"The models are in {run.folder / 'models'}; beside them renders and metrics.csv.",
    ]
    if lost:
        said.append(f"{lost} of {len(pictures)} skipped, all in {run.folder / run_folder.SKIPPED}:")
        said += [f"  {name}: {reason}" for name, reason in first] + ["  ..."] * (lost > len(first))
    if len(errors):
        said.append(f"mean MSE {errors.mean():.3g}  lowest {errors.min():.3g}  highest {errors.max():.3g}")
    return running.finish(run, "\n".join(said), 1 if lost else 0)


def _chunk_size(options: "Fit", init: GmFace | None, config: FitConfig) -> int:
    """How many pictures are fitted, and if the run is interrupted lost, together.

    A chunk is fitted again if any of its pictures is missing: on a GPU they share a batch, and so have the same bits.
    """
    if options.target_psnr is not None:
        return 1
    shape = (options.size, options.size, 3) if options.color else (options.size, options.size)
    return parallel.pictures_at_once(shape, init, config, jax.local_devices())


def _fit_chunks(options: "Fit", run: Run, config, init, pictures: Pictures, starts, size: int, ledger: Ledger) -> None:
    numbers = (starts[:, None] + np.arange(size)).reshape(-1)
    numbers = numbers[numbers < len(pictures)]
    read = read_pictures(pictures, numbers, workers=options.workers or 0)
    fitted, total = 0, 0.0
    with progress("fitting", "picture", len(numbers)) as bar:

        def lose(number: int, reason: object) -> None:
            ledger.add(number, pictures.name(number), *[""] * (len(COLUMNS) - 1), reason)
            if options.on_error == "stop":
                raise PictureError(f"{pictures.name(number)}: {reason}; what was fitted before it is kept")
            bar.update()

        for first in starts.tolist():
            images: dict[int, Picture] = {}
            for number, image in itertools.islice(read, min(size, len(pictures) - first)):
                watch.progress()
                if len(os.fsencode(Path(pictures.name(number)).name)) > _LONGEST_NAME:
                    lose(number, "its name is too long to be given to a model file")
                elif isinstance(image, PictureError):
                    lose(number, image)
                else:
                    images[number] = image
            for number, result in _fits(options, images, init, config):
                watch.progress()
                if isinstance(result, Exception):
                    lose(number, result)
                elif not np.isfinite(result.info.mse):
                    lose(number, DIVERGED)
                else:
                    name, shape, figures = pictures.name(number), images[number].shape, figures_of(result)
                    _write(run, name, shape, result, config)
                    ledger.add(number, name, *shape[:2], *figures.values(), "")
                    fitted, total = fitted + 1, total + figures["mse"]
                    bar.set_postfix_str(f"mean MSE {total / fitted:.3g}", refresh=False)
                    bar.update()
            ledger.sync()
            running.require_going_on()


def _fits(options, images: dict[int, Picture], init, config: FitConfig) -> Iterator[tuple[int, FitResult | Exception]]:
    """(number, result or error) of each picture."""
    key = jax.random.key(options.seed)
    if options.target_psnr is None:
        yield from parallel.fit_many(images.values(), init, config=config, key=key, numbers=images)
        return
    for number, image in images.items():
        try:
            key_of_image = jax.random.fold_in(key, number)
            yield number, personal.fit_to_psnr(options.target_psnr, image, config=config, key=key_of_image)
        except ValueError as error:
            yield number, error


def _write(run: Run, name: str, shape: Sequence[int], result: FitResult, config: FitConfig) -> None:
    model, picture = result_paths(run.folder, name)
    for path in (model, picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    models.save(model, result.params, model_metadata(config, shape, as_text(name)))
    write_picture(picture, np.asarray(render(result.params, tuple(shape[:2]), offset=config.offset)))


def result_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the model and the render of the listed picture ``name`` go, which is always in ``folder``.

    The whole name, suffix and folders too, so that a.png, a.jpg and b/a.png stay apart; of an absolute one, from a
    list, what follows the root. No listed name leads upwards.
    """
    inner = Path(name).relative_to(Path(name).anchor)
    return folder / "models" / f"{inner}.safetensors", folder / "renders" / f"{inner}.png"


def _write_tables(run: Run, count: int) -> tuple[np.ndarray, int, list[tuple[str, str]]]:
    """``metrics.csv`` and ``skipped.csv`` from the run's ledger.

    Returns the MSEs, how many pictures are lost, and the (name, reason) of the first few of these.
    """
    lines, errors = Lines(run.ledger, count), array("d")
    with run_folder.table(run.folder / run_folder.METRICS, COLUMNS) as (writer, _):
        for _, (*row, reason) in lines:
            if not reason:
                writer.writerow(row)
                errors.append(float(row[COLUMNS.index("mse")]))
    lost = write_skipped(run, ((row[0], reason) for _, (*row, reason) in lines if reason))
    return np.array(errors), *lost
