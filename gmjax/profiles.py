"""Elementary functions in place of the Gaussian: a component is w_1 psi_1(u, v) + ... + w_K psi_K(u, v).

(u, v) = L^T (x - mu) is the whitened position, q = u^2 + v^2, and psi_1 to psi_K are the terms of a ``Profile``, whose
weights enter linearly. ``PROFILES`` has the profiles that are known by name; ``Profile`` makes another one.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from gmjax.errors import ArgumentError, ArgumentTypeError


class Parameter(NamedTuple):
    """A number of its own for each component: its name, where a fit starts it, and its bounds."""

    name: str
    start: float
    low: float = -math.inf
    high: float = math.inf


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
    """

    name: str
    terms: int
    function: Callable
    half: float = math.log(2)
    parameters: tuple[Parameter, ...] = ()
    turn: Turn | str | None = None

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


def _hermite(degree: int) -> Profile:
    powers = monomials(degree)

    def function(u, v):
        g = jnp.exp(-(u * u + v * v))
        return [g * u**a * v**b for a, b in powers]

    def turn(weights, parameters, cosine, sine, sign):
        """u^a v^b = (c u' - s v'')^a (s u' + c v'')^b, multiplied out, with v'' = sign v'."""
        turned = dict.fromkeys(powers, 0.0)
        for weight, (a, b) in zip(weights, powers, strict=True):
            for i in range(a + 1):
                for j in range(b + 1):
                    factor = math.comb(a, i) * math.comb(b, j)
                    power = i + b - j, a - i + j
                    turned[power] += factor * weight * cosine ** (i + j) * (-sine) ** (a - i) * sine ** (b - j)
        return [turned[a, b] * sign**b for a, b in powers], parameters

    return Profile(f"hermite{degree}", len(powers), function, turn=turn)


def _radial(name: str, function: Callable, half: float, parameters: tuple[Parameter, ...] = (), terms: int = 1):
    """A profile of q alone; ``function(q, *parameters)``."""
    return Profile(name, terms, lambda u, v, *p: function(u * u + v * v, *p), half, parameters, "radial")


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


_ALL = (
    _radial("gaussian", lambda q: jnp.exp(-q), math.log(2)),
    _radial("laplace", lambda q: jnp.exp(-_root(q, 1e-2)), 0.62),
    _radial(
        "generalised",
        lambda q, log_power: jnp.exp(-((jnp.minimum(q, 1e4) + 1e-6) ** jnp.exp(log_power))),
        math.log(2),
        (Parameter("log_power", 0.0, math.log(0.4), math.log(8.0)),),
    ),
    _radial("cauchy", lambda q: 1.0 / (1.0 + q), 1.0),
    _radial("student", lambda q: (1.0 + q) ** -2, math.sqrt(2) - 1),
    _radial("inverse_multiquadric", lambda q: 1.0 / jnp.sqrt(1.0 + q), 3.0),
    _radial("logarithmic", lambda q: jnp.log1p(1.0 / (q + 0.1)) / math.log(11.0), 0.33),
    _radial("sech", lambda q: 1.0 / jnp.cosh(jnp.minimum(_root(q, 1e-6), 40.0)), 1.317**2),
    _radial("raised_cosine", _raised_cosine, 0.25),
    _radial("beta", lambda q: jnp.maximum(1.0 - q, 0.0) ** 3, 1 - 0.5 ** (1 / 3)),
    _radial("wendland", _wendland, 0.0984),
    _radial("mexican_hat", lambda q: (jnp.exp(-q), q * jnp.exp(-q)), math.log(2), terms=2),
    *map(_hermite, (1, 2, 3)),
    Profile(
        "gabor",
        2,
        _gabor,
        parameters=(Parameter("frequency_u", 0.7, -6.0, 6.0), Parameter("frequency_v", 0.7, -6.0, 6.0)),
        turn=turned_vector,
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
