"""Sums of components of any profile, at arbitrary positions; JAX finds the derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.profiles import Profile
from gmjax.sums.points import in_chunks, per_component, whitened
from gmjax.types import AnyArray


def basis(
    profile: Profile,
    means: Float[AnyArray, "m 2"],
    chol: Float[AnyArray, "m 3"],
    parameters: Float[AnyArray, "m P"],
    rows,
    columns,
) -> Float[Array, "K m ..."]:
    """The K terms of m components, each with the weight 1; ``rows`` and ``columns`` as in ``sum_of_atoms``."""
    (u, v), _ = whitened(means, chol, rows, columns)
    return jnp.stack(profile.values(u, v, [per_component(p, u) for p in parameters.T]))


@partial(jax.jit, static_argnames="profile")
def peaks(profile: Profile, weights: Float[AnyArray, "m K"], parameters: Float[AnyArray, "m P"]) -> Float[Array, " m"]:
    """The value of each component where its magnitude is largest, on a grid within |u|, |v| <= 2."""
    u, v = jnp.meshgrid(*2 * [jnp.linspace(-2.0, 2.0, 33, dtype=weights.dtype)])

    def peak(component):
        weights, parameters = component
        terms = profile.values(u, v, list(parameters))
        values = sum(weight * term for weight, term in zip(weights, terms, strict=True))
        return jnp.ravel(values)[jnp.argmax(jnp.abs(values))]

    return jax.lax.map(peak, (weights, parameters), batch_size=256)


def sum_of_atoms(profile: Profile, weights: Float[AnyArray, "m K C"], means, chol, parameters, rows, columns):
    """The sum at positions (``rows``, ``columns``), which have equal rank and broadcast to (...): (..., C).

    Written so that XLA sums all terms in one loop and stores none of them.
    """

    @partial(jax.checkpoint, prevent_cse=False)
    def summed(rows, columns):
        (u, v), _ = whitened(means, chol, rows, columns)
        terms = profile.values(u, v, [per_component(p, u) for p in parameters.T])

        def channel(weights):
            each = (per_component(weight, u) * term for weight, term in zip(weights.T, terms, strict=True))
            return jnp.sum(sum(each), axis=0).reshape(-1)

        return jnp.stack([channel(weights[..., c]) for c in range(weights.shape[2])], axis=-1)

    return in_chunks(summed, profile.terms * len(means), rows, columns)
