"""Elementary functions in place of the Gaussian: a component is w_1 psi_1(u, v) + ... + w_K psi_K(u, v).

(u, v) = L^T (x - mu) is the whitened position, q = u^2 + v^2, and psi_1 to psi_K are the terms of a ``Profile``, whose
weights enter linearly. ``PROFILES`` has the profiles that are known by name; ``Profile`` makes another one.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaincc, gammaln

from gmjax.errors import ArgumentError, ArgumentTypeError


class Parameter(NamedTuple):
    """A number of its own for each component: its name, where a fit starts it, and its bounds."""

    name: str
    start: float
    low: float = -math.inf
    high: float = math.inf


Polynomial = dict[tuple[int, int], Any]
"""The coefficients of u^a v^b by (a, b)."""

Turn = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Profile:
    """The terms of a component. Hashable and static under ``jit``; two are equal if their functions are the same.

    name: what it is called.
    terms: K, how many weights each component has.
    function: ``function(u, v, *parameters)`` gives K arrays (or one, if K is 1) of the shape of ``u``; JAX derives it,
        so it must have finite derivatives everywhere.
    half: the q at which the first term has fallen to half, which makes a start as wide as one of Gaussians.
    parameters: P further numbers of each component.
    turn: how a component changes with its frame, so that affine maps stay exact: ``turn(weights, parameters, cosine,
        sine, sign)`` gives the weights and parameters of the same function in terms of (u', v'), where u = cosine u' -
        sign sine v' and v = sine u' + sign cosine v'; sign is -1 for a mirror image, else 1. All are lists of arrays.
        "radial" where the terms are functions of q only; None where a turned component is of another kind.
    integrals: ``integrals(*parameters)`` gives the K integrals of the terms over the plane of (u, v); None where they
        are infinite or have no closed form.
    """

    name: str
    terms: int
    function: Callable
    half: float = math.log(2)
    parameters: tuple[Parameter, ...] = ()
    turn: Turn | str | None = None
    integrals: Callable | None = None

    def __post_init__(self):
        if self.terms < 1:
            raise ArgumentError("Profile.terms", f"must be at least 1; got {self.terms}")
        if not self.half > 0:
            raise ArgumentError("Profile.half", f"must be above 0; got {self.half}")
        if not (self.turn in ("radial", None) or callable(self.turn)):
            raise ArgumentError("Profile.turn", f'must be "radial", None or a function; got {self.turn!r}')

    def __repr__(self) -> str:
        return f"Profile({self.name!r})"

    @property
    def numbers(self) -> int:
        """How many numbers describe a component of a gray picture."""
        return 5 + self.terms + len(self.parameters)

    def gaussians(self, num_components: int) -> int:
        """How many Gaussians have as many numbers as ``num_components``, for a gray picture."""
        return max(1, round(num_components * self.numbers / 6))

    @property
    def narrowing(self) -> float:
        """How many times as large L is as that of a Gaussian of the same width."""
        return math.sqrt(self.half / math.log(2))

    def bounded(self, parameters):
        """``parameters`` (..., P) within their bounds."""
        each = [jnp.clip(parameters[..., i], p.low, p.high) for i, p in enumerate(self.parameters)]
        return jnp.stack(each, axis=-1) if each else parameters

    def values(self, u, v, parameters: Sequence = ()) -> list:
        """The K terms at (``u``, ``v``), arrays of one shape; ``parameters``: P arrays that broadcast against them.

        Raises ArgumentError if the function gives another number of terms.
        """
        found = self.function(u, v, *parameters)
        found = list(found) if isinstance(found, tuple | list) else [found]
        if len(found) != self.terms:
            raise ArgumentError("Profile.function", f"gives {len(found)} terms for {self.name}, not {self.terms}")
        return [jnp.broadcast_to(term, jnp.shape(u)) for term in found]


def profile_of(profile: Any) -> Profile:
    """The profile with that name. Raises ArgumentError."""
    if isinstance(profile, Profile):
        return profile
    if not isinstance(profile, str):
        problem = f"must be a name or a gmjax.Profile, not {type(profile).__name__}"
        raise ArgumentTypeError("profile", problem)
    if profile not in PROFILES:
        raise ArgumentError("profile", f"must be one of {', '.join(PROFILES)}, or a gmjax.Profile; got {profile!r}")
    return PROFILES[profile]


def monomials(degree: int) -> list[tuple[int, int]]:
    """The exponents (a, b) of u^a v^b up to ``degree``: (0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), ..."""
    return [(total - b, b) for total in range(degree + 1) for b in range(total + 1)]


def substituted(polynomial: Polynomial, m11, m12, m21, m22) -> Polynomial:
    """The same polynomial in terms of (u', v'), where u = m11 u' + m12 v' and v = m21 u' + m22 v'."""
    found = dict.fromkeys(polynomial, 0.0)
    for (a, b), weight in polynomial.items():
        for i in range(a + 1):
            for j in range(b + 1):
                factor = math.comb(a, i) * m11**i * m12 ** (a - i) * math.comb(b, j) * m21**j * m22 ** (b - j)
                power = i + j, a + b - i - j
                found[power] = found.get(power, 0.0) + factor * weight
    return found


def _hermite(degree: int) -> Profile:
    powers = monomials(degree)

    def function(u, v):
        g = jnp.exp(-(u * u + v * v))
        return [g * u**a * v**b for a, b in powers]

    def turn(weights, parameters, cosine, sine, sign):
        turned = substituted(dict(zip(powers, weights, strict=True)), cosine, -sign * sine, sine, sign * cosine)
        return [turned[power] for power in powers], parameters

    def integrals():
        return [0.0 if a % 2 or b % 2 else math.gamma((a + 1) / 2) * math.gamma((b + 1) / 2) for a, b in powers]

    return Profile(f"hermite{degree}", len(powers), function, turn=turn, integrals=integrals)


def as_polynomial(profile: Profile, weights: Sequence) -> Polynomial | None:
    """A component with the K ``weights`` divided by exp(-q), where that is a polynomial; else None."""
    if profile == PROFILES["gaussian"]:
        return {(0, 0): weights[0]}
    if profile == PROFILES["mexican_hat"]:
        return {(0, 0): weights[0], (2, 0): weights[1], (0, 2): weights[1]}
    degree = next((degree for degree in (1, 2, 3) if profile == PROFILES[f"hermite{degree}"]), None)
    return None if degree is None else dict(zip(monomials(degree), weights, strict=True))


def _radial(
    name: str,
    function: Callable,
    half: float,
    integrals: Callable | None = None,
    parameters: tuple[Parameter, ...] = (),
    terms: int = 1,
) -> Profile:
    """A profile of q alone; ``function(q, *parameters)``."""
    return Profile(name, terms, lambda u, v, *p: function(u * u + v * v, *p), half, parameters, "radial", integrals)


def turned_vector(weights, parameters, cosine, sine, sign):
    """e1 u + e2 v = (c e1 + s e2) u' + sign (c e2 - s e1) v', where (e1, e2) are the first two parameters."""
    first, second, *others = parameters
    return weights, [cosine * first + sine * second, sign * (cosine * second - sine * first), *others]


def _root(q, smoothing: float):
    """sqrt(q), rounded off at 0, where its derivative would be infinite."""
    return jnp.sqrt(q + smoothing) - math.sqrt(smoothing)


def _gabor(u, v, e1, e2):
    g, phase = jnp.exp(-(u * u + v * v)), e1 * u + e2 * v
    return g * jnp.cos(phase), g * jnp.sin(phase)


def _edge(u, v, e1, e2, e0):
    g = jnp.exp(-(u * u + v * v))
    return g, g * jnp.tanh(e1 * u + e2 * v + e0)


def _wendland(q):
    r = jnp.minimum(_root(q, 1e-6), 1.0)
    return (1.0 - r) ** 4 * (4.0 * r + 1.0)


def _raised_cosine(q):
    return 0.5 + 0.5 * jnp.cos(jnp.pi * jnp.minimum(_root(q, 1e-6), 1.0))


def _generalised_integral(log_power):
    """pi / p times the upper incomplete Gamma(1 / p, (10^-6)^p)."""
    p = jnp.exp(log_power)
    return [jnp.pi / p * jnp.exp(gammaln(1 / p)) * gammaincc(1 / p, 1e-6**p)]


# 4 pi times Catalan's constant, and pi^2 / 1000 because the root is rounded off at 0.
_SECH_INTEGRAL = 4 * math.pi * 0.915965594177219 + 1e-3 * math.pi**2

_ALL = (
    _radial("gaussian", lambda q: jnp.exp(-q), math.log(2), lambda: [math.pi]),
    _radial("laplace", lambda q: jnp.exp(-_root(q, 1e-2)), 0.62, lambda: [2.2 * math.pi]),
    _radial(
        "generalised",
        lambda q, log_power: jnp.exp(-((jnp.minimum(q, 1e4) + 1e-6) ** jnp.exp(log_power))),
        math.log(2),
        _generalised_integral,
        (Parameter("log_power", 0.0, math.log(0.4), math.log(8.0)),),
    ),
    _radial("cauchy", lambda q: 1.0 / (1.0 + q), 1.0),
    _radial("student", lambda q: (1.0 + q) ** -2, math.sqrt(2) - 1, lambda: [math.pi]),
    _radial("inverse_multiquadric", lambda q: 1.0 / jnp.sqrt(1.0 + q), 3.0),
    _radial("logarithmic", lambda q: jnp.log1p(1.0 / (q + 0.1)) / math.log(11.0), 0.33),
    _radial("sech", lambda q: 1.0 / jnp.cosh(jnp.minimum(_root(q, 1e-6), 40.0)), 1.317**2, lambda: [_SECH_INTEGRAL]),
    _radial("raised_cosine", _raised_cosine, 0.25, lambda: [math.pi * (0.5 + 1e-3) - 2 / math.pi]),
    _radial("beta", lambda q: jnp.maximum(1.0 - q, 0.0) ** 3, 1 - 0.5 ** (1 / 3), lambda: [math.pi / 4]),
    _radial("wendland", _wendland, 0.0984, lambda: [2 * math.pi * (1 / 14 + 1e-3 / 3)]),
    _radial("mexican_hat", lambda q: (jnp.exp(-q), q * jnp.exp(-q)), math.log(2), lambda: [math.pi] * 2, terms=2),
    *map(_hermite, (1, 2, 3)),
    Profile(
        "gabor",
        2,
        _gabor,
        parameters=(Parameter("frequency_u", 0.7, -6.0, 6.0), Parameter("frequency_v", 0.7, -6.0, 6.0)),
        turn=turned_vector,
        integrals=lambda e1, e2: [math.pi * jnp.exp(-(e1 * e1 + e2 * e2) / 4), 0.0],
    ),
    Profile(
        "edge",
        2,
        _edge,
        parameters=(
            Parameter("slope_u", 1.0, -12.0, 12.0),
            Parameter("slope_v", 1.0, -12.0, 12.0),
            Parameter("shift", 0.0, -8.0, 8.0),
        ),
        turn=turned_vector,
    ),
)
PROFILES = {profile.name: profile for profile in _ALL}
