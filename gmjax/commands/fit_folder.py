"""``gmjax fit`` of many pictures, shared by processes and devices; each result is written as soon as it is there."""

import contextlib
import csv
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np

from gmjax import parallel, personal
from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.run_files import FIGURES, METRICS, SKIPPED, save_model, table, write_skipped
from gmjax.commands.run_fit import DIVERGED
from gmjax.commands.run_folder import Run, finish
from gmjax.commands.terminal import SHOWN, in_words, notice, progress, warn_before_fit
from gmjax.data import Picture, PictureError, Pictures, read_pictures, write_picture
from gmjax.errors import GmjaxError
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.files.models import ModelFileError
from gmjax.gmface import render
from gmjax.parallel import processes
from gmjax.solvers.stages import FitResult

_LONGEST_NAME = 255 - len(".safetensors")

# From pictures by number to (number, result or error) of each.
_FitPictures = Callable[[dict[int, Picture]], Iterator[tuple[int, FitResult | Exception]]]


def fit_folder(run: Run, pictures: Pictures, plan: Plan, options: FitOptions, target_psnr: float | None) -> int:
    """Fits all pictures that have no result yet; the exit status."""
    done = _done(run, pictures) if processes.is_first() else np.zeros(len(pictures), bool)
    done = processes.broadcast_mask(done)
    if done.any():
        notice(f"{run.folder} is resumed: {done.sum()} of {len(pictures)} pictures are done")
    shape = (options.size, options.size, 3) if options.color else (options.size, options.size)
    if target_psnr is None:
        warn_before_fit(plan.config, shape, plan.config.steps)
        size = parallel.pictures_at_once(shape, plan.init, plan.config, jax.local_devices())
        fit: _FitPictures = partial(_fit_many, plan)
    else:
        size, fit = 1, partial(_fit_to_psnr, plan, target_psnr)
    try:
        _fit_chunks(run, pictures, _chunks(~done, size), fit, options)
    except (OSError, ModelFileError) as error:
        done = _done(run, pictures)
        raise GmjaxError(
            f"{in_words(error)}. {done.sum()} of {len(pictures)} pictures are done and kept, {(~done).sum()} are "
            "missing: make room, and the same command fits these"
        ) from error
    except BaseException:
        if processes.is_first():
            _write_tables(run, pictures)
        raise
    processes.barrier("pictures fitted")
    if not processes.is_first():
        return finish(run, "")
    errors, skipped = _write_tables(run, pictures)
    if missing := len(pictures) - len(errors) - len(skipped):
        raise GmjaxError(f"{missing} of {len(pictures)} pictures are missing: the same command fits them")
    return finish(run, _summary(run, errors, skipped, plan, options), 1 if skipped else 0)


def result_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """The model and the render of the listed picture ``name``, inside of the run's ``folder``.

    They keep the whole name, with suffix and folders, so that a.png, a.jpg and b/a.png stay apart; an absolute name is
    taken as relative to the root. No listed name leads upwards.
    """
    inner, run = Path(name).relative_to(Path(name).anchor), Run(folder)
    return run.models / f"{inner}.safetensors", run.renders / f"{inner}.png"


def _chunks(pending: np.ndarray, size: int) -> list[range]:
    """The numbers of the pictures that are fitted together, where one of them is ``pending``.

    A chunk is fitted again as a whole: on a GPU its pictures share a batch, and only then have the same bits.
    """
    chunks = [range(first, min(first + size, len(pending))) for first in range(0, len(pending), size)]
    return [chunk for chunk in chunks if pending[chunk.start : chunk.stop].any()]


def _fit_chunks(run: Run, pictures: Pictures, chunks: list[range], fit: _FitPictures, options: FitOptions) -> None:
    mine = chunks[processes.index() :: processes.count()]
    numbers = np.array([number for chunk in mine for number in chunk], int)
    read = read_pictures(pictures, numbers, workers=options.workers or 0)
    with _recording(run) as record, progress("fitting", "picture", len(numbers)) as bar:
        # The same number of rounds everywhere: all processes must ask equally often whether to stop.
        for chunk, _ in itertools.zip_longest(mine, range(0, len(chunks), processes.count()), fillvalue=()):
            for number, outcome in _fit_chunk(pictures, itertools.islice(read, len(chunk)), fit):
                if not isinstance(outcome, str):
                    _write(run, pictures.name(number), *outcome)
                elif options.on_error == "stop":
                    raise PictureError(f"{pictures.name(number)}: {outcome}; what was fitted before it is kept")
                else:
                    record(number, outcome)
                bar.update()
            processes.require_running()


def _fit_chunk(
    pictures: Pictures, chunk: Iterable[tuple[int, Picture | PictureError]], fit: _FitPictures
) -> Iterator[tuple[int, tuple[Picture, FitResult] | str]]:
    """(number, (picture, result)) of each picture, or (number, reason) if it has none."""
    usable: dict[int, Picture] = {}
    for number, picture in chunk:
        if len(os.fsencode(Path(pictures.name(number)).name)) > _LONGEST_NAME:
            yield number, "its name is too long for the name of a model file"
        elif isinstance(picture, PictureError):
            yield number, str(picture)
        else:
            usable[number] = picture
    for number, result in fit(usable):
        if isinstance(result, Exception):
            yield number, str(result)
        elif bool(result.info.diverged):
            yield number, DIVERGED
        else:
            yield number, (usable[number], result)


def _fit_many(plan: Plan, usable: dict[int, Picture]) -> Iterator[tuple[int, FitResult | Exception]]:
    return parallel.fit_many(usable.values(), plan.init, config=plan.config, key=plan.key, numbers=usable)


def _fit_to_psnr(
    plan: Plan, target_psnr: float, usable: dict[int, Picture]
) -> Iterator[tuple[int, FitResult | Exception]]:
    for number, picture in usable.items():
        key = jax.random.fold_in(plan.key, number)
        try:
            yield number, personal.fit_to_psnr(target_psnr, picture, config=plan.config, key=key)
        except ValueError as error:
            yield number, error


def _write(run: Run, name: str, picture: Picture, result: FitResult) -> None:
    """The model last: where it is, the picture is done."""
    model, drawing = result_paths(run.folder, name)
    for path in (model, drawing):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(drawing, np.asarray(render(result.params, picture.shape[:2])))
    save_model(model, result, picture, name)


@contextlib.contextmanager
def _recording(run: Run) -> Iterator[Callable[[int, str], None]]:
    """A function that adds the number of a skipped picture, and the reason, to this process's file."""
    run.skipped.mkdir(parents=True, exist_ok=True)
    path = run.skipped / f"{processes.index()}.csv"
    if path.exists():  # its last line may be incomplete
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    with open(path, "a", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")

        def record(number: int, reason: str) -> None:
            writer.writerow((number, " ".join(reason.split())))
            stream.flush()

        yield record


def _recorded(run: Run) -> dict[int, str]:
    """The reasons why pictures were skipped, by number, from the files of all processes."""
    rows: list[list[str]] = []
    for path in run.skipped.glob("*.csv"):
        content = path.read_bytes()
        rows += csv.reader(content[: content.rfind(b"\n") + 1].decode().splitlines())
    return {int(number): reason for number, reason in sorted(rows, key=lambda row: int(row[0]))}


def _done(run: Run, pictures: Pictures) -> np.ndarray:
    """A picture is done when its model is there, or the reason why there is none."""
    skipped = _recorded(run)
    names = map(pictures.name, range(len(pictures)))
    return np.array([n in skipped or result_paths(run.folder, name)[0].exists() for n, name in enumerate(names)], bool)


def _write_tables(run: Run, pictures: Pictures) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """``metrics.csv`` from the headers of the models, and ``skipped.csv``.

    Returns the MSEs, and the (name, reason) of each skipped picture.
    """
    skipped = _recorded(run)
    rows: list[tuple[str, ...]] = []
    for number, name in enumerate(map(pictures.name, range(len(pictures)))):
        path = result_paths(run.folder, name)[0]
        if number not in skipped and path.exists():
            rows.append((name, *_figures(path)))
    write_atomically(run.folder / METRICS, table(("picture", *FIGURES), rows))
    reasons = [(pictures.name(number), reason) for number, reason in skipped.items()]
    write_skipped(run.folder, reasons, len(pictures))
    return np.array([float(row[1 + FIGURES.index("mse")]) for row in rows]), reasons


def _figures(path: Path) -> list[str]:
    try:
        metadata = models.load_metadata(path)
        return [metadata[name] for name in FIGURES]
    except (ModelFileError, KeyError) as error:
        raise GmjaxError(f"{in_words(error)}: remove {path}, and the same command fits the picture again") from error


def _summary(run: Run, errors: np.ndarray, skipped: list[tuple[str, str]], plan: Plan, options: FitOptions) -> str:
    total = len(errors) + len(skipped)
    lines = [f"{len(errors)} of {total} pictures are fitted."]
    if len(errors):
        lines[0] += f" Mean MSE {errors.mean():.3g}, lowest {errors.min():.3g}, highest {errors.max():.3g}."
        lines.append(f"The models are in {run.models}; see also renders and metrics.csv.")
    if skipped:
        lines.append(f"{len(skipped)} of {total} are skipped, all listed in {run.folder / SKIPPED}:")
        lines += [f"  {name}: {reason}" for name, reason in skipped[:SHOWN]] + ["  ..."] * (len(skipped) > SHOWN)
    return "\n".join([*lines, f"They started from {plan.start}, seed {options.seed}."])
