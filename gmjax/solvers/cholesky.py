"""Cholesky factors and solves by matrix products.

On machines with few cores LAPACK's threads and XLA's wait for each other, which can make its routines for many unknowns
hundreds of times slower.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.types import AnyArray

# Matrices up to this size are left to LAPACK.
_SMALL = 32


def inverse_factor(matrix: Float[AnyArray, "n n"]) -> Float[Array, "n n"]:
    """L^-1 of the Cholesky factor L of the positive definite ``matrix``, by recursion on halves."""
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
    """The solution x of A x = ``right``, given the inverse factor of A: x = L^-T L^-1 ``right``."""
    return product(inverse_factor.T, product(inverse_factor, right))


def product(a, b):
    """The matrix product in full precision, on accelerators too."""
    return jnp.matmul(a, b, precision="highest")
