"""A model as every language needs it: its numbers, and the expressions that its kind of formula is made of.

The only place that knows the kinds: a new one is an entry in ``KINDS``.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from gmjax._version import __version__
from gmjax.checks import what_is_wrong
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.export.expressions import names_in
from gmjax.files.decimals import EXACT_DIGITS, rounded, shortest
from gmjax.gmface import GmFace

# What a picture of unknown size is drawn at.
DEFAULT_SHAPE = 120, 120


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of formula: the value of a component is the sum of its ``terms``, each times a weight of its own.

    ``noun``: what its components are called, in the plural.
    ``terms``: expressions (``expressions.py``) by name, in u and v = L^T (x - mu), in q = u^2 + v^2, in the names of
    ``parameters``, and in terms before. The names d1, d2, i, p, c, w, x and value are the languages' own.
    ``parameters``: the names of further numbers that each component has.
    ``numbers``: of a model, the weights (m, terms, C), means (m, 2), factors (m, 3) and parameters (m, P), as arrays.
    """

    noun: str
    terms: Mapping[str, str]
    numbers: Callable[[Any], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    parameters: tuple[str, ...] = ()

    @property
    def needs_q(self) -> bool:
        return any("q" in names_in(term) for term in self.terms.values())


def _numbers_of_gmface(params: GmFace):
    weights, means, chol = (np.asarray(leaf) for leaf in (params.weights, params.means, params.precision_chol))
    return weights.reshape(len(means), 1, -1), means, chol, np.empty((len(means), 0), means.dtype)


KINDS = {GmFace: Kind("two-dimensional Gaussians", {"g": "exp(-q)"}, _numbers_of_gmface)}


@dataclasses.dataclass(frozen=True)
class Formula:
    """``weights`` (m, terms, C), ``means`` (m, 2), ``chol`` (m, 3), ``extra`` (m, P). ``channels``: None for gray.
    ``shape``: (H, W) of the picture that the model was fitted to, where it is known. ``digits``: as asked for."""

    params: Any
    kind: Kind
    weights: np.ndarray
    means: np.ndarray
    chol: np.ndarray
    extra: np.ndarray
    channels: int | None
    offset: float
    shape: tuple[int, int] | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    digits: int | None = None

    def __len__(self) -> int:
        return len(self.means)

    @property
    def flat_weights(self) -> np.ndarray:
        """(m, terms C): all channels of the first term, then those of the next."""
        return self.weights.reshape(len(self), -1)

    def rows(self) -> list[list[str]]:
        """The numbers of each component as text: mean, factor, parameters, ``flat_weights``."""
        numbers = np.concatenate([self.means, self.chol, self.extra, self.flat_weights], axis=1)
        return [[shortest(number) for number in row] for row in numbers]


def formula_of(
    params: Any,
    *,
    digits: int | None = None,
    shape: tuple[int, int] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Formula:
    """Raises ArgumentError for a batch, and for a model that is not valid."""
    kind = KINDS.get(type(params))
    if kind is None:
        raise ArgumentTypeError("params", f"must be a GmFace, not {type(params).__name__}")
    arrays = {name: np.asarray(getattr(params, name)) for name in ("weights", "means", "precision_chol")}
    wrong = what_is_wrong(**arrays)
    if wrong:
        raise ArgumentError("params", f"must be a valid model: {wrong}")
    if arrays["means"].ndim > 2:
        problem = f"is a batch {arrays['means'].shape[:-2]} of models: export one of gmjax.unstack"
        raise ArgumentError("params", problem)
    numbers = kind.numbers(params)
    return Formula(params, kind, *numbers, params.channels, float(params.offset), shape, metadata or {}, digits)


def rounded_model(params: GmFace, digits: int | None) -> GmFace:
    """``params`` with ``digits`` significant decimal digits a number; None keeps all."""
    leaves = jax.tree.map(np.asarray, params)
    return jax.tree.map(lambda leaf: rounded(leaf, checked_digits(digits, leaf.dtype)), leaves)


def checked_digits(digits: int | None, dtype) -> int:
    """``digits``, or as many as are exact. Raises ArgumentError."""
    if digits is not None and not 1 <= digits <= 17:
        raise ArgumentError("digits", f"must be from 1 to 17; got {digits}")
    return EXACT_DIGITS[np.dtype(dtype)] if digits is None else digits


def conventions(formula: Formula) -> list[str]:
    """What a reader of the text must know, in lines of at most 110 characters; nothing in them is from a model file."""
    count = f"{len(formula)} {formula.kind.noun}"
    colour = {None: "gray", 3: "red, green, blue"}.get(formula.channels, f"{formula.channels} channels")
    terms = formula.kind.terms
    weights = ["w"] if len(terms) == 1 else [f"w_{number + 1}" for number in range(len(terms))]
    added = " + ".join(f"{weight} {name}" for weight, name in zip(weights, terms, strict=True))
    defined = ", ".join(f"{name} = {term}" for name, term in terms.items())
    lines = [
        f"A picture as a sum of {count} ({colour}), written by gmjax {__version__}.",
        f"The value at x is the sum of {added} over all components, with {defined},",
        "q = u^2 + v^2, u = l11 d1 + l21 d2, v = l22 d2, (d1, d2) = x - mu; there is no factor 1/2 in q.",
        "Positions are x = (row / H, column / W), row first, from the top left corner of a picture of H x W pixels.",
        f"Pixel (r, c), counted from 0, lies at ((r + {formula.offset}) / H, (c + {formula.offset}) / W).",
        "Values are intensities from 0, black, to 1, white; clip what lies beyond.",
    ]
    if formula.shape is not None:
        lines.append(
            f"Fitted to {formula.shape[0]} x {formula.shape[1]} pixels (rows x columns); it can be drawn at any size."
        )
    return lines
