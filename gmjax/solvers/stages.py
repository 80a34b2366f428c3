"""How a fit runs: a short list of stages, each one solver's steps from the model that the stage before ended with.

Where all arrays are known a stage runs in chunks of compiled steps. Between two chunks a fit can be reported, saved,
stopped and resumed; it always runs the same compiled chunks, so resuming gives the same bits. Under the caller's
``jit``, ``vmap`` or ``grad`` all steps are one ``lax.scan``.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from gmjax.errors import DivergedError
from gmjax.gmface import Model, on_axes, pixel_axes
from gmjax.losses import psnr_of_mse, statistics_mse, statistics_pae
from gmjax.statistics import ImageStatistics
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import Leaf, Mask

_CHUNKS = 50
# However long a fit is, it can be saved, stopped and reported within a few seconds.
_MOST_STEPS_A_CHUNK = 500


@struct.dataclass
class FitInfo:
    """``mse``, ``pae`` (largest absolute error), ``psnr`` (dB): of the fitted model against all pictures.
    ``loss``: of each stage by name, in order. "adam" (steps,): MSE + lambda PAE (or the caller's loss) before each
    step. "least_squares" (steps,), the first stage of solver="lm": the MSE after each step, of all components, also of
    those that are removed later.
    "corresponding" (steps,), with ``FitConfig.stay``: MSE + stay times the squared distance from the start.
    ``diverged``: whether a loss or the last iterate was not finite; the model is then the best one before.
    """

    mse: Leaf
    pae: Leaf
    psnr: Leaf
    loss: dict[str, Leaf]
    diverged: Leaf


@struct.dataclass
class FitResult:
    """``params``: the fitted formula, a ``GmFace``, or ``Atoms`` for another profile than the Gaussian. ``info``: how
    good it is and how the fit went."""

    params: Any
    info: FitInfo


class Solver:
    """A frozen dataclass without arrays, static under ``jit``. States are pytrees of arrays, and so is ``data``."""

    def init(self, data: Any, model: Model) -> Any:
        """The state before the first step from ``model``."""
        raise NotImplementedError

    def step(self, data: Any, state: Any, x: Any) -> tuple[Any, Leaf]:
        """The state after the step with input ``x``, and its loss."""
        raise NotImplementedError

    def result(self, data: Any, state: Any) -> Model:
        """The best model so far, the current one included."""
        raise NotImplementedError

    def has_diverged(self, state: Any) -> Leaf:
        """Whether the current model is not valid."""
        return jnp.zeros((), bool)

    def run(self, data: Any, model: Model, xs: Any) -> tuple[Model, Leaf, Leaf]:
        """All steps: the best model, the loss of each step, and whether it diverged. Differentiable in ``data``."""
        state, losses = scan(self, data, self.init(data, model), xs)
        return self.result(data, state), losses, self.has_diverged(state)


def scan(solver: Solver, data: Any, state: Any, xs: Any) -> tuple[Any, Leaf]:
    """The state after a step for each of ``xs``, and the losses. Reverse mode keeps only the state of each step."""
    step = jax.checkpoint(partial(solver.step, data), prevent_cse=False)
    return jax.lax.scan(step, vary_like(state, data, xs), xs)


advance = jax.jit(scan, static_argnums=0)


def numbers_of_steps(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.int32)


class Stage(NamedTuple):
    """``steps`` steps of ``solver`` on ``data``, ``chunk`` at a time. ``name``: of its losses in ``FitInfo.loss``.

    ``xs``: the stacked inputs of ``count`` steps from number ``first`` on. ``advance``: ``scan``, compiled.
    """

    name: str
    solver: Solver
    data: Any
    steps: int
    chunk: int
    xs: Callable[[int, int], Any] = numbers_of_steps
    advance: Callable[[Solver, Any, Any, Any], tuple[Any, Any]] = advance


def chunk_of(steps: int, most: int | None = None) -> int:
    """About a fiftieth of ``steps``, at most ``most``; a divisor if possible: a remainder is compiled separately."""
    most = min(most or steps, _MOST_STEPS_A_CHUNK)
    wanted = min(math.ceil(steps / _CHUNKS), most)
    near = [n for n in range(max(1, wanted // 2), min(4 * wanted, most) + 1) if steps % n == 0]
    return min(reversed(near), key=lambda n: abs(n - wanted), default=wanted)


class Position(NamedTuple):
    """Where a fit stands: stage, steps of it that are done, state, and for each stage the losses of its chunks."""

    stage: int
    step: int
    state: Any
    parts: tuple[tuple[Any, ...], ...]

    @property
    def losses(self) -> tuple[np.ndarray, ...]:
        return tuple(np.concatenate([np.asarray(part) for part in parts]) for parts in self.parts)


class PreparedFit(NamedTuple):
    """A fit that is ready to run: the model it starts from, its stages, and what its result is measured against."""

    model: Model
    stages: tuple[Stage, ...]
    statistics: ImageStatistics
    mask: Mask | None = None

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def run(self, after: Position | None = None) -> Iterator[Position]:
        """Yields where the fit stands after each chunk, from the start or from ``after`` on."""
        first = 0 if after is None else after.stage
        model, parts = self.model, () if after is None else after.parts[:-1]
        for number, stage in enumerate(self.stages[first:], first):
            if after is not None and number == first:
                state, done, losses = after.state, after.step, after.parts[-1]
            else:
                state, done, losses = _init(stage.solver, stage.data, model), 0, ()
            while done < stage.steps:
                count = min(stage.chunk, stage.steps - done)
                state, part = stage.advance(stage.solver, stage.data, state, stage.xs(done, count))
                done, losses = done + count, (*losses, part)
                yield Position(number, done, state, (*parts, losses))
            parts = (*parts, losses)
            if number + 1 < len(self.stages):
                model = _result(stage.solver, stage.data, state)

    def restore(self, stage: int, step: int, leaves: Sequence[Any], losses: Sequence[Any]) -> Position:
        """The position with the state's ``leaves``, and the ``losses`` by stage. Raises ValueError if wrong."""
        solver, data = self.stages[stage].solver, self.stages[stage].data
        structure = jax.tree.structure(jax.eval_shape(partial(solver.init, data), self.model))
        return Position(stage, step, jax.tree.unflatten(structure, leaves), tuple((part,) for part in losses))

    def result(self, last: Position) -> FitResult:
        stage = self.stages[-1]
        parts = OrderedDict(zip((stage.name for stage in self.stages), last.parts, strict=True))
        return _conclusion(stage.solver, stage.data, last.state, self.statistics, self.mask, parts)

    def finished(self) -> FitResult:
        (last,) = deque(self.run(), maxlen=1)  # one state is held, not that of every chunk
        return self.result(last)

    def traced(self) -> FitResult:
        """The result by one ``scan`` a stage: pure, and differentiable in the pictures."""
        model, diverged = self.model, jnp.zeros((), bool)
        loss: OrderedDict[str, Leaf] = OrderedDict()  # ``jit`` would sort a plain dict
        for stage in self.stages:
            model, loss[stage.name], one = stage.solver.run(stage.data, model, stage.xs(0, stage.steps))
            diverged = diverged | one
        return FitResult(model, measured(model, self.statistics, self.mask, loss, diverged))


def measured(params: Model, statistics: ImageStatistics, mask, loss: dict[str, Any], diverged: Leaf) -> FitInfo:
    """``diverged``: whether the last iterate was not valid."""
    picture = on_axes(params, *pixel_axes(statistics.shape[:2], params.offset, statistics.mean.dtype))
    # The variance of one picture is 0 but for rounding.
    mse = jnp.maximum(statistics_mse(picture, statistics, mask), 0.0)
    finite = jnp.stack([jnp.all(jnp.isfinite(losses)) for losses in loss.values()])
    pae = statistics_pae(picture, statistics, mask)
    return FitInfo(mse, pae, psnr_of_mse(mse), loss, diverged | ~jnp.all(finite) | ~jnp.isfinite(mse))


def require_finite(position: Position) -> None:
    """Raises DivergedError if a loss of the last chunk is not finite."""
    losses = position.losses[-1]
    if np.isfinite(losses[-len(position.parts[-1][-1]) :]).all():
        return
    step = int(np.flatnonzero(~np.isfinite(losses))[0])
    before = f"it was {losses[step - 1]:.4g} the step before" if step else "it was not finite at the start"
    raise DivergedError(
        f"the fit diverged: the loss is {losses[step]} at step {step}; {before}. The steps are too long: use a smaller "
        "learning rate or pae_weight, or another start"
    )


@partial(jax.jit, static_argnums=0)
def _init(solver: Solver, data: Any, model: Model) -> Any:
    return solver.init(data, model)


@partial(jax.jit, static_argnums=0)
def _result(solver: Solver, data: Any, state: Any) -> Model:
    return solver.result(data, state)


@partial(jax.jit, static_argnums=0)
def _conclusion(solver: Solver, data: Any, state: Any, statistics, mask, parts) -> FitResult:
    params = solver.result(data, state)
    loss = OrderedDict((name, jnp.concatenate(chunks)) for name, chunks in parts.items())
    return FitResult(params, measured(params, statistics, mask, loss, solver.has_diverged(state)))
