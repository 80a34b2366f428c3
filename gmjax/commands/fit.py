"""``gmjax fit``."""

import dataclasses
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
from tyro.conf import Positional, arg

from gmjax import io, parallel, personal, runs
from gmjax.commands.fit_options import FitOptions, Flag
from gmjax.commands.shared import (
    DIVERGED,
    UsageError,
    as_text,
    figures_of,
    fit_with_progress,
    line_of_figures,
    model_metadata,
    progress,
    refusals,
    say_skipped,
    write_loss,
    write_metrics,
)
from gmjax.config import FitConfig
from gmjax.data import PictureError, eyes_table, load_picture, picture_names, read_eyes_csv, write_picture
from gmjax.fitting import FitResult
from gmjax.gmface import GmFace, render

_LONGEST_NAME = 255 - len(".safetensors")


@dataclasses.dataclass(kw_only=True)
class Fit(FitOptions):
    """Write a picture, or every picture of a folder, as a formula. Faces are first aligned by their eyes."""

    path: Positional[Path]
    """A picture, or a folder of pictures, folders in it included."""

    aligned: Flag = False
    """Take any pictures as they are, shrunk until the longer side is at most --size."""

    target_psnr: Annotated[float | None, arg(metavar="DB", help_behavior_hint="")] = None
    """Choose the number of Gaussians: the fewest, to 10 %, that come this near, in decibels (30 is a good likeness).
    Each number tried is a fit of its own, compiled for it: about a minute the first time."""

    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/NAME)")] = None
    """Run folder for the models, pictures, metrics and configuration."""

    def run(self) -> int:
        if not self.path.exists():
            raise UsageError(f"{self.path}: no such picture or folder")
        self._check_target()
        config, init, start = self.plan(in_crop=not self.aligned)
        if self.target_psnr is None:
            config = config.settled(config.num_components)
        name = self.path.resolve().name if self.path.is_dir() else self.path.stem
        # The stem of "...png" is "..", which is no name for a folder of ours.
        default = Path("runs", name if name.strip(".") else "picture")
        folder = runs.create(self.out or default, overwrite=self.overwrite)
        fit = self._fit_folder if self.path.is_dir() else self._fit_picture
        return fit(folder, config, init, start)

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

    def _begin(self, folder: Path, config: FitConfig, start: str) -> None:
        runs.write_configuration(folder, "fit", self, config, start=start, seed=self.seed)
        runs.write_versions(folder)

    def _fit_picture(self, folder: Path, config: FitConfig, init: GmFace | None, start: str) -> int:
        eyes = None
        if self.eyes is not None and not self.aligned:
            eyes = read_eyes_csv(self.eyes).get(self.path.name)
            if eyes is None:
                raise UsageError(f"{self.eyes} has no row for {self.path.name}")
        image = load_picture(self.path, eyes=eyes, aligned=self.aligned, size=self.size, color=self.color)
        self._begin(folder, config, start)
        if self.target_psnr is not None:
            result, seconds = self._fit_to_target(self.target_psnr, image, config)
            found = result.params.num_components
            config = dataclasses.replace(config, num_components=found).settled(found)
            self._begin(folder, config, start)
        else:
            # A collection of one: the same loss, and a run that reports how it goes.
            result, seconds = fit_with_progress(image[None], init, config, self.seed)
        if not np.isfinite(result.info.mse):
            print(f"gmjax: {self.path}: {DIVERGED}", file=sys.stderr)
            return 1
        io.save(folder / runs.MODEL, result.params, model_metadata(config, image.shape, as_text(self.path.name)))
        write_picture(folder / "picture.png", image)
        write_picture(folder / "render.png", np.asarray(render(result.params, image.shape[:2], offset=config.offset)))
        write_loss(folder, result, config)
        height, width = image.shape[:2]
        write_metrics(folder, {"height": height, "width": width, **figures_of(result), "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.fit_figure(image, result.params, config.offset).savefig(folder / "fit.png", dpi=150)
        print(f"{as_text(self.path)} ({height} x {width}) from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(f"The model is {folder / runs.MODEL}; beside it render.png, fit.png, loss.png and metrics.csv.")
        print(line_of_figures(result))
        return 0

    def _fit_to_target(self, target_psnr: float, image: np.ndarray, config: FitConfig) -> tuple[FitResult, float]:
        begun = time.perf_counter()
        with progress("fitting", "model") as bar, refusals():

            def report(num_components: int, psnr: float) -> None:
                bar.set_postfix_str(f"{num_components} components {psnr:.1f} dB", refresh=False)
                bar.update()

            key = jax.random.key(self.seed)
            result = personal.fit_to_psnr(target_psnr, image, config=config, key=key, report=report)
        return result, time.perf_counter() - begun

    def _fits(self, images: Iterable[np.ndarray], init: GmFace | None, config: FitConfig):
        """(number, result or error) of each picture."""
        key = jax.random.key(self.seed)
        if self.target_psnr is None:
            yield from parallel.fit_many(images, init, config=config, key=key)
            return
        for number, image in enumerate(images):
            try:
                key_of_image = jax.random.fold_in(key, number)
                yield number, personal.fit_to_psnr(self.target_psnr, image, config=config, key=key_of_image)
            except ValueError as error:
                yield number, error

    def _fit_folder(self, folder: Path, config: FitConfig, init: GmFace | None, start: str) -> int:
        names = picture_names(self.path)
        table = None if self.aligned else eyes_table(self.path, self.eyes, names)
        self._begin(folder, config, start)
        fitted: list[tuple[str, tuple[int, ...]]] = []
        lost: list[tuple[str, str]] = []
        errors: list[float] = []

        def lose(name: str, reason: object) -> None:
            lost.append((name, str(reason)))
            bar.update()

        def images() -> Iterator[np.ndarray]:
            for name in names:
                try:
                    if len(os.fsencode(Path(name).name)) > _LONGEST_NAME:
                        raise PictureError("its name is too long to be given to a model file")
                    if table is not None and name not in table:
                        raise PictureError("it has no row in the table of eyes")
                    eyes = None if table is None else table[name]
                    path = self.path / name
                    image = load_picture(path, eyes=eyes, aligned=self.aligned, size=self.size, color=self.color)
                except PictureError as error:
                    lose(name, error)
                    continue
                fitted.append((name, image.shape))
                yield image

        columns = ("picture", "height", "width", "components", "parameters", "mse", "pae", "psnr")
        begun = time.perf_counter()
        with (
            runs.table(folder / runs.METRICS, columns) as (writer, stream),
            progress("fitting", "face", len(names)) as bar,
        ):
            try:
                for number, result in self._fits(images(), init, config):
                    name, shape = fitted[number]
                    if isinstance(result, Exception):
                        lose(name, result)
                        continue
                    if not np.isfinite(result.info.mse):
                        lose(name, DIVERGED)
                        continue
                    # The whole name, suffix and folders too: a.png, a.jpg and b/a.png stay apart, and in here.
                    model, picture = folder / "models" / f"{name}.safetensors", folder / "renders" / f"{name}.png"
                    for path in (model, picture):
                        path.parent.mkdir(parents=True, exist_ok=True)
                    io.save(model, result.params, model_metadata(config, shape, as_text(name)))
                    write_picture(picture, np.asarray(render(result.params, shape[:2], offset=config.offset)))
                    writer.writerow((name, *shape[:2], *figures_of(result).values()))
                    stream.flush()
                    errors.append(float(result.info.mse))
                    bar.set_postfix_str(f"mean MSE {np.mean(errors):.3g}", refresh=False)
                    bar.update()
            finally:
                if lost:
                    runs.write_table(folder / runs.SKIPPED, ("picture", "reason"), lost)
        seconds = time.perf_counter() - begun
        say_skipped(len(lost), len(names), folder)
        print(f"{len(errors)} of {len(names)} pictures from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(f"The models are in {folder / 'models'}; beside them renders and metrics.csv.")
        if errors:
            print(f"mean MSE {np.mean(errors):.3g}  lowest {min(errors):.3g}  highest {max(errors):.3g}")
        return 1 if lost else 0
