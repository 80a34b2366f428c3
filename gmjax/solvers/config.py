"""How to fit: one frozen, hashable configuration, and the recipes that are known by name."""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Literal

import optax

SOLVERS = ("adam", "lm")
# Defaults, measured on real faces (docs/choices.md).
STEPS, COLLECTION_STEPS = {"adam": 2000, "lm": 176}, {"adam": 2000, "lm": 704}
PAE_WEIGHT, COLLECTION_PAE_WEIGHT = 1e-3, 1e-4
# "lm" takes twice that up to so many components, and then less as its MSE falls: in inverse proportion to their number.
_FEW_COMPONENTS = 40
# A step of "lm" takes up to four times as long for twice the components; from this many on it takes fewer steps.
_FULL_STEPS_COMPONENTS, _FEWEST_STEPS = 80, 64
STARTS = ("grid", "random")

# Made once: a new optimiser would be a new configuration, and every step compiled again.
_PAPER_ADAM = optax.adam(1e-3)


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How to fit. The defaults were chosen by measuring on real faces (docs/choices.md); ``paper()`` is the paper's.

    num_components: m, where the fit makes its own start; a start that is given keeps its own number.
    solver: "adam", first order with Optax; or "lm", the best quality: second order (Levenberg-Marquardt) on the MSE,
        moving components that do little to where the error is, then 400 steps of Adam on MSE + lambda PAE.
    steps: how many steps; None is 2000 for "adam"; for "lm" 176 (704 for a collection) up to 80 components and fewer
        with more, its last stage not counted.
    learning_rate: a number or an Optax schedule, as a multiple of the rates of each kind of parameter (weights 0.02,
        means 0.01, shapes 0.2); None goes up to 1 over the first 30 % of the steps and then down to 0.
    pae_weight: lambda in loss = MSE + lambda PAE (10); None is 1e-3 for one picture (with "lm" 2e-3 up to 40
        components, 1e-3 for 80, and so on) and 1e-4 for a collection, whose peak is one pixel of one picture among all.
    optimizer: any Optax transformation, used as it stands; learning_rate is then not used. None is Adam with those
        rates.
    start: where no model to start from is given: "grid", an even grid with its weights solved for; or "random", which
        needs a key.
    offset: where the pixels are counted from: 1 on the paper's grid, 0.5 for pixel centres.
    batch_size: common face only: pictures a step, the paper's way; None takes all of them through their statistics.
    epochs: common face with batch_size only: passes over the pictures; takes the place of steps.
    """

    num_components: int = 80
    solver: Literal["adam", "lm"] = "adam"
    steps: int | None = None
    learning_rate: float | Callable | None = None
    pae_weight: float | None = None
    optimizer: optax.GradientTransformation | None = None
    start: Literal["grid", "random"] = "grid"
    offset: float = 1.0
    batch_size: int | None = None
    epochs: int | None = None

    def __post_init__(self):
        for name in ("num_components", "steps", "batch_size", "epochs"):
            value = getattr(self, name)
            if value is None and name != "num_components":
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"FitConfig.{name} must be a whole number of at least 1; got {value!r}")
        for name, allowed in (("solver", SOLVERS), ("start", STARTS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"FitConfig.{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        if not callable(self.learning_rate) and self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"FitConfig.learning_rate must be above 0; got {self.learning_rate!r}")
        if self.pae_weight is not None and not self.pae_weight >= 0:
            raise ValueError(f"FitConfig.pae_weight must be at least 0; got {self.pae_weight!r}")
        if not isinstance(self.offset, numbers.Real) or not math.isfinite(self.offset):
            raise ValueError(f"FitConfig.offset must be a finite number; got {self.offset!r}")
        if self.solver == "lm":
            for name in ("learning_rate", "optimizer", "batch_size"):
                if getattr(self, name) is not None:
                    raise ValueError(f'FitConfig.{name} is for solver="adam"; solver="lm" does not use it')
        if self.epochs is not None and self.batch_size is None:
            raise ValueError("FitConfig.epochs goes with batch_size: without it, say how many steps")

    def settled(self, num_components: int, *, collection: bool = False) -> "FitConfig":
        """This configuration with the defaults put in that depend on what is fitted: steps and lambda."""
        steps = (COLLECTION_STEPS if collection else STEPS)[self.solver]
        pae_weight = COLLECTION_PAE_WEIGHT if collection else PAE_WEIGHT
        if self.solver == "lm":
            if num_components > _FULL_STEPS_COMPONENTS:
                steps = max(_FEWEST_STEPS, int(steps * (_FULL_STEPS_COMPONENTS / num_components) ** (2 / 3)))
            if not collection:
                pae_weight *= 2.0 * min(1.0, _FEW_COMPONENTS / num_components)
        return dataclasses.replace(
            self,
            steps=steps if self.steps is None else self.steps,
            pae_weight=pae_weight if self.pae_weight is None else self.pae_weight,
        )

    @property
    def settled_steps(self) -> int:
        """The number of steps, which whoever counts them must have settled."""
        if self.steps is None:
            raise ValueError("FitConfig.steps is not settled: use settled, or give a number")
        return self.steps

    @property
    def settled_pae_weight(self) -> float:
        """lambda, which whoever builds a loss must have settled."""
        if self.pae_weight is None:
            raise ValueError("FitConfig.pae_weight is not settled: use settled, or give a number")
        return self.pae_weight

    @classmethod
    def paper(cls, **changes) -> "FitConfig":
        """The paper's recipe: Adam with its published defaults and MSE + 0.1 PAE.

        lambda is not published; 0.1 is the reading under which the paper's losses are MSE + lambda PAE.
        """
        return cls(**({"optimizer": _PAPER_ADAM, "pae_weight": 0.1} | changes))
