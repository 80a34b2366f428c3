"""``gmjax common-model``."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional

from gmjax import parallel
from gmjax.commands.check_sheet import write_check_sheet
from gmjax.commands.checked_pictures import CheckedPictures, crop_path, doubtful_lines, write_doubts
from gmjax.commands.collection_statistics import collection_statistics
from gmjax.commands.options import FitOptions, Plan, option
from gmjax.commands.run_command import listed_pictures, run_command
from gmjax.commands.run_files import MODEL, VIEW, skipped_lines, write_figure, write_result, write_skipped
from gmjax.commands.run_fit import run_fit
from gmjax.commands.run_folder import finish
from gmjax.commands.terminal import progress, warn_before_fit
from gmjax.commands.view import write_view
from gmjax.data import (
    ArrayPictures,
    Entry,
    ListedPictures,
    Pictures,
    PicturesAgain,
    caspeal_faces,
    orl_faces,
    read_picture,
    write_picture,
)
from gmjax.errors import ArgumentError
from gmjax.gmface import render
from gmjax.losses import mse
from gmjax.parallel import processes
from gmjax.solvers.minibatches import steps_of
from gmjax.solvers.stages import FitResult
from gmjax.statistics import ImageStatistics


@dataclasses.dataclass(kw_only=True)
class CommonModel(FitOptions):
    """Fit one formula to all faces of a collection: their common face."""

    photos: Annotated[Positional[Path | None], option("[FOLDER]", "the 400 ORL faces")] = None
    """Folder with pictures of faces, in subfolders and .tar shards too; or a shard, or a list of files (.txt)."""

    data: Annotated[Path | None, option("FOLDER")] = None
    """Another way to give FOLDER."""

    caspeal: Annotated[Path | None, option("ROOT")] = None
    """Use the 1040 frontal normal faces of the CAS-PEAL-R1 database in this folder."""

    batch_size: Annotated[int | None, option("N", "all faces in every step")] = None
    """Faces per step (the paper: 256)."""

    epochs: Annotated[int | None, option("N", "as --steps says")] = None
    """With --batch-size: passes over the faces (the paper: 2000)."""

    out: Path = Path("runs/common-model")
    """Run folder for the model, pictures, figures and configuration."""

    def run(self) -> int:
        if self.photos is not None and self.data is not None:
            raise ArgumentError("data", "and FOLDER are the same: give one of them")
        options = dataclasses.replace(self, photos=None, data=self.data or self.photos)
        return run_command("common-model", options, options.data, self.out, options._plan, options._fit)

    def _plan(self) -> Plan:
        if self.data is not None and self.caspeal is not None:
            raise ArgumentError("caspeal", "and a folder of pictures exclude each other: give one of them")
        own = self.aligned or self.eyes or self.color or self.templates or self.strict or self.crop != "paper"
        if self.data is None and own:
            options = "--aligned, --eyes, --color, --crop, --templates and --strict"
            raise ArgumentError("data", f"is needed with {options}: give a folder of pictures")
        return self.plan(from_published=True, collection=True, batch_size=self.batch_size, epochs=self.epochs)

    def _fit(self, folder: Path, plan: Plan, entries: Sequence[Entry]) -> int:
        pictures = self._pictures(entries)
        read = pictures
        if isinstance(pictures, ListedPictures) and not self.aligned:
            read = CheckedPictures(pictures, folder, self.strict)
        statistics, skipped = collection_statistics(read, folder, self)
        images, steps = None, plan.config.steps
        if plan.config.batch_size is not None:
            usable = np.array([number for number in range(len(pictures)) if number not in skipped])
            images = PicturesAgain(pictures, usable, statistics.shape, self.workers or 0)
            steps = steps_of(plan.config, len(images))
        warn_before_fit(plan.config, statistics.shape, steps)
        prepared = parallel.prepare_common(statistics, plan.init, config=plan.config, key=plan.key, images=images)
        result, seconds = run_fit(prepared, folder, save_every=self.save_every)
        if not processes.is_first():
            return finish(folder, "")
        write_skipped(folder, pictures, skipped)
        said = [_write(folder, statistics, result, seconds), *skipped_lines(folder, pictures, skipped)]
        if read is not pictures:
            doubtful = write_doubts(folder, pictures, skipped)
            write_check_sheet(folder, pictures, _errors(folder, pictures, skipped, result), skipped)
            said.append(f"Each photograph with its crop is in {folder / 'check.html'}.")
            said += doubtful_lines(folder, doubtful, len(pictures))
        said.append(f"It started from {plan.start}, seed {self.seed}, and took {seconds:.1f} s.")
        return finish(folder, "\n".join(said))

    def _pictures(self, entries: Sequence[Entry]) -> Pictures:
        if self.data is not None:
            return listed_pictures(entries, self.data, self, square=True)
        if self.caspeal is None:
            faces = orl_faces(size=self.side)
        else:
            with progress("reading faces", "face") as bar:
                faces = caspeal_faces(self.caspeal, size=self.side, report=lambda done, total: bar.update(done - bar.n))
        return ArrayPictures(faces.images, faces.names, faces.skipped)


def _errors(folder: Path, pictures: Pictures, skipped: Mapping[int, str], result: FitResult) -> dict[int, float]:
    """The MSE of each crop to the common face."""
    channels = result.params.channels
    errors: dict[int, float] = {}
    drawn: np.ndarray | None = None
    for number in range(len(pictures)):
        if number not in skipped:
            crop = read_picture(crop_path(folder, pictures.name(number)), color=channels is not None)
            drawn = np.asarray(render(result.params, crop.shape[:2])) if drawn is None else drawn
            errors[number] = float(np.mean((crop - drawn) ** 2))
    return errors


def _write(folder: Path, statistics: ImageStatistics, result: FitResult, seconds: float) -> str:
    from gmjax import plotting

    average, count = np.asarray(statistics.mean), int(statistics.count)
    drawn = np.asarray(render(result.params, average.shape[:2]))
    more = {"faces": count, "mse_to_average": float(mse(drawn, average))}
    figures = write_result(folder, result, average, f"common face of {count} faces", seconds, more=more)
    write_picture(folder / "common_face.png", drawn)
    write_picture(folder / "average_face.png", average)
    write_figure(folder / "comparison.png", plotting.common_figure(result.params, average))
    write_view(folder, result.params, f"common face of {count} faces", average)
    return (
        f"Common face of {count} faces: MSE to the average face {more['mse_to_average']:.3g}; "
        f"{figures['components']} components, {figures['parameters']} parameters.\n"
        f"Over all faces, so with their variation: MSE {figures['mse']:.3g}, largest error {figures['pae']:.3g}.\n"
        f"The model is {folder / MODEL}, drawn in common_face.png. The average of the pictures is average_face.png.\n"
        f"{folder / VIEW} is a page to look into it and to edit it. See also comparison.png, loss.png and metrics.csv."
    )
