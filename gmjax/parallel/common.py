"""One formula for a collection (paper, III-C), as a course of parts that can be reported, stopped and gone on with."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gmjax import common
from gmjax.gmface import GmFace
from gmjax.losses import ImageStatistics
from gmjax.parallel.minibatches import minibatch_part, minibatch_start, parts_of_epoch, steps_of
from gmjax.parallel.shares import local
from gmjax.parallel.statistics import image_statistics
from gmjax.solvers import adam, fitting, levenberg_marquardt
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitResult, starting_model
from gmjax.solvers.unconstrained import to_gmface, to_unconstrained
from gmjax.types import Pictures

Report = Callable[[int, int, float], None]

_PARTS = 50


class NonFiniteLossError(ArithmeticError):
    """A fit whose loss is no longer a number; the text says at which step, and why."""


class Course(NamedTuple):
    """A fit cut into ``parts``; where it stands between two of them is a pytree of NumPy arrays.

    steps: of all parts together.
    state: number of a part -> a state of the form that it takes; that of part 0 is the start.
    advance: (state before a part, its number) -> (state after it, the loss of each of its steps).
    finish: (the last state, all losses) -> the result.
    """

    parts: int
    steps: int
    state: Callable[[int], Any]
    advance: Callable[[Any, int], tuple[Any, np.ndarray]]
    finish: Callable[[Any, np.ndarray], FitResult]

    def run(self, state: Any = None, losses: Sequence[np.ndarray] = (), first: int = 0) -> Iterator[tuple[int, Any]]:
        """Yields (number of parts done, (state, losses so far)) after each part from ``first`` on.

        Raises NonFiniteLossError.
        """
        state, losses = self.state(0) if first == 0 else state, list(losses)
        for number in range(first, self.parts):
            before = state
            state, some = self.advance(before, number)
            if not np.isfinite(some).all():
                raise NonFiniteLossError(_cause(before, some, sum(map(len, losses))))
            losses.append(some)
            yield number + 1, (state, np.concatenate(losses))


def fit_common(
    images_or_statistics: Pictures | ImageStatistics,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    devices: Sequence | None = None,
    report: Report | None = None,
) -> FitResult:
    """``gmjax.fit_common`` on several devices; ``report(step, steps, loss)`` hears how it goes about fifty times.

    Raises NonFiniteLossError where ``gmjax.fit_common``, being pure, returns the best model before.
    """
    if isinstance(images_or_statistics, ImageStatistics):
        images, statistics = None, images_or_statistics
    else:
        images, statistics = images_or_statistics, image_statistics(images_or_statistics, devices=devices)
    taken = course(statistics, init, config=config, key=key, images=images, devices=devices)
    state, losses = taken.state(0), np.zeros(0)
    for _, so_far in taken.run():
        state, losses = so_far
        if report is not None:
            report(len(losses), taken.steps, float(losses[-1]))
    return taken.finish(state, losses)


def course(
    statistics: ImageStatistics,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    images: Any = None,
    devices: Sequence | None = None,
) -> Course:
    """How ``fit_common`` comes to its result. ``images``, as in ``minibatch_epochs``, are needed for minibatches only.

    From statistics it is the work of one device: split over several, each step would wait longer than it computes.
    """
    init = starting_model(init, statistics.mean, config, key)
    config = config.settled(init.num_components, collection=True)
    if config.batch_size is not None:
        if images is None:
            raise ValueError("FitConfig.batch_size needs the pictures themselves, not their statistics")
        key = jax.random.key(0) if key is None else key
        return _minibatches(statistics, init, config, key, images, devices)
    statistics, init = jax.device_put((statistics, init), local(devices)[0])
    if config.solver == "lm":
        return _second_order(statistics, init, config)
    return _descent(statistics, init, config, config.settled_steps)


def _descent(statistics, init: GmFace, config: FitConfig, steps: int) -> Course:
    length = math.ceil(steps / _PARTS)

    def state(number):
        return jax.device_get(adam.init(to_unconstrained(init), _optimizer(config)))

    def advance(state, number):
        return jax.device_get(_descend(config, min(length, steps - number * length))(state, statistics))

    return Course(math.ceil(steps / length), steps, state, advance, _finish(statistics, config))


def _optimizer(config: FitConfig):
    if config.solver == "lm":
        return fitting.last_optimizer()
    return fitting.optimizer_of(config, config.settled_steps)


@lru_cache(maxsize=8)
def _descend(config: FitConfig, steps: int):
    optimizer = _optimizer(config)

    @jax.jit
    def run(state, statistics):
        objective = fitting.statistics_objective(statistics, None, config)
        return adam.run(fitting.free_value_and_grad(objective), optimizer, state, steps)

    return run


def _second_order(statistics, init: GmFace, config: FitConfig) -> Course:
    """The solver's own steps, then those of Adam, as in ``fitting``."""
    length = math.ceil(config.settled_steps / _PARTS)
    parts = math.ceil(config.settled_steps / length)
    problem, weights, shapes = fitting.least_squares_problem(statistics.mean, init, None, config)
    own = levenberg_marquardt.init(weights, shapes)

    def model(state):
        weights, shapes = levenberg_marquardt.best(state)
        return to_gmface(weights.reshape(init.weights.shape), shapes)

    def last(init):
        return _descent(statistics, init, config, fitting.LAST_STEPS)

    def state(number):
        return jax.device_get(own) if number <= parts else last(init).state(0)

    def advance(state, number):
        if number < parts:
            run = _least_squares(config.settled_steps, min(length, config.settled_steps - number * length))
            return jax.device_get(run(problem, state, number * length))
        following = last(init if number > parts else model(state))
        return following.advance(following.state(0) if number == parts else state, number - parts)

    following = last(init)
    return Course(parts + following.parts, config.settled_steps + following.steps, state, advance, following.finish)


@lru_cache(maxsize=8)
def _least_squares(steps: int, count: int):
    return jax.jit(lambda problem, state, first: levenberg_marquardt.part(problem, state, first, count, steps))


def _minibatches(statistics, init: GmFace, config: FitConfig, key, images, devices) -> Course:
    parts = parts_of_epoch(statistics.shape, len(images), config)

    def state(number):
        return jax.device_get(minibatch_start(init, len(images), config))

    def advance(state, number):
        epoch, part = divmod(number, parts)
        return minibatch_part(images, statistics, state, config, epoch, part, key=key, devices=devices)

    return Course(
        common.epochs_of(config, len(images)) * parts,
        steps_of(config, len(images)),
        state,
        advance,
        _finish(statistics, config),
    )


def _cause(before: Any, losses: np.ndarray, first: int) -> str:
    """Why the loss is not finite at one of ``losses``, of which the first is of step ``first``."""
    place = int(np.flatnonzero(~np.isfinite(losses))[0])
    last = f"it was {losses[place - 1]:.4g} the step before" if place else "it was so from the start of this part"
    model = getattr(before, "free", before)
    sizes = {name: np.abs(getattr(model, name)).max() for name in ("weights", "shapes")}
    largest = ", ".join(f"{name} up to {size:.3g}" for name, size in sizes.items())
    return (
        f"the loss is {losses[place]} at step {first + place}; {last}, and the model's {largest} some steps earlier: "
        "the steps are too long for it; use a smaller learning_rate or pae_weight, or another start"
    )


def _finish(statistics, config: FitConfig):
    return lambda state, losses: fitting.finish(state, statistics, None, jnp.asarray(losses), config)
