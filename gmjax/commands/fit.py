"""``gmjax fit``."""

import dataclasses
import math
import sys
import time
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional, arg

from gmjax import parallel, personal
from gmjax.commands import run_folder, running
from gmjax.commands.fit_folder import fit_folder
from gmjax.commands.following import followed
from gmjax.commands.options import FitOptions, Flag
from gmjax.commands.shared import (
    DIVERGED,
    UsageError,
    as_text,
    figures_of,
    line_of_figures,
    model_metadata,
    progress,
    refusals,
    require_apart,
    write_loss,
    write_metrics,
)
from gmjax.data import COLLECTION_SUFFIXES, load_picture, read_eyes_csv, write_picture
from gmjax.files import models
from gmjax.gmface import GmFace, render
from gmjax.losses import one_image
from gmjax.parallel import processes
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitResult


@dataclasses.dataclass(kw_only=True)
class Fit(FitOptions):
    """Write a picture, or every picture of a folder, as a formula. Faces are first aligned by their eyes."""

    path: Positional[Path]
    """A picture; or a folder of pictures, folders and .tar shards in it included; or a shard, or a list of files
    (.txt)."""

    aligned: Flag = False
    """Take any pictures as they are, shrunk until the longer side is at most --size."""

    target_psnr: Annotated[float | None, arg(metavar="DB", help_behavior_hint="")] = None
    """Choose the number of Gaussians: the fewest, to 10 %, that come this near, in decibels (30 is a good likeness).
    Each number tried is a fit of its own, compiled for it: about a minute the first time."""

    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/NAME, of the input)")] = None
    """Run folder for the models, pictures, metrics and configuration."""

    def run(self) -> int:
        if not self.path.exists():
            raise UsageError(f"{self.path}: no such picture or folder")
        require_apart(self._folder(), self.path)
        self._check_target()
        with running.joined(self):
            config, init, start = self.plan(in_crop=not self.aligned)
            if self.target_psnr is None:
                config = config.settled(config.num_components)
            configuration = run_folder.configuration_of("fit", self, config, start=start, seed=self.seed)
            with running.opened(self._folder(), configuration, overwrite=self.overwrite) as run:
                if run.outcome is not None:
                    return running.say_again(run, self.path)
                if self.path.is_dir() or self.path.suffix.lower() in COLLECTION_SUFFIXES:
                    return fit_folder(self, run, config, init, start)
                if processes.count() > 1:
                    raise UsageError("one picture is the work of one process: leave --distributed out")
                return self._fit_picture(run, config, init, start)

    def _folder(self) -> Path:
        name = self.path.resolve().name if self.path.is_dir() else self.path.stem
        # The stem of "...png" is "..", which is no name for a folder of ours.
        return self.out or Path("runs", name if name.strip(".") else "picture")

    def _check_target(self) -> None:
        if self.target_psnr is None:
            return
        if not math.isfinite(self.target_psnr):
            raise UsageError(f"--target-psnr must be a finite number of dB; got {self.target_psnr}")
        if self.components is not None:
            raise UsageError("--target-psnr chooses the number of components: leave --components out")
        if self.start not in (None, "grid", "random"):
            raise UsageError(
                f"--target-psnr makes a start for each number of components: leave --start {self.start} out"
            )
        self.start = self.start or "grid"

    def _fit_picture(self, run: run_folder.Run, config: FitConfig, init: GmFace | None, start: str) -> int:
        eyes = None
        if self.eyes is not None and not self.aligned:
            eyes = read_eyes_csv(self.eyes).get(self.path.name)
            if eyes is None:
                raise UsageError(f"{self.eyes} has no row for {self.path.name}")
        image = load_picture(self.path, eyes=eyes, aligned=self.aligned, size=self.size, color=self.color)
        if self.target_psnr is not None:
            result, seconds = self._fit_to_target(self.target_psnr, image, config)
            config = dataclasses.replace(config, num_components=result.params.num_components)
        else:
            # A collection of one: the same loss, and a run that reports how it goes.
            with refusals():
                statistics, key = one_image(jnp.asarray(image)), jax.random.key(self.seed)
                course = parallel.course(statistics, init, config=config, key=key)
            found, seconds = followed(course, run, save_every=self.save_every, shared=False)
            assert found is not None
            result = found
        if not np.isfinite(result.info.mse):
            print(f"gmjax: {self.path}: {DIVERGED}", file=sys.stderr)
            return 1
        folder = run.folder
        models.save(
            folder / run_folder.MODEL, result.params, model_metadata(config, image.shape, as_text(self.path.name))
        )
        write_picture(folder / "picture.png", image)
        write_picture(folder / "render.png", np.asarray(render(result.params, image.shape[:2], offset=config.offset)))
        write_loss(folder, result, config)
        height, width = image.shape[:2]
        write_metrics(folder, {"height": height, "width": width, **figures_of(result), "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.fit_figure(image, result.params, config.offset).savefig(folder / "fit.png", dpi=150)
        said = (
            f"{as_text(self.path)} ({height} x {width}) from {start}, seed {self.seed}, {seconds:.1f} s.\n"
            f"The model is {folder / run_folder.MODEL}; beside it render.png, fit.png, loss.png and metrics.csv.\n"
            f"{line_of_figures(result)}"
        )
        return running.finish(run, said)

    def _fit_to_target(self, target_psnr: float, image: np.ndarray, config: FitConfig) -> tuple[FitResult, float]:
        begun = time.perf_counter()
        with progress("fitting", "model") as bar, refusals():

            def report(num_components: int, psnr: float) -> None:
                bar.set_postfix_str(f"{num_components} components {psnr:.1f} dB", refresh=False)
                bar.update()
                running.require_going_on()

            key = jax.random.key(self.seed)
            result = personal.fit_to_psnr(target_psnr, image, config=config, key=key, report=report)
        return result, time.perf_counter() - begun
