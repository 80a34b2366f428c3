"""``gmjax common-model``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
from tyro.conf import arg

from gmjax import parallel
from gmjax.commands import run_folder, running
from gmjax.commands.collecting import PicturesAgain, collected
from gmjax.commands.following import followed
from gmjax.commands.ledger import Lines
from gmjax.commands.options import FitOptions, Flag
from gmjax.commands.shared import (
    UsageError,
    figures_of,
    line_of_figures,
    listed,
    model_metadata,
    progress,
    require_apart,
    say_skipped,
    write_loss,
    write_metrics,
    write_skipped,
)
from gmjax.data import ArrayPictures, Crop, Pictures, caspeal_faces, orl_faces, write_picture
from gmjax.files import models
from gmjax.gmface import render
from gmjax.losses import ImageStatistics, mse
from gmjax.parallel import processes
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitResult


@dataclasses.dataclass(kw_only=True)
class CommonModel(FitOptions):
    """Fit one formula to all faces of a collection: their common face."""

    data: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: the 400 ORL faces)")] = None
    """Folder with pictures of faces, folders and .tar shards in it included; or a shard, or a list of files (.txt)."""

    caspeal: Annotated[Path | None, arg(metavar="ROOT", help_behavior_hint="(default: not used)")] = None
    """Folder of the CAS-PEAL-R1 database; takes its 1040 frontal normal faces."""

    aligned: Flag = False
    """The pictures in --data are aligned to the paper's crop already."""

    batch_size: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all faces in every step)")] = None
    """Faces a step, the paper's way (there 256)."""

    epochs: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: --steps counts)")] = None
    """With --batch-size: passes over the faces, in place of --steps (the paper: 2000)."""

    out: Path = Path("runs/common-model")
    """Run folder for the model, pictures, figures and configuration."""

    def run(self) -> int:
        self._check()
        with running.joined(self):
            config, init, start = self.plan(in_crop=True, batch_size=self.batch_size, epochs=self.epochs)
            config = config.settled(config.num_components, collection=True)
            configuration = run_folder.configuration_of("common-model", self, config, start=start, seed=self.seed)
            with running.opened(self.out, configuration, overwrite=self.overwrite) as run:
                if run.outcome is not None:
                    return running.say_again(run, self.data)
                pictures = self._pictures(run)
                statistics, usable = collected(pictures, run, self)
                images = None
                if config.batch_size is not None:
                    images = PicturesAgain(pictures, usable, statistics.shape, self.workers or 0)
                course = parallel.course(statistics, init, config=config, key=jax.random.key(self.seed), images=images)
                result, seconds = followed(course, run, save_every=self.save_every, shared=images is not None)
                said = ""
                if result is not None and processes.is_first():
                    said = self._write(run, pictures, statistics, result, config, start, seconds)
                return running.finish(run, said)

    def _check(self) -> None:
        if self.data is not None and self.caspeal is not None:
            raise UsageError("give --data or --caspeal, not both")
        if self.data is None and (self.aligned or self.eyes or self.color):
            raise UsageError("--aligned, --eyes and --color go with --data: the others are gray, with known eyes")
        if self.data is not None and not self.data.exists():
            raise UsageError(f"--data {self.data}: no such folder")
        if self.data is not None:
            require_apart(self.out, self.data)

    def _pictures(self, run: run_folder.Run) -> Pictures:
        if self.data is not None:
            crop = Crop(self.size, self.color, self.aligned)
            return listed(run, self.data, crop, None if self.aligned else self.eyes)
        if self.caspeal is None:
            faces = orl_faces(size=self.size)
        else:
            with progress("reading faces", "face") as bar:

                def report(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                faces = caspeal_faces(self.caspeal, size=self.size, report=report)
        return ArrayPictures(faces.images, faces.names, faces.skipped)

    def _write(
        self,
        run: run_folder.Run,
        pictures: Pictures,
        statistics: ImageStatistics,
        result: FitResult,
        config: FitConfig,
        start: str,
        seconds: float,
    ) -> str:
        """All files of the finished run; what there is to say about it."""
        folder, average, count = run.folder, statistics.mean, int(statistics.count)
        lost, _ = write_skipped(run, ((name, reason) for _, (name, reason) in Lines(run.ledger, len(pictures))))
        drawn = render(result.params, average.shape[:2], offset=config.offset)
        to_average = float(mse(drawn, average))
        metadata = model_metadata(config, average.shape, f"common face of {count} faces")
        models.save(folder / run_folder.MODEL, result.params, metadata)
        write_picture(folder / "common_face.png", np.asarray(drawn))
        write_picture(folder / "average_face.png", np.asarray(average))
        write_loss(folder, result, config)
        figures = figures_of(result) | {"mse_to_average": to_average}
        write_metrics(folder, {"faces": count, **figures, "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.common_figure(result.params, average, config.offset).savefig(folder / "comparison.png", dpi=150)
        say_skipped(lost, len(pictures), folder)
        return (
            f"Common face of {count} faces from {start}, seed {self.seed}, {seconds:.1f} s.\n"
            f"The model is {folder / run_folder.MODEL}; "
            "beside it common_face.png, comparison.png, loss.png and metrics.csv.\n"
            f"{line_of_figures(result)}  MSE to the average face {to_average:.3g}"
        )
