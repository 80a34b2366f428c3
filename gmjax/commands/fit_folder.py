"""``gmjax fit`` of many pictures, shared by processes and devices; each result is written as soon as it is there."""

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gmjax import parallel, personal
from gmjax.commands.check_sheet import write_check_sheet
from gmjax.commands.checked_pictures import CheckedPictures, doubtful_lines, write_doubts
from gmjax.commands.correspond import correspondence_of, with_common_face
from gmjax.commands.masks import Mask, mask_of
from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.run_files import FIGURES, METRICS, save_model, skipped_lines, write_skipped
from gmjax.commands.run_fit import DIVERGED
from gmjax.commands.run_folder import MODELS, REASONS, RENDERS, finish
from gmjax.commands.terminal import notice, progress, warn_before_fit
from gmjax.data import ListedPictures, Picture, PictureError, Pictures, read_pictures, write_picture
from gmjax.errors import DivergedError, GmjaxError, in_one_line
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.files.models import ModelFileError
from gmjax.files.tables import write_table
from gmjax.gmface import render
from gmjax.parallel import processes
from gmjax.solvers.stages import FitResult

_LONGEST_NAME = 255 - len(".safetensors")


def fit_folder(folder: Path, listed: ListedPictures, plan: Plan, options: FitOptions, masks: str | None = None) -> int:
    """Fits all pictures that have no result yet, with ``masks`` as in ``mask_of``; the exit status."""
    pictures, more = CheckedPictures(listed, folder, options.strict), {}
    if plan.config.stay is not None:
        plan = plan if plan.init is not None else with_common_face(folder, pictures, plan, options)
        assert plan.init is not None
        more = correspondence_of(plan.init, options.side)
    done = np.array(processes.broadcast(_done(folder, pictures).tolist() if processes.is_first() else []), bool)
    if done.any():
        notice(f"{folder} is resumed: {done.sum()} of {len(pictures)} pictures are done")
    shape, size = (options.side, options.side, *[3] * options.color), 1
    if plan.target_psnr is None:
        warn_before_fit(plan.config, shape, plan.config.steps)
        size = parallel.pictures_at_once(shape, plan.init, plan.config, jax.local_devices())
    try:
        _fit_chunks(folder, pictures, ~done, size, plan, options, masks, more)
    except (OSError, ModelFileError) as error:
        done = _done(folder, pictures)
        state = f"{done.sum()} of {len(pictures)} pictures are done and kept, {(~done).sum()} are missing"
        remedy = "free disk space and run the same command again to fit the rest"
        raise GmjaxError(f"{in_one_line(error)}. {state}: {remedy}") from error
    except BaseException:
        if processes.is_first():
            _write_tables(folder, pictures)
        raise
    processes.barrier("pictures fitted")
    if not processes.is_first():
        return finish(folder, "")
    errors, skipped = _write_tables(folder, pictures)
    if missing := len(pictures) - len(errors) - len(skipped):
        raise GmjaxError(f"{missing} of {len(pictures)} pictures are missing: the same command fits them")
    doubtful = write_doubts(folder, pictures, skipped)
    write_check_sheet(folder, pictures, errors, skipped, lambda name: result_paths(folder, name)[1])
    said = _summary(folder, pictures, np.array(list(errors.values())), skipped, doubtful, plan, options)
    return finish(folder, said, 1 if skipped else 0)


def result_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """The model and the render of the listed picture ``name``. The whole name keeps a.png, a.jpg and b/a.png apart."""
    inner = Path(name).relative_to(Path(name).anchor)
    return folder / MODELS / f"{inner}.safetensors", folder / RENDERS / f"{inner}.png"


def _fit_chunks(
    folder: Path,
    pictures: CheckedPictures,
    pending: np.ndarray,
    size: int,
    plan: Plan,
    options: FitOptions,
    masks: str | None,
    more: dict[str, str],
) -> None:
    """Fits chunks of ``size`` pictures, whole ones even if few are ``pending``: so resumed runs have equal bits.

    ``more``: for the headers of the model files.
    """
    chunks = [range(first, min(first + size, len(pending))) for first in range(0, len(pending), size)]
    chunks = [chunk for chunk in chunks if pending[chunk.start : chunk.stop].any()]
    mine = chunks[processes.index() :: processes.count()]
    numbers = np.array([number for chunk in mine for number in chunk], int)
    read = read_pictures(pictures, numbers, workers=options.workers or 0)
    (folder / REASONS).mkdir(exist_ok=True)
    with progress("fitting", "picture", len(numbers)) as bar:
        for chunk in mine:
            for number, picture, result in _fit_chunk(pictures, itertools.islice(read, len(chunk)), plan, masks):
                if not isinstance(result, Exception):
                    _write(folder, pictures.name(number), picture, result, more)
                elif options.on_error == "stop":
                    raise PictureError(f"{pictures.name(number)}: {result}; what was fitted before it is kept")
                else:
                    reason = " ".join(str(result).split()).encode("utf-8", "backslashreplace")
                    write_atomically(folder / REASONS / f"{number}.txt", reason)
                bar.update()
            if processes.stop_noticed():
                break
    processes.require_running()


def _fit_chunk(
    pictures: CheckedPictures, chunk: Iterable[tuple[int, Picture | PictureError]], plan: Plan, masks: str | None
) -> Iterator[tuple[int, Any, FitResult | Exception]]:
    """The number of each picture, the picture, and its result or why it has none."""
    usable: dict[int, Picture] = {}
    mask: dict[int, Mask] = {}
    for number, picture in chunk:
        if len(os.fsencode(Path(pictures.name(number)).name)) > _LONGEST_NAME:
            yield number, picture, PictureError("its name is too long for the name of a model file")
            continue
        try:
            if isinstance(picture, PictureError):
                raise picture
            if masks is not None:
                mask[number] = mask_of(masks, pictures.pictures, number, picture.shape)
            usable[number] = picture
        except PictureError as error:
            yield number, picture, error
    if plan.target_psnr is None:
        each = None if masks is None else mask.values()
        fits = parallel.fit_many(
            usable.values(), plan.init, config=plan.config, key=plan.key, numbers=usable, masks=each
        )
    else:
        target = plan.target_psnr
        fits = ((n, _fit_to_psnr(n, picture, plan, target, mask.get(n))) for n, picture in usable.items())
    for number, result in fits:
        diverged = isinstance(result, FitResult) and bool(result.info.diverged)
        yield number, usable[number], DivergedError(DIVERGED) if diverged else result


def _fit_to_psnr(
    number: int, picture: Picture, plan: Plan, target_psnr: float, mask: Mask | None
) -> FitResult | Exception:
    key = jax.random.fold_in(plan.key, number)
    try:
        return personal.fit_to_psnr(target_psnr, picture, config=plan.config, key=key, mask=mask)
    except ValueError as error:
        return error


def _write(folder: Path, name: str, picture: Picture, result: FitResult, more: dict[str, str]) -> None:
    """The model last: where it is, the picture is done."""
    model, drawing = result_paths(folder, name)
    model.parent.mkdir(parents=True, exist_ok=True)
    drawing.parent.mkdir(parents=True, exist_ok=True)
    write_picture(drawing, np.asarray(render(result.params, picture.shape[:2])))
    save_model(model, result, picture, name, **more)


def _recorded(folder: Path) -> dict[int, str]:
    """The reasons why pictures were skipped, by number."""
    files = sorted((folder / REASONS).glob("*.txt"), key=lambda path: int(path.stem))
    return {int(path.stem): path.read_text(encoding="utf-8") for path in files}


def _done(folder: Path, pictures: Pictures) -> np.ndarray:
    """A picture is done when its model is there, or the reason why there is none."""
    skipped = _recorded(folder)
    names = map(pictures.name, range(len(pictures)))
    return np.array([n in skipped or result_paths(folder, name)[0].exists() for n, name in enumerate(names)], bool)


def _write_tables(folder: Path, pictures: Pictures) -> tuple[dict[int, float], dict[int, str]]:
    """Writes metrics.csv and skipped.csv; returns the MSEs, and why pictures were skipped, by number."""
    skipped = _recorded(folder)
    rows: list[tuple[str, ...]] = []
    errors: dict[int, float] = {}
    for number, name in enumerate(map(pictures.name, range(len(pictures)))):
        path = result_paths(folder, name)[0]
        if number in skipped or not path.exists():
            continue
        try:
            metadata = models.load_metadata(path)
            rows.append((name, *(metadata[figure] for figure in FIGURES)))
            errors[number] = float(metadata["mse"])
        except (ModelFileError, KeyError, ValueError) as error:
            raise GmjaxError(f"{in_one_line(error)}: remove {path}, and the same command fits it again") from error
    write_table(folder / METRICS, ("picture", *FIGURES), rows)
    write_skipped(folder, pictures, skipped)
    return errors, skipped


def _summary(
    folder: Path,
    pictures: Pictures,
    errors: np.ndarray,
    skipped: dict[int, str],
    doubtful: list[tuple[str, str]],
    plan: Plan,
    options: FitOptions,
) -> str:
    lines = [f"{len(errors)} of {len(pictures)} pictures are fitted."]
    if len(errors):
        lines[0] += f" Mean MSE {errors.mean():.3g}, lowest {errors.min():.3g}, highest {errors.max():.3g}."
        lines.append(f"The models are in {folder / MODELS}; see also renders, metrics.csv and check.html.")
    lines += skipped_lines(folder, pictures, skipped) + doubtful_lines(folder, doubtful, len(pictures))
    if len(errors):
        lines.append(f"They started from {plan.start}, seed {options.seed}.")
    return "\n".join(lines)
