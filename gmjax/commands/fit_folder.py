"""``gmjax fit`` of many pictures, shared by processes and devices; each result is written as soon as it is there."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jax
import numpy as np

from gmjax import parallel, personal
from gmjax.commands.explanations import in_words
from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.run_files import FIGURES, save_model, write_skipped
from gmjax.commands.run_fit import DIVERGED
from gmjax.commands.run_folder import METRICS, MODELS, RENDERS, SKIPPED, Run, finish
from gmjax.commands.tables import write_table
from gmjax.commands.terminal import SHOWN, notice, progress, warn_before_fit
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
    """Fits all pictures that are not done yet; the exit status."""
    pending = json.loads(processes.broadcast(json.dumps(_pending(run, pictures) if processes.is_first() else None)))
    if len(pending) < len(pictures):
        notice(f"{run.folder} is resumed: {len(pictures) - len(pending)} of {len(pictures)} pictures are done")
    if target_psnr is None:
        shape = (options.size, options.size, 3) if options.color else (options.size, options.size)
        warn_before_fit(plan.config, shape, plan.config.steps or 0)
        size, fit = parallel.pictures_at_once(shape, plan.init, plan.config, jax.local_devices()), _fit_many(plan)
    else:
        size, fit = 1, _fit_to_psnr(plan, target_psnr)
    # A chunk is fitted again as a whole: on a GPU its pictures share a batch, and only then have the same bits.
    firsts = sorted({number - number % size for number in pending})
    chunks = [range(first, min(first + size, len(pictures))) for first in firsts]
    try:
        _fit_chunks(run, pictures, chunks, fit, options)
    except (OSError, ModelFileError) as error:
        missing, total = len(_pending(run, pictures)), len(pictures)
        raise GmjaxError(
            f"{in_words(error)}. {total - missing} of {total} pictures are done, {missing} are missing: make room, and "
            "the same command fits these"
        ) from error
    processes.barrier("pictures fitted")
    return finish(run, *(_summary(run, pictures, plan, options) if processes.is_first() else ("", 0)))


def result_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """The model and the render of the listed picture ``name``, inside of the run's ``folder``.

    They keep the whole name, with suffix and folders, so that a.png, a.jpg and b/a.png stay apart; an absolute name is
    taken as relative to the root. No listed name leads upwards.
    """
    inner = Path(name).relative_to(Path(name).anchor)
    return folder / MODELS / f"{inner}.safetensors", folder / RENDERS / f"{inner}.png"


def _fit_chunks(run: Run, pictures: Pictures, chunks: list[range], fit: _FitPictures, options: FitOptions) -> None:
    mine = chunks[processes.index() :: processes.count()]
    numbers = np.array([number for chunk in mine for number in chunk], int)
    read = read_pictures(pictures, numbers, workers=options.workers or 0)
    with progress("fitting", "picture", len(numbers)) as bar:
        for chunk in mine:
            for number, outcome in _fit_chunk(pictures, itertools.islice(read, len(chunk)), fit):
                if not isinstance(outcome, str):
                    _write(run, pictures.name(number), *outcome)
                elif options.on_error == "stop":
                    raise PictureError(f"{pictures.name(number)}: {outcome}; what was fitted before it is kept")
                else:
                    _skip(run, number, outcome)
                bar.update()
            if processes.stop_noticed():
                break
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


def _fit_many(plan: Plan) -> _FitPictures:
    return lambda usable: parallel.fit_many(
        usable.values(), plan.init, config=plan.config, key=plan.key, numbers=usable
    )


def _fit_to_psnr(plan: Plan, target_psnr: float) -> _FitPictures:
    def fit(usable):
        for number, picture in usable.items():
            key = jax.random.fold_in(plan.key, number)
            try:
                yield number, personal.fit_to_psnr(target_psnr, picture, config=plan.config, key=key)
            except ValueError as error:
                yield number, error

    return fit


def _write(run: Run, name: str, picture: Picture, result: FitResult) -> None:
    """The model last: where it is, the picture is done."""
    model, drawing = result_paths(run.folder, name)
    for path in (model, drawing):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(drawing, np.asarray(render(result.params, picture.shape[:2])))
    save_model(model, result, picture, name)


def _skip(run: Run, number: int, reason: str) -> None:
    run.skipped.mkdir(exist_ok=True)
    write_atomically(run.skipped / f"{number}.txt", reason.encode("utf-8", "backslashreplace"))


def _skipped(run: Run) -> dict[int, str]:
    """Why pictures were skipped so far, by number."""
    paths = sorted(run.skipped.glob("*.txt"), key=lambda path: int(path.stem))
    return {int(path.stem): path.read_text(encoding="utf-8") for path in paths}


def _pending(run: Run, pictures: Pictures) -> list[int]:
    """The pictures that are not done: there is neither a model nor a reason why not."""
    skipped = _skipped(run)
    return [
        number
        for number in range(len(pictures))
        if number not in skipped and not result_paths(run.folder, pictures.name(number))[0].exists()
    ]


def _summary(run: Run, pictures: Pictures, plan: Plan, options: FitOptions) -> tuple[str, int]:
    """Writes the tables; what there is to say about the run, and its exit status."""
    reasons, total = _skipped(run), len(pictures)
    skipped = [(pictures.name(number), reason) for number, reason in reasons.items()]
    names = [pictures.name(number) for number in range(total) if number not in reasons]
    rows = [(name, *_figures(result_paths(run.folder, name)[0])) for name in names]
    write_table(run.folder / METRICS, ("picture", *FIGURES), rows)
    write_skipped(run, skipped, total)
    lines = [f"{len(rows)} of {total} pictures are fitted."]
    if rows:
        errors = np.array([row[1 + FIGURES.index("mse")] for row in rows], float)
        lines[0] += f" Mean MSE {errors.mean():.3g}, lowest {errors.min():.3g}, highest {errors.max():.3g}."
        lines.append(f"The models are in {run.folder / MODELS}; see also renders and metrics.csv.")
    if skipped:
        lines.append(f"{len(skipped)} of {total} are skipped, all listed in {run.folder / SKIPPED}:")
        lines += [f"  {name}: {reason}" for name, reason in skipped[:SHOWN]] + ["  ..."] * (len(skipped) > SHOWN)
    return "\n".join([*lines, f"They started from {plan.start}, seed {options.seed}."]), 1 if skipped else 0


def _figures(path: Path) -> list[str]:
    try:
        metadata = models.load_metadata(path)
        return [metadata[name] for name in FIGURES]
    except (ModelFileError, KeyError) as error:
        raise GmjaxError(f"{in_words(error)}. Remove {path}, and the same command fits the picture again") from error
