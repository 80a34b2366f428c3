"""Positive definite equations by products of matrices.

LAPACK's routines for many unknowns or right sides can take hundreds of times as long as they need where its threads
and XLA's wait for each other, as on machines of two cores; and accelerators prefer products.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.types import AnyArray

_SMALL = 32


def inverse_factor(matrix: Float[AnyArray, "n n"]) -> Float[Array, "n n"]:
    """L^-1 of the Cholesky factor L of ``matrix``, by halves: its inverse is L^-T L^-1."""
    n = len(matrix)
    if n <= _SMALL:
        identity = jnp.eye(n, dtype=matrix.dtype)
        return jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(matrix), identity, lower=True)
    half = n // 2
    first = inverse_factor(matrix[:half, :half])
    below = product(matrix[half:, :half], first.T)
    last = inverse_factor(matrix[half:, half:] - product(below, below.T))
    corner = -product(product(last, below), first)
    return jnp.block([[first, jnp.zeros((half, n - half), matrix.dtype)], [corner, last]])


def solve(inverse_factor: Float[AnyArray, "n n"], right: Float[AnyArray, "n *k"]) -> Float[Array, "n *k"]:
    return product(inverse_factor.T, product(inverse_factor, right))


def product(a, b):
    return jnp.matmul(a, b, precision="highest")
