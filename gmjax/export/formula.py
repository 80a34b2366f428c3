"""A model as every language needs it: its numbers, and the expressions that its kind of formula is made of.

The only place that knows the kinds: a new one is an entry in ``KINDS``, and for a profile in ``_TERMS``.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from gmjax._version import __version__
from gmjax.checks import what_is_wrong, what_is_wrong_with_atoms
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.export.expressions import names_in
from gmjax.files.decimals import EXACT_DIGITS, rounded, shortest
from gmjax.gmface import AnyModel, Atoms, GmFace
from gmjax.profiles import PROFILES, monomials

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


def _numbers_of_atoms(params: Atoms):
    weights, means, chol, parameters = map(np.asarray, jax.tree.leaves(params))
    return weights.reshape(*weights.shape[:2], -1), means, chol, parameters


def _hermite(degree: int) -> dict[str, str]:
    factors = ("*".join(["g"] + ["u"] * a + ["v"] * b) for a, b in monomials(degree)[1:])
    return {"g": "exp(-q)"} | {f"h{number}": factor for number, factor in enumerate(factors, 1)}


# min(t, 1) = (t + 1 - |t - 1|) / 2 and max(t, 0) = (t + |t|) / 2, with |t| = sqrt(t t), in the functions that all
# languages have.
_RADIUS = "(sqrt(q + 0.000001) - 0.001)"
_RADIUS_TO_1 = f"(0.5*({_RADIUS} + 1.0 - sqrt(({_RADIUS} - 1.0)*({_RADIUS} - 1.0))))"
_TO_EDGE = "(0.5*(1.0 - q + sqrt((1.0 - q)*(1.0 - q))))"
_PHASE, _SLOPE = "frequency_u*u + frequency_v*v", "slope_u*u + slope_v*v + shift"
_TERMS = {
    "gaussian": {"g": "exp(-q)"},
    "laplace": {"g": "exp(0.1 - sqrt(q + 0.01))"},
    "generalised": {"g": "exp(-exp(exp(log_power)*log(q + 0.000001)))"},
    "cauchy": {"g": "1.0/(1.0 + q)"},
    "student": {"g": "1.0/((1.0 + q)*(1.0 + q))"},
    "inverse_multiquadric": {"g": "1.0/sqrt(1.0 + q)"},
    "logarithmic": {"g": "log(1.0 + 1.0/(q + 0.1))/log(11.0)"},
    "sech": {"g": f"2.0*exp(-{_RADIUS})/(1.0 + exp(-2.0*{_RADIUS}))"},
    "raised_cosine": {"g": f"0.5 + 0.5*cos({math.pi!r}*{_RADIUS_TO_1})"},
    "beta": {"g": f"{_TO_EDGE}*{_TO_EDGE}*{_TO_EDGE}"},
    "wendland": {"g": "*".join(4 * [f"(1.0 - {_RADIUS_TO_1})"]) + f"*(1.0 + 4.0*{_RADIUS_TO_1})"},
    "mexican_hat": {"g": "exp(-q)", "h1": "q*g"},
    **{f"hermite{degree}": _hermite(degree) for degree in (1, 2, 3)},
    "gabor": {"g": f"exp(-q)*cos({_PHASE})", "h1": f"exp(-q)*cos({_PHASE} - {math.pi / 2!r})"},
    "edge": {"g": "exp(-q)", "h1": f"g*(2.0/(1.0 + exp(-2.0*({_SLOPE}))) - 1.0)"},
}
KINDS = {GmFace: Kind("two-dimensional Gaussians", {"g": "exp(-q)"}, _numbers_of_gmface)}
PROFILE_KINDS = {
    name: Kind(
        f"components of the profile {name}", terms, _numbers_of_atoms, tuple(p.name for p in PROFILES[name].parameters)
    )
    for name, terms in _TERMS.items()
}


def _kind_of(params) -> Kind:
    if not isinstance(params, Atoms):
        if type(params) not in KINDS:
            raise ArgumentTypeError("params", f"must be a GmFace, not {type(params).__name__}")
        return KINDS[type(params)]
    if PROFILES.get(params.profile.name) != params.profile:
        raise ArgumentError("params", f"has the profile {params.profile.name}, a function of your own: it has no text")
    return PROFILE_KINDS[params.profile.name]


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
    kind = _kind_of(params)
    arrays = jax.tree.map(np.asarray, params)
    if isinstance(params, Atoms):
        wrong = what_is_wrong_with_atoms(arrays)
    else:
        wrong = what_is_wrong(arrays.weights, arrays.means, arrays.precision_chol)
    if wrong:
        raise ArgumentError("params", f"must be a valid model: {wrong}")
    if arrays.means.ndim > 2:
        problem = f"is a batch {arrays.means.shape[:-2]} of models: export one of gmjax.unstack"
        raise ArgumentError("params", problem)
    numbers = kind.numbers(params)
    return Formula(params, kind, *numbers, params.channels, float(params.offset), shape, metadata or {}, digits)


def rounded_model(params: AnyModel, digits: int | None) -> AnyModel:
    """``params`` with ``digits`` significant decimal digits a number; None keeps all."""
    leaves = jax.tree.map(np.asarray, params)
    return jax.tree.map(lambda leaf: rounded(leaf, checked_digits(digits, leaf.dtype)), leaves)


def checked_digits(digits: int | None, dtype) -> int:
    """``digits``, or as many as are exact. Raises ArgumentError."""
    if digits is not None and not 1 <= digits <= 17:
        raise ArgumentError("digits", f"must be from 1 to 17; got {digits}")
    return EXACT_DIGITS[np.dtype(dtype)] if digits is None else digits


def definitions(kind: Kind) -> str:
    return ", ".join(f"{name} = {term}" for name, term in kind.terms.items())


def conventions(formula: Formula) -> list[str]:
    """What a reader of the text must know, in lines of at most 110 characters; nothing in them is from a model file."""
    count = f"{len(formula)} {formula.kind.noun}"
    colour = {None: "gray", 3: "red, green, blue"}.get(formula.channels, f"{formula.channels} channels")
    terms = formula.kind.terms
    weights = ["w"] if len(terms) == 1 else [f"w_{number + 1}" for number in range(len(terms))]
    added = " + ".join(f"{weight} {name}" for weight, name in zip(weights, terms, strict=True))
    lines = [
        f"A picture as a sum of {count} ({colour}), written by gmjax {__version__}.",
        f"The value at x is the sum of {added} over all components, with {definitions(formula.kind)},",
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
