"""What the commands share: refusals in plain words, progress bars, figures and the files of a run."""

import contextlib
import filecmp
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmjax.commands import run_folder
from gmjax.data import Crop, ListedPictures, Listing, eyes_table, root_of, write_listing
from gmjax.parallel import processes
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import LAST_STEPS, FitResult

DIVERGED = "the fit came to numbers that are NaN or infinite; try another --start or the default recipe"


SHOWN = 3
"""Of the pictures that were left out, so many are named at the end."""


class UsageError(ValueError):
    """Arguments that do not go together, or that the library refused; the text is for the person at the terminal."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Around calls that take the person's own arguments: what the library says of these is for the person."""
    try:
        yield
    except (TypeError, ValueError) as error:
        # The library speaks of FitConfig.batch_size, the command line of --batch-size.
        options = re.sub(r"FitConfig\.(\w+)", lambda name: "--" + name[1].replace("_", "-"), str(error))
        raise UsageError(options.replace("--num-components", "--components")) from error


def progress(what: str, unit: str, total: int | None = None) -> tqdm:
    return tqdm(desc=what, unit=unit, total=total, disable=None, dynamic_ncols=True, leave=False)


def listed(run: run_folder.Run, source: Path, crop: Crop, eyes: Path | None) -> ListedPictures:
    """The pictures of ``source``, as the run's own list names them; process 0 writes it, and the others read it.

    Raises:
        PictureError: there are none, or a wrong table of eyes.
        FileExistsError: they are no longer those that the run began with.
    """
    if processes.is_first():
        if run.pictures.is_file():
            require_same_pictures(run, source)
        else:
            write_listing(run.pictures, source)
    processes.together()
    listing, root = Listing(run.pictures), root_of(source)
    table = None if crop.aligned else eyes_table(root, eyes, (entry.name for entry in listing))
    return ListedPictures(listing, root, crop, table)


def require_apart(out: Path, source: Path) -> None:
    """What is written must not be read: as pictures of the collection, by the next run."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{out} lies in {source}, and what is written there would be taken for pictures of the collection: give "
            "another folder with --out"
        )


def require_same_pictures(run: run_folder.Run, source: Path) -> None:
    """Raises FileExistsError if the pictures of ``source`` have other names, or places in shards, than the run's."""
    now = run.folder / ".pictures.now"
    try:
        write_listing(now, source)
        if filecmp.cmp(now, run.pictures, shallow=False):
            return
        names_now, names_then = ({entry.name for entry in Listing(path)} for path in (now, run.pictures))
    finally:
        now.unlink(missing_ok=True)
    changes = [f"{name} is new" for name in sorted(names_now - names_then)]
    changes += [f"{name} is gone" for name in sorted(names_then - names_now)]
    first = changes[0] if changes else "a shard was written anew"
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    raise FileExistsError(
        f"{run.folder} holds a run of other pictures ({first}{more}): bring {source} back "
        "to what it was, give another folder with --out, or begin anew with --overwrite"
    )


def figures_of(result: FitResult) -> dict[str, float]:
    params, info = result.params, result.info
    return {
        "components": params.num_components,
        "parameters": params.num_parameters,
        "mse": float(info.mse),
        "pae": float(info.pae),
        "psnr": float(info.psnr),
    }


def line_of_figures(result: FitResult) -> str:
    figures = figures_of(result)
    return (
        f"{figures['components']} components, {figures['parameters']} parameters  MSE {figures['mse']:.3g}  "
        f"PAE {figures['pae']:.3g}  PSNR {figures['psnr']:.1f} dB"
    )


def write_metrics(folder: Path, metrics: dict[str, float]) -> None:
    run_folder.write_table(folder / run_folder.METRICS, tuple(metrics), [tuple(metrics.values())])


def write_loss(folder: Path, result: FitResult, config: FitConfig) -> None:
    from gmjax import plotting

    run_folder.write_table(folder / run_folder.LOSS, ("step", "loss"), enumerate(np.asarray(result.info.loss).tolist()))
    first_stage = len(result.info.loss) - LAST_STEPS if config.solver == "lm" else 0
    plotting.loss_figure(result.info.loss, first_stage).savefig(folder / "loss.png", dpi=150)


def model_metadata(config: FitConfig, shape: Sequence[int], source: str) -> dict[str, str]:
    return {"offset": str(config.offset), "height": str(shape[0]), "width": str(shape[1]), "source": source}


def say_skipped(count: int, total: int, folder: Path) -> None:
    if count:
        print(
            f"gmjax: {count} of {total} pictures left out, for the reasons in {folder / run_folder.SKIPPED}",
            file=sys.stderr,
        )


def write_skipped(run: run_folder.Run, lost: Iterable[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
    """The (name, reason) of ``lost`` into ``skipped.csv``, if there are any; how many there are, and the first few."""
    count, first = 0, []
    path = run.folder / run_folder.SKIPPED
    with run_folder.table(path, ("picture", "reason")) as (writer, _):
        for row in lost:
            writer.writerow(row)
            count += 1
            if count <= SHOWN:
                first.append(row)
    if not count:
        path.unlink()
    return count, first


def say_going_on(run: run_folder.Run, done: int, total: int, what: str) -> None:
    print(f"gmjax: {run.folder} goes on: {done} of {total} {what}", file=sys.stderr)


def as_text(name: str | Path) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
