"""``gmjax fit``: of one picture here, of many in ``fit_folder.py``."""

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional

from gmjax import personal
from gmjax.commands.correspond import STAY, correspondence_of
from gmjax.commands.fit_folder import fit_folder
from gmjax.commands.masks import OUTLINE, Mask, mask_of
from gmjax.commands.options import FitOptions, Flag, Plan, option
from gmjax.commands.run_command import is_collection, listed_pictures, run_command
from gmjax.commands.run_files import MODEL, VIEW, as_text, write_figure, write_result
from gmjax.commands.run_fit import require_no_divergence, run_fit
from gmjax.commands.run_folder import finish
from gmjax.commands.terminal import notice, progress, warn_before_fit
from gmjax.commands.view import write_view
from gmjax.data import (
    Crop,
    Entry,
    ListedPictures,
    Picture,
    PictureError,
    eyes_of,
    load_face,
    read_eyes_of,
    read_templates,
    write_picture,
)
from gmjax.errors import ArgumentError
from gmjax.gmface import render
from gmjax.parallel import processes
from gmjax.solvers.stages import FitResult


@dataclasses.dataclass(kw_only=True)
class Fit(FitOptions):
    """Write a picture, or every picture of a folder, as a formula. Faces are first aligned by their eyes."""

    path: Positional[Path]
    """A picture; or a folder of pictures, in subfolders and .tar shards too; or a shard, or a list of files (.txt)."""

    target_psnr: Annotated[float | None, option("DB")] = None
    """Choose the number of Gaussians: the fewest, within 10 %, that reach this PSNR in decibels (30 is a good
    likeness). Each number that is tried is a fit of its own, and compiled: about a minute the first time."""

    correspond: Flag = False
    """Keep component i of every face the same part, as average, morph, axis, symmetrise and compare need it. All faces
    start from --start FILE and stay near it; without one, from the symmetric common face of the folder."""

    mask: Annotated[str | None, option("PICTURE|FOLDER|outline", "all pixels count")] = None
    """What counts is white, in the frame of the crop: a picture for all; a folder with one of each picture's name (or
    with the suffix .png); or outline: what the landmarks of --templates enclose."""

    view: Flag = False
    """Also write view.html, a page to look into the formula and to edit it, beside the picture. For one picture."""

    out: Annotated[Path | None, option("FOLDER", "runs/NAME, of the input")] = None
    """Run folder for the models, pictures, metrics and configuration."""

    def run(self) -> int:
        name = self.path.resolve().name if self.path.is_dir() else self.path.stem
        out = self.out or Path("runs", name if name.strip(".") else "picture")  # the stem of "...png" is ".."
        return run_command("fit", self, self.path, out, self._plan, self._fit)

    @property
    def mask_files(self) -> Path | None:
        return None if self.mask in (None, OUTLINE) else Path(str(self.mask))

    def _plan(self) -> Plan:
        if self.view and is_collection(self.path):
            raise ArgumentError("view", "is for one picture: use gmjax view for models of a folder")
        if self.mask == OUTLINE and self.templates is None:
            raise ArgumentError("mask", "outline goes with --templates")
        if self.mask_files is not None and not self.mask_files.exists():
            raise ArgumentError("mask", f"{self.mask} does not exist: give a picture, a folder of them, or outline")
        if self.correspond and not self.is_gaussian:
            problem = f"is for Gaussians only, not for --profile {self.profile}: leave it out"
            raise ArgumentError("correspond", problem)
        if self.correspond:
            return self._corresponding_plan()
        if self.target_psnr is None:
            return self.plan(from_published=not self.aligned)
        if not math.isfinite(self.target_psnr):
            raise ArgumentError("target_psnr", f"must be a finite number of dB; got {self.target_psnr}")
        if self.components is not None:
            raise ArgumentError("target_psnr", "chooses the number of components: leave --components out")
        if self.start not in (None, "grid", "random"):
            raise ArgumentError("target_psnr", f"makes a start for each number tried: leave --start {self.start} out")
        return self.plan(from_published=False, target_psnr=self.target_psnr)

    def _corresponding_plan(self) -> Plan:
        for name, is_wrong in (
            ("target_psnr", self.target_psnr is not None),
            ("solver", self.solver != "adam"),
            ("recipe", self.recipe != "default"),
            ("start", self.start in ("grid", "random")),
        ):
            if is_wrong:
                raise ArgumentError(name, f"{getattr(self, name)} does not go with --correspond: leave it out")
        if self.start is None and (self.components or 0) % 2:
            raise ArgumentError("components", f"must be even for a symmetric common face; got {self.components}")
        if self.start is None and not is_collection(self.path):
            problem = "is needed for --correspond with a single picture: give common_face.safetensors of a folder's run"
            raise ArgumentError("start", problem)
        return self.plan(from_published=False, stay=STAY)

    def _fit(self, folder: Path, plan: Plan, entries: Sequence[Entry]) -> int:
        if is_collection(self.path):
            # A list may name a picture twice: it has one result.
            entries = list({entry.name.lstrip("/"): entry for entry in entries}.values())
            pictures = listed_pictures(entries, self.path, self, square=self.correspond)
            return fit_folder(folder, pictures, plan, self, self.mask)
        if processes.count() > 1:
            raise ArgumentError("distributed", "is for many pictures: one picture is the work of one process")
        picture, mask = self._picture()
        if plan.target_psnr is None:
            warn_before_fit(plan.config, picture.shape, plan.config.steps)
            prepared = personal.prepare(picture, plan.init, config=plan.config, key=plan.key, mask=mask)
            result, seconds = run_fit(prepared, folder, save_every=self.save_every)
        else:
            result, seconds = _fit_to_psnr(plan.target_psnr, picture, plan, mask)
        more = {}
        if plan.config.stay is not None and plan.init is not None:
            more = correspondence_of(plan.init, picture.shape[1])
        said = _write(folder, self.path, picture, result, seconds, more)
        if self.view:
            write_view(folder, result.params, as_text(self.path.stem), picture)
            said += f"\n{folder / VIEW} is a page to look into the formula and to edit it."
        return finish(folder, f"{said}\nIt started from {plan.start}, seed {self.seed}, and took {seconds:.1f} s.")

    def _picture(self) -> tuple[Picture, Mask | None]:
        eyes, entry = None, Entry(self.path.name)
        crop = Crop(self.side, self.color, self.aligned, False, self.crop)
        if self.eyes is not None and not self.aligned:
            eyes = read_eyes_of(self.eyes, self.path.name)
            if eyes is None:
                raise ArgumentError("eyes", f"{self.eyes} has no row for {self.path.name}")
        templates = None
        if self.templates is not None:
            templates = read_templates(self.templates, [entry.name], affine=self.affine)
            eyes = eyes_of(templates.points_of(entry.name))
        face = load_face(self.path, crop, eyes=eyes)
        if face.doubts and self.strict:
            raise PictureError(f"{as_text(self.path)} is doubtful (--strict): {'; '.join(face.doubts)}")
        if face.doubts:
            notice(f"{as_text(self.path)} is doubtful: {'; '.join(face.doubts)}")
        pictures = ListedPictures([entry], self.path.parent, crop, None, templates)
        return face.image, None if self.mask is None else mask_of(self.mask, pictures, 0, face.image.shape)


def _fit_to_psnr(target_psnr: float, picture: Picture, plan: Plan, mask: Mask | None) -> tuple[FitResult, float]:
    began = time.perf_counter()
    with progress("fitting", "model") as bar:

        def report(num_components: int, psnr: float) -> None:
            bar.set_postfix_str(f"{num_components} components {psnr:.1f} dB", refresh=False)
            bar.update()
            processes.require_running()

        result = personal.fit_to_psnr(target_psnr, picture, config=plan.config, key=plan.key, mask=mask, report=report)
    require_no_divergence(result)
    return result, time.perf_counter() - began


def _write(folder: Path, path: Path, picture: Picture, result: FitResult, seconds: float, more: dict[str, str]) -> str:
    from gmjax import plotting

    figures = write_result(folder, result, picture, path.name, seconds, header=more)
    write_picture(folder / "picture.png", picture)
    write_picture(folder / "render.png", np.asarray(render(result.params, picture.shape[:2])))
    write_figure(folder / "fit.png", plotting.fit_figure(picture, result.params))
    return (
        f"{as_text(path)} ({figures['height']} x {figures['width']}): PSNR {figures['psnr']:.1f} dB, "
        f"MSE {figures['mse']:.3g}, largest error {figures['pae']:.3g}; {figures['components']} components, "
        f"{figures['parameters']} parameters.\n"
        f"The model is {folder / MODEL}; see also render.png, fit.png, loss.png and metrics.csv."
    )
