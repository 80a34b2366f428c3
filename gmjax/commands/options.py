"""The options of every command that fits."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from gmjax.commands.checkpoints import SECONDS
from gmjax.commands.shared import UsageError, refusals
from gmjax.data import MAX_PIXELS, cores
from gmjax.files import models
from gmjax.gmface import GmFace
from gmjax.published import published_common_face
from gmjax.solvers.config import FitConfig

PUBLISHED_COMPONENTS = 80
WORKERS_A_CORE = 4

Flag = Annotated[bool, arg(help_behavior_hint="")]


@dataclasses.dataclass(kw_only=True)
class FitOptions:
    components: Annotated[int | None, arg(metavar="M", help_behavior_hint="(default: 80, or as in --start)")] = None
    """Number of Gaussians, m. A gray picture is then 6 m numbers, a colour one 8 m."""

    solver: Literal["adam", "lm"] = "adam"
    """adam: first order, the paper's way. lm: second order, nearer to the picture with the same number of Gaussians."""

    steps: Annotated[
        int | None, arg(metavar="N", help_behavior_hint="(default: adam 2000; lm 176, or 704 for a collection)")
    ] = None
    """Steps of the solver; lm has fewer beyond 80 Gaussians."""

    recipe: Literal["default", "paper"] = "default"
    """default: chosen by measuring. paper: Adam at a rate of 0.001 and a loss of MSE + 0.1 PAE."""

    pae_weight: Annotated[float | None, arg(metavar="LAMBDA", help_behavior_hint="(default: the recipe's)")] = None
    """lambda in the loss MSE + lambda PAE."""

    start: Annotated[
        str | None,
        arg(
            metavar="published|grid|random|FILE",
            help_behavior_hint="(default: published for faces in the paper's crop and 80 components, else grid)",
        ),
    ] = None
    """Where the fit starts: the paper's published common face, an even grid, random Gaussians, or a model file."""

    size: Annotated[int, arg(metavar="PIXELS")] = 120
    """Side of the aligned faces in pixels."""

    color: Flag = False
    """Keep the colours."""

    eyes: Annotated[Path | None, arg(metavar="CSV", help_behavior_hint="(default: eyes.csv with the pictures)")] = None
    """Table of eye positions: file,left_x,left_y,right_x,right_y. Without any the eyes are found automatically."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of everything random."""

    overwrite: Flag = False
    """Begin anew in a folder that is not empty. Without it a run that was interrupted goes on, and a finished one says
    so."""

    on_error: Literal["skip", "stop"] = "skip"
    """A picture that cannot be used is left out and listed, or ends the run."""

    workers: Annotated[
        int | None,
        arg(
            metavar="N",
            help_behavior_hint="(default: for the common face of 10,000 pictures and more one a core, else 0)",
        ),
    ] = None
    """Processes that read pictures; 0 reads on threads, which need no start but have to take turns."""

    save_every: Annotated[float, arg(metavar="SECONDS")] = SECONDS
    """How often a long fit saves what it needs to go on. Of a folder each picture is kept as soon as it is fitted."""

    distributed: Flag = False
    """One of several processes that share the work, each started with the same command. On Cloud TPU, Slurm, Open MPI
    and Kubernetes they find each other; elsewhere say --coordinator, --processes and --process."""

    coordinator: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="")] = None
    """With --distributed: where process 0 listens."""

    processes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """With --distributed: how many there are."""

    process: Annotated[int | None, arg(metavar="I", help_behavior_hint="")] = None
    """With --distributed: which this one is, from 0."""

    def plan(self, *, in_crop: bool, **more) -> tuple[FitConfig, GmFace | None, str]:
        """(how to fit, the model to start from or None, what the start is called)."""
        if not 2 <= self.size <= math.isqrt(MAX_PIXELS):
            raise UsageError(f"--size must be from 2 to {math.isqrt(MAX_PIXELS)} pixels; got {self.size}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be from 0 to 2^32 - 1; got {self.seed}")
        if not self.save_every >= 0:
            raise UsageError(f"--save-every must be at least 0 seconds; got {self.save_every}")
        if not 0 <= (self.workers or 0) <= WORKERS_A_CORE * cores():
            raise UsageError(
                f"--workers must be from 0 to {WORKERS_A_CORE * cores()}, of {cores()} cores here; got {self.workers}"
            )
        start = self.start
        if start is None:
            is_published = in_crop and self.components in (None, PUBLISHED_COMPONENTS)
            start = "published" if is_published else "grid"
        init = None
        if start not in ("grid", "random"):
            init = published_common_face() if start == "published" else models.load(start)
            if self.components not in (None, init.num_components):
                raise UsageError(
                    f"--start {start} has {init.num_components} components, not {self.components}: leave --components "
                    "out, or start from grid"
                )
            if init.channels is not None and (not self.color or init.channels != 3):
                raise UsageError(f"--start {start} is a model with {init.channels} channels: it needs colour, --color")
        if self.recipe == "paper" and self.solver != "adam":
            raise UsageError(f"--recipe paper is Adam's: leave --solver {self.solver} out")
        changes = {
            "num_components": self.components if init is None else init.num_components,
            "start": start if init is None else None,
            "solver": self.solver,
            "steps": self.steps,
            "pae_weight": self.pae_weight,
            **more,
        }
        with refusals():
            make = FitConfig.paper if self.recipe == "paper" else FitConfig
            config = make(**{name: value for name, value in changes.items() if value is not None})
        return config, init, start
