"""Types inside ``shard_map``: a loop carry must have its final type before the loop starts."""

import jax
import jax.numpy as jnp


def vary_like(tree, *others):
    """``tree`` with the same values, but typed in ``shard_map`` as if it depended on ``others``.

    Inside ``shard_map`` the type of an array tells over which mesh axes it varies. A loop carry that starts equal on
    all devices, and then meets data that differ between them, would change its type inside the loop, which JAX refuses.
    Adding a 0 computed from ``others`` gives it the final type at the start; the compiler removes the addition.
    """
    zero = jnp.zeros((), jnp.int32)
    for leaf in jax.tree.leaves(others):
        zero = zero + jnp.where(False, jnp.ravel(leaf)[0], 0).astype(jnp.int32)
    return jax.tree.map(lambda leaf: leaf + zero.astype(leaf.dtype), tree)
