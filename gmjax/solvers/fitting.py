"""What every fit shares: the start, the objective, the solver's run, and the result with its figures."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import struct

from gmjax.checks import checked_start
from gmjax.gmface import GmFace, as_wide_as_pixels, on_axes, pixel_axes
from gmjax.losses import ImageStatistics, psnr_of_mse, statistics_loss, statistics_mse, statistics_pae
from gmjax.solvers import adam, levenberg_marquardt, starts
from gmjax.solvers.config import FitConfig
from gmjax.solvers.problem import Problem
from gmjax.solvers.sequential_vmap import in_turn_on_cpu
from gmjax.solvers.unconstrained import to_gmface, to_unconstrained
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import Leaf, Mask, Picture, Scalar

# Of the last stage of solver="lm", Adam on MSE + lambda PAE (docs/choices.md).
LAST_STEPS, LAST_RATE = 400, 0.4


@struct.dataclass
class FitInfo:
    """``mse``, ``pae``, ``psnr`` (dB) of the fitted model against all pictures; ``loss`` (steps,) before each step.

    With the solver "lm" ``loss`` has ``steps + LAST_STEPS`` entries: the MSE after each step, then, of the last stage,
    MSE + lambda PAE before each step.
    """

    mse: Leaf
    pae: Leaf
    psnr: Leaf
    loss: Leaf


@struct.dataclass
class FitResult:
    """``params``: the fitted formula. ``info``: how good it is and how the loss went."""

    params: GmFace
    info: FitInfo


def starting_model(init: GmFace | None, picture: Picture, config: FitConfig, key) -> GmFace:
    """``init`` in the picture's type and channels, or a start made as ``config`` says.

    Of a gray ``init`` for a colour picture the Gaussians are taken, and their weights solved for in each channel.
    """
    if init is not None:
        if not isinstance(init, GmFace):
            raise TypeError(f"init must be a GmFace, not {type(init).__name__}; a FitConfig goes in as config=")
        init = starts.in_range(checked_start(init, picture))
        if init.weights.ndim < picture.ndim - 1:
            return starts.solve_weights(init.means, init.precision_chol, picture, offset=config.offset)
        return init
    if config.start == "grid":
        return starts.grid(picture, config.num_components, offset=config.offset)
    if key is None:
        raise ValueError('FitConfig(start="random") needs key=, for example key=jax.random.key(0)')
    return starts.at_random(key, picture, config.num_components, offset=config.offset)


@partial(jax.jit, static_argnames="config")
def fit_statistics(statistics: ImageStatistics, init: GmFace, mask: Mask | None, config: FitConfig) -> FitResult:
    """One model for all pictures of ``statistics``, exact full batch: a step costs the same for any number of them."""
    return in_turn_on_cpu(partial(_fit_statistics, config=config))(statistics, init, mask)


def _fit_statistics(statistics: ImageStatistics, init: GmFace, mask: Mask | None, config: FitConfig) -> FitResult:
    if config.solver == "lm":
        init, first = _least_squares(statistics.mean, init, mask, config)
        optimizer, steps = last_optimizer(), LAST_STEPS
    else:
        first, optimizer, steps = None, optimizer_of(config, config.settled_steps), config.settled_steps
    objective = statistics_objective(statistics, mask, config)
    state = vary_like(adam.init(to_unconstrained(init), optimizer), statistics, mask)
    state, losses = adam.run(free_value_and_grad(objective), optimizer, state, steps)
    losses = losses if first is None else jnp.concatenate([first, losses])
    return finish(state, statistics, mask, losses, config)


def _least_squares(picture: Picture, init: GmFace, mask: Mask | None, config: FitConfig):
    """The second-order solver's model for ``picture``, and the MSE after each of its steps."""
    problem, weights, shapes = least_squares_problem(picture, init, mask, config)
    weights, shapes, losses = levenberg_marquardt.run(problem, weights, shapes, config.settled_steps)
    return to_gmface(weights.reshape(init.weights.shape), shapes), losses


def least_squares_problem(picture: Picture, init: GmFace, mask: Mask | None, config: FitConfig):
    """(the second-order solver's problem, weights (m, C) and shapes (5, m) to start from)."""
    shape = picture.shape[:2]
    weights = jnp.ones(shape, picture.dtype) if mask is None else mask.astype(picture.dtype)
    channels = picture.reshape(*shape, -1)
    problem = Problem(channels, weights / jnp.sum(weights), *pixel_axes(shape, config.offset, picture.dtype))
    start = to_unconstrained(init)
    return problem, start.weights.reshape(init.num_components, -1), start.shapes


def last_optimizer() -> optax.GradientTransformation:
    """Adam, of the last stage of solver="lm"."""
    return adam.adam(lambda count: LAST_RATE * adam.one_cycle(LAST_STEPS)(count))


def statistics_objective(statistics: ImageStatistics, mask, config: FitConfig):
    """The loss of a model as a function of the model."""
    axes = pixel_axes(statistics.shape[:2], config.offset, statistics.mean.dtype)

    def objective(params: GmFace) -> Scalar:
        return statistics_loss(on_axes(params, *axes), statistics, config.settled_pae_weight, mask)

    return objective


def free_value_and_grad(objective):
    """Value and gradient of ``objective(params, *batch)`` in the unconstrained form."""
    return jax.value_and_grad(lambda free, *batch: objective(to_gmface(*free), *batch))


def optimizer_of(config: FitConfig, steps: int) -> optax.GradientTransformation:
    if config.optimizer is not None:
        return config.optimizer
    return adam.adam(adam.one_cycle(steps) if config.learning_rate is None else config.learning_rate)


@partial(jax.jit, static_argnames="config")
def finish(state: adam.State, statistics: ImageStatistics, mask, losses, config: FitConfig) -> FitResult:
    """The best model of a run, the last one not forgotten, and its figures."""
    objective = statistics_objective(statistics, mask, config)
    axes = pixel_axes(statistics.shape[:2], config.offset, statistics.mean.dtype)
    best = adam.keep_best(state, objective(to_gmface(*state.free))).best
    params = as_wide_as_pixels(to_gmface(*best), *axes)
    picture = on_axes(params, *axes)
    # The variance of one picture is 0 but for rounding.
    mse = jnp.maximum(statistics_mse(picture, statistics, mask), 0.0)
    return FitResult(params, FitInfo(mse, statistics_pae(picture, statistics, mask), psnr_of_mse(mse), losses))
