"""From a configuration to a fit: where it starts, and which stages it has."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from gmjax.checks import checked_atoms, checked_key, checked_start, is_known
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.gmface import Atoms, GmFace, Model, pixel_axes
from gmjax.profiles import PROFILES, Profile, profile_of
from gmjax.solvers import starts
from gmjax.solvers.adam import Adam, Data, Loss
from gmjax.solvers.config import FitConfig
from gmjax.solvers.corresponding import Anchored, Corresponding
from gmjax.solvers.levenberg_marquardt import LevenbergMarquardt
from gmjax.solvers.problem import Problem
from gmjax.solvers.sequential_vmap import in_turn_on_cpu
from gmjax.solvers.stages import FitResult, PreparedFit, Stage, chunk_of
from gmjax.statistics import ImageStatistics
from gmjax.types import Mask, Picture

# The last stage of solver="lm": Adam on MSE + lambda PAE (docs/choices.md).
LAST_STEPS, LAST_PEAK = 400, 0.4


def starting_model(init: Model | None, picture: Picture, config: FitConfig, key) -> Any:
    """``init`` in the picture's type and channels (a gray one has its weights solved for in each), or a start.

    With a profile other than the Gaussian the start is ``Atoms``, as wide as the Gaussians would be.
    """
    if isinstance(init, Atoms):
        return _starting_atoms(init, picture, config)
    model = _starting_gaussians(init, picture, config, key)
    if config.profile in (None, PROFILES["gaussian"]):
        return model
    return starts.of_profile(model, config.profile, picture)


def _starting_atoms(init: Atoms, picture: Picture, config: FitConfig) -> Atoms:
    profile = init.profile
    if config.profile not in (None, profile):
        problem = f"is {profile_of(config.profile).name}, but init has the profile {profile.name}: they must agree"
        raise ArgumentError("FitConfig.profile", problem)
    offset = init.offset if config.offset is None else config.offset
    init = dataclasses.replace(checked_atoms(init, picture), offset=offset)
    return starts.of_profile(init, profile, picture) if init.weights.ndim < picture.ndim else init


def _starting_gaussians(init: GmFace | None, picture: Picture, config: FitConfig, key) -> GmFace:
    if init is None and config.stay is not None:
        raise ArgumentError("init", "is needed with FitConfig.stay: the model that all fits stay near, a common face")
    if init is None:
        offset = 1.0 if config.offset is None else config.offset
        if config.start == "grid":
            return starts.grid(picture, config.num_components, offset=offset)
        key = checked_key(key, 'FitConfig(start="random")')
        return starts.at_random(key, picture, config.num_components, offset=offset)
    if not isinstance(init, GmFace):
        raise ArgumentTypeError("init", f"must be a GmFace, not {type(init).__name__}; a FitConfig goes in as config=")
    offset = init.offset if config.offset is None else config.offset
    init = dataclasses.replace(starts.usable(checked_start(init, picture)), offset=offset)
    if init.weights.ndim < picture.ndim - 1:
        return starts.solve_weights(init.means, init.precision_chol, picture, offset=offset)
    return init


def stages_of(
    init: Model, statistics: ImageStatistics, mask: Mask | None, config: FitConfig, loss: Loss | None = None
) -> tuple[Stage, ...]:
    """The stages of a fit from ``init`` to all pictures of ``statistics``. ``config`` is resolved."""
    data, steps = Data(statistics, mask), config.steps or 1
    profile = init.profile if isinstance(init, Atoms) else None
    if config.stay is not None:
        if isinstance(init, Atoms):
            raise ArgumentError("FitConfig.stay", f"is for Gaussians only, not for the profile {init.profile.name}")
        solver = Corresponding(steps, config.stay, config.pae_weight or 0.0, loss)
        return (Stage("corresponding", solver, Anchored(data, init), steps, chunk_of(steps)),)
    if config.solver == "adam":
        return (Stage("adam", Adam(config, loss=loss), data, steps, chunk_of(steps)),)
    offset = 1.0 if config.offset is None else config.offset
    problem = least_squares_problem(statistics.mean, mask, offset=offset, profile=profile)
    least_squares = LevenbergMarquardt(steps, len(statistics.shape) == 2, offset, profile)
    last = Adam(dataclasses.replace(config, solver="adam", steps=LAST_STEPS), peak=LAST_PEAK)
    return (
        Stage("least_squares", least_squares, problem, steps, chunk_of(steps)),
        Stage("adam", last, data, LAST_STEPS, chunk_of(LAST_STEPS)),
    )


@partial(jax.jit, static_argnames=("offset", "profile"))
def least_squares_problem(
    picture: Picture, mask: Mask | None, *, offset: float, profile: Profile | None = None
) -> Problem:
    """The second-order solver's problem: the picture with a channel axis, and pixel weights whose sum is 1."""
    shape = picture.shape[:2]
    weights = jnp.ones(shape, picture.dtype) if mask is None else mask.astype(picture.dtype)
    axes = pixel_axes(shape, offset, picture.dtype)
    return Problem(picture.reshape(*shape, -1), weights / jnp.sum(weights), axes[0], axes[1], profile)


def fit_statistics(
    statistics: ImageStatistics, init: Model, mask: Mask | None, config: FitConfig, loss: Loss | None = None
) -> FitResult:
    """The fit to ``statistics`` from ``init``: in chunks where all arrays are known, else traced as a whole."""
    traced = is_traced(statistics, init, mask)

    def fit(statistics, init, mask):
        prepared = PreparedFit(init, stages_of(init, statistics, mask, config, loss), statistics, mask)
        return prepared.traced() if traced else prepared.finished()

    # A loss may hold arrays that are traced, which a function of arrays alone may not.
    return (in_turn_on_cpu(fit) if traced and loss is None else fit)(statistics, init, mask)


def is_traced(*trees) -> bool:
    """Whether this is called under a JAX transformation: with traced arrays, or inside ``jit`` at all."""
    return not is_known(jnp.zeros(()), *jax.tree.leaves(trees))
