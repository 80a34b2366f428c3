"""Linear maps with a custom transpose, and the derivatives (7) to (9) as functions of moments."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def with_transpose(tangent, shape: tuple[int, ...], *, push: Callable, pull: Callable, plain: Callable):
    """``push(tangent)``, an array of ``shape``: a linear map D with ``pull`` as its transpose.

    JAX has no linear function with a custom transpose that can be batched and differentiated again, but linear systems
    with custom solvers: (d, p) = (tangent, D tangent) solves d = tangent, p - D d = 0. JAX differentiates the system,
    not the solvers, so there D is ``plain``: the same map in operations that JAX can differentiate.
    """

    def split(joined):
        return joined[: tangent.size].reshape(tangent.shape), joined[tangent.size :].reshape(shape)

    def join(d, p):
        return jnp.concatenate([d.ravel(), p.ravel()])

    def system(joined):
        d, p = split(joined)
        return join(d, p - plain(d))

    def solve(_, joined):
        d, p = split(joined)
        return join(d, p + push(d))

    def solve_transposed(_, joined):
        d, p = split(joined)
        return join(d + pull(p), p)

    # d and p share one array, because JAX transposes a system only if its whole right side is linear in the tangents.
    right_side = jnp.pad(tangent.ravel(), (0, math.prod(shape)))
    return split(jax.lax.custom_linear_solve(system, right_side, solve, solve_transposed))[1]


def from_moments(components, centre, moments: Float[Array, "... C 6"]) -> Float[Array, "... n"]:
    """The derivatives (7) to (9) with respect to ``components`` (..., 5 + C): means, factors and weights side by side.

    ``moments``: the sums over pixels of cotangent times Gaussian times 1, r, c, r^2, r c, c^2, relative to ``centre``.
    """
    l11, l21, l22 = jnp.moveaxis(components[..., 2:5], -1, 0)
    to_row, to_column = jnp.moveaxis(components[..., :2] - centre, -1, 0)
    s, r, c, rr, rc, cc = jnp.moveaxis(jnp.sum(components[..., 5:, None] * moments, axis=-2), -1, 0)
    rr, rc, cc = rr - to_row * r, rc - to_row * c, cc - to_column * c
    r, c = r - to_row * s, c - to_column * s
    rr, rc, cc = rr - to_row * r, rc - to_column * r, cc - to_column * c
    u = l11 * r + l21 * c
    means = l11 * u, l21 * u + l22 * l22 * c
    chol = -(l11 * rr + l21 * rc), -(l11 * rc + l21 * cc), -l22 * cc
    return jnp.concatenate([2.0 * jnp.stack([*means, *chol], axis=-1), moments[..., 0]], axis=-1)
