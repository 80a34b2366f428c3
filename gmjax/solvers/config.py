"""How to fit: one frozen, hashable configuration, and the recipes that are known by name."""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any, Literal

import jax
import optax

from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.profiles import Profile, profile_of

SOLVERS = ("adam", "lm")
STARTS = ("grid", "random")
# Defaults, measured on real faces (docs/choices.md).
STEPS, COLLECTION_STEPS = {"adam": 2000, "lm": 81}, {"adam": 2000, "lm": 352}
PAE_WEIGHT, COLLECTION_PAE_WEIGHT = 1e-3, 1e-4
STAY_STEPS = 500
# "lm" takes twice PAE_WEIGHT up to so many components, and then less as its MSE falls: in inverse proportion to m.
_FEW_COMPONENTS = 40
# A step of "lm" takes up to four times as long for twice the components; from this many on it takes fewer steps.
_FULL_STEPS_COMPONENTS, _FEWEST_STEPS = 80, 64


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How to fit. Hashable and static under ``jit``: every new value compiles again.

    An optimizer, schedule or loss counts as new when it is a new object: make ``optax.adam(1e-2)`` once and use it in
    all calls. The defaults were measured on real faces (docs/choices.md); ``FitConfig.paper()`` is the paper's recipe.

    num_components: m, where the fit makes its own start; a start that is given keeps its own number.
    profile: the elementary function, a name in ``gmjax.profiles.PROFILES`` or a ``Profile`` of your own. None is that
        of the start, and without one "gaussian", whose model is a ``GmFace``; any other profile gives ``Atoms``.
    solver: "adam", first order with Optax; or "lm", the best quality: second order (Levenberg-Marquardt) on the MSE,
        adding components where the error is and removing those that do least, then 400 steps of Adam on MSE + lambda
        PAE.
    steps: number of steps; None is 2000 for "adam"; for "lm" 81 (352 for a collection) up to 80 components and fewer
        with more, its last stage not counted.
    learning_rate: a number or an Optax schedule: plain ``optax.adam(learning_rate)`` on all parameters in their
        unconstrained form. None is Adam with a rate for each kind of parameter, which fits better.
    rate_multiplier: a number or an Optax schedule that multiplies these rates (weights 0.02, means 0.01, shapes 0.2);
        None goes up to 1 over the first 30 % of the steps and then down to 0.
    optimizer: any Optax transformation, in place of Adam; it sees an ``Unconstrained``.
    pae_weight: lambda in the loss MSE + lambda PAE (12), PAE the largest absolute error; None is 1e-3 for one picture
        (with "lm" 2e-3 up to 40 components, 1e-3 for 80, and so on) and 1e-4 for a collection, whose largest error is
        one pixel of one picture among all.
    stay: how much each component is kept near its start, so that component i of every fit from one model stands for the
        same part (``gmjax.space``): the weight of the squared distance, in units of 0.1 in the weights, 0.3 widths in
        the means and 0.3 in the logarithm of the precision matrix. 1e-6 suits faces; solver="adam" only, with rates and
        500 steps of its own, and no PAE by default. None keeps nothing.
    start: where no model to start from is given: "grid", an even grid with its weights solved for; or "random", which
        needs a key.
    offset: where the pixels are counted from: 1 on the paper's grid, 0.5 for pixel centres. The model keeps it. None is
        that of the model to start from, or 1.
    channels: the number of channels C of the picture, needed only where it is more than 4.
    batch_size: common face only: pictures a step, the paper's way; None takes all of them through their statistics.
    epochs: common face with batch_size only: passes over the pictures; takes the place of steps.

    Raises ArgumentError, which names the field.
    """

    num_components: int = 80
    profile: str | Profile | None = None
    solver: Literal["adam", "lm"] = "adam"
    steps: int | None = None
    learning_rate: float | Callable | None = None
    rate_multiplier: float | Callable | None = None
    optimizer: optax.GradientTransformation | None = None
    pae_weight: float | None = None
    stay: float | None = None
    start: Literal["grid", "random"] = "grid"
    offset: float | None = None
    channels: int | None = None
    batch_size: int | None = None
    epochs: int | None = None

    def __post_init__(self):
        for name in ("num_components", "steps", "channels", "batch_size", "epochs"):
            value = getattr(self, name)
            if value is None and name != "num_components":
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise _wrong(name, f"must be a whole number of at least 1; got {value!r}")
        for name, allowed in (("solver", SOLVERS), ("start", STARTS)):
            if getattr(self, name) not in allowed:
                raise _wrong(name, f"must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        for name in ("learning_rate", "rate_multiplier", "pae_weight", "stay", "offset"):
            value, least = getattr(self, name), {"pae_weight": 0.0, "offset": -math.inf}.get(name)
            if value is not None and not (least is None and callable(value)):
                object.__setattr__(self, name, _number(name, value, least))
        if self.profile is not None:
            try:
                object.__setattr__(self, "profile", profile_of(self.profile))
            except ArgumentError as error:
                raise type(error)("FitConfig.profile", error.problem) from None
        if self.epochs is not None and self.batch_size is None:
            raise _wrong("epochs", "goes with batch_size: without it, say how many steps")
        if self.optimizer is not None and not (hasattr(self.optimizer, "init") and hasattr(self.optimizer, "update")):
            raise ArgumentTypeError(
                "FitConfig.optimizer", f"must be an Optax transformation such as optax.adam(1e-2); got {self.optimizer}"
            )
        rates = [n for n in ("learning_rate", "rate_multiplier", "optimizer") if getattr(self, n) is not None]
        if len(rates) > 1:
            raise _wrong(rates[0], f"and {rates[1]} exclude each other: an optimizer has its own rate; give one")
        given = [name for name in ("batch_size", "stay") if getattr(self, name) is not None]
        if self.solver == "lm":
            for name in (*rates, *given):
                raise _wrong(name, 'is for solver="adam"; solver="lm" does not use it')
        if self.stay is not None and (others := [*rates, *given[:-1]]):
            raise _wrong(others[0], "and stay exclude each other: stay has rates of its own, for all pictures at once")

    @classmethod
    def paper(cls, **changes) -> "FitConfig":
        """The paper's recipe: Adam with its published defaults and MSE + 0.1 PAE (lambda is read off its losses)."""
        return cls(**({"learning_rate": 1e-3, "pae_weight": 0.1} | changes))


def resolved(config: FitConfig, num_components: int, *, offset: float = 1.0, collection: bool = False) -> FitConfig:
    """``config`` with the defaults put in that depend on what is fitted: steps, lambda, and the start's ``offset``."""
    steps = (COLLECTION_STEPS if collection else STEPS)[config.solver]
    pae_weight = COLLECTION_PAE_WEIGHT if collection else PAE_WEIGHT
    if config.stay is not None:
        steps, pae_weight = STAY_STEPS, 0.0
    if config.solver == "lm":
        if num_components > _FULL_STEPS_COMPONENTS:
            steps = max(_FEWEST_STEPS, int(steps * (_FULL_STEPS_COMPONENTS / num_components) ** (2 / 3)))
        if not collection:
            pae_weight *= 2.0 * min(1.0, _FEW_COMPONENTS / num_components)
    defaults: dict[str, Any] = {"steps": steps, "pae_weight": pae_weight, "offset": offset}
    missing = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **missing)


def _number(name: str, value, least: float | None) -> float:
    """``value`` as a finite number, at least ``least`` or, where that is None, above 0."""
    if isinstance(value, jax.core.Tracer):
        raise ArgumentTypeError(f"FitConfig.{name}", "must be a known number, not one that is traced: it is static")
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (number <= 0 if least is None else number < least):
        wanted = " above 0" if least is None else f" of at least {least:g}" if math.isfinite(least) else ""
        raise _wrong(name, f"must be a finite number{wanted}; got {value!r}")
    return number


def _wrong(name: str, problem: str) -> ArgumentError:
    return ArgumentError(f"FitConfig.{name}", problem)
