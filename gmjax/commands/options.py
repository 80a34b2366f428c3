"""The options of the commands that fit, and what they stand for."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import jax
import tyro
from jaxtyping import Array
from tyro.conf import arg

from gmjax.data import CROPS, MAX_PIXELS, CropName, cores
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.gmface import Atoms, Model
from gmjax.profiles import profile_of
from gmjax.published import published_common_face
from gmjax.solvers.config import FitConfig, resolved

_COMPONENTS = {"face": 240, "head": 480}  # docs/choices.md

Flag = Annotated[bool, arg(help_behavior_hint="")]


def option(metavar: str, default: str = "") -> Any:
    return arg(metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


def one_of(choices: Any) -> Any:
    """For an option that is one of ``choices``, a Literal, or None: messages list the choices in their order."""
    names = get_args(choices)
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="",
        instance_from_str=lambda given: given[0],
        is_instance=lambda value: value is None or value in names,
        str_from_instance=lambda value: [str(value)],
        choices=names,
    )


@dataclasses.dataclass(frozen=True)
class DistributedOptions:
    """Several processes that share one run, each started with the same command."""

    distributed: Flag = False
    """This is one of several processes. Give the next three too, except on Cloud TPU, Slurm, Open MPI, Kubernetes."""

    coordinator: Annotated[str | None, option("HOST:PORT")] = None
    """Where process 0 listens."""

    processes: Annotated[int | None, option("N")] = None
    """Number of processes."""

    process: Annotated[int | None, option("I")] = None
    """Number of this process, from 0."""


class Plan(NamedTuple):
    """How to fit, in the library's terms. ``start``: the name of ``init``, or the kind of start where that is None."""

    config: FitConfig
    init: Any
    start: str
    key: Array
    target_psnr: float | None = None


@dataclasses.dataclass(kw_only=True)
class FitOptions:
    components: Annotated[int | None, option("M", "80; face 240; head 480; or as in --start")] = None
    """Number of Gaussians, m. They have 6 m parameters in gray and 8 m in colour."""

    solver: Literal["adam", "lm"] = "adam"
    """adam: first order, as in the paper. lm: second order, closer to the picture with as many Gaussians."""

    profile: Annotated[str | None, option("NAME", "gaussian")] = None
    """Another elementary function than the Gaussian, such as mexican_hat, hermite2 or gabor (docs/functions.md)."""

    steps: Annotated[int | None, option("N", "adam 2000; lm 81, or 352 for a collection")] = None
    """Steps of the solver; lm takes fewer above 80 Gaussians."""

    recipe: Literal["default", "paper"] = "default"
    """default: chosen by measurements. paper: Adam with learning rate 0.001, loss MSE + 0.1 PAE."""

    pae_weight: Annotated[float | None, option("LAMBDA", "the recipe's")] = None
    """lambda in the loss MSE + lambda PAE, where PAE is the largest absolute error of a pixel."""

    start: Annotated[str | None, option("NAME|FILE", "published for 80 in the paper's crop, else grid")] = None
    """Where the fit starts: published (the paper's common face), grid, random, or a model file."""

    aligned: Flag = False
    """Do not align the pictures by their eyes: they are cropped already or, for fit, any pictures, shrunk to --size."""

    crop: CropName = "paper"
    """How much of a face is kept. paper: from the eyes to the mouth. face: from the brows to the chin. head: with hair,
    ears and a margin."""

    size: Annotated[int | None, option("PIXELS", "120; face and head 160")] = None
    """Side of the aligned faces in pixels."""

    color: Flag = False
    """Keep the colours."""

    eyes: Annotated[Path | None, option("CSV", "eyes.csv beside the pictures")] = None
    """Table of eye positions: file,left_x,left_y,right_x,right_y. Without one the eyes are found automatically."""

    templates: Annotated[Path | None, option("FOLDER|CSV")] = None
    """Align by landmarks in place of the eyes: a folder of .tem files (Psychomorph, webmorph) with the pictures' names,
    for example the pictures' own folder; or a table file,x1,y1,x2,y2,... The first two points are the eyes."""

    affine: Flag = False
    """With --templates: shear and stretch the faces to their mean shape too."""

    warp: Flag = False
    """With --templates: move all points of each face to the mean shape. The average of such pictures is what is called
    an average face; their shapes are lost."""

    strict: Flag = False
    """Leave doubtful faces out. Otherwise they are used, and listed in doubtful.csv."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed for everything random."""

    overwrite: Flag = False
    """Discard the earlier run in the folder. Otherwise an interrupted run resumes, and a finished one is left alone."""

    on_error: Literal["skip", "stop"] = "skip"
    """What to do with a picture that cannot be used: list it in skipped.csv, or end the run."""

    workers: Annotated[int | None, option("N", "one per core for a common face of 10,000 pictures, else 0")] = None
    """Processes that read pictures. 0: threads, which start at once but share Python's interpreter lock."""

    save_every: Annotated[float, arg(metavar="SECONDS")] = 30.0
    """How often a long computation saves its progress. In a folder each picture is saved when it is fitted."""

    distribution: tyro.conf.OmitArgPrefixes[DistributedOptions] = DistributedOptions()

    @property
    def side(self) -> int:
        """``size``, or the crop's own."""
        return CROPS[self.crop].size if self.size is None else self.size

    @property
    def is_gaussian(self) -> bool:
        return self.profile in (None, "gaussian")

    @property
    def mask_files(self) -> Path | None:
        """The masks, of a command that takes them."""
        return None

    def plan(self, *, from_published: bool, collection: bool = False, target_psnr: float | None = None, **more) -> Plan:
        """What the options stand for. ``from_published``: start from the published face if the number of Gaussians
        allows it and there is no ``--start``. ``more``: other fields of ``FitConfig``. Raises ArgumentError."""
        self._check()
        is_published = from_published and self.is_gaussian and self.crop == "paper" and self.components in (None, 80)
        start, init = self.start or ("published" if is_published else "grid"), None
        changes = {name: getattr(self, name) for name in ("solver", "profile", "steps", "pae_weight")} | more
        if start in ("grid", "random"):
            components = _COMPONENTS.get(self.crop) if self.components is None else self.components
            changes |= {"start": start, "num_components": components}
        else:
            init = self._initial_model(start)
            changes |= {"num_components": init.num_components}
        make = FitConfig.paper if self.recipe == "paper" else FitConfig
        config = make(**{name: value for name, value in changes.items() if value is not None})
        if target_psnr is None:  # the number of components is known, and what depends on it
            offset = 1.0 if init is None else init.offset
            profile = init.profile if isinstance(init, Atoms) else profile_of(config.profile or "gaussian")
            worth = profile.gaussians(config.num_components)
            config = resolved(config, worth, offset=offset, collection=collection)
        return Plan(config, init, start, jax.random.key(self.seed), target_psnr)

    def _check(self) -> None:
        if not 2 <= self.side <= math.isqrt(MAX_PIXELS):
            raise ArgumentError("size", f"must be from 2 to {math.isqrt(MAX_PIXELS)} pixels; got {self.side}")
        if self.aligned and (self.crop != "paper" or self.templates is not None):
            name = "templates" if self.crop == "paper" else "crop"
            raise ArgumentError(name, "is for pictures that are to be aligned: leave --aligned out")
        if self.templates is not None and self.eyes is not None:
            raise ArgumentError("templates", "and --eyes exclude each other: give one of them")
        if self.templates is not None and not self.templates.exists():
            raise ArgumentError("templates", f"{self.templates} does not exist: give a folder of .tem files or a table")
        for name in ("affine", "warp"):
            if getattr(self, name) and self.templates is None:
                raise ArgumentError(name, "goes with --templates")
        if self.start == "published" and self.crop != "paper":
            problem = f"published is the common face in the paper's crop: leave it out with --crop {self.crop}"
            raise ArgumentError("start", problem)
        if not 0 <= self.seed < 2**32:
            raise ArgumentError("seed", f"must be from 0 to 2^32 - 1; got {self.seed}")
        if not self.save_every >= 0:
            raise ArgumentError("save_every", f"must be at least 0 seconds; got {self.save_every}")
        if not 0 <= (self.workers or 0) <= 4 * cores():
            raise ArgumentError("workers", f"must be from 0 to {4 * cores()}; got {self.workers}")
        if self.recipe == "paper" and self.solver != "adam":
            raise ArgumentError("recipe", f"paper is a recipe for Adam: leave --solver {self.solver} out")

    def _initial_model(self, start: str) -> Model:
        init = published_common_face() if start == "published" else models.load(start)
        if init.means.ndim > 2:
            raise ArgumentError("start", f"{start} holds a batch of models: give a file with a single one")
        if self.components not in (None, init.num_components):
            raise ArgumentError("components", f"must be left out: --start {start} has {init.num_components} components")
        if init.channels is not None and (not self.color or init.channels != 3):
            raise ArgumentError("start", f"{start} is a model with {init.channels} channels: it needs --color")
        return init
