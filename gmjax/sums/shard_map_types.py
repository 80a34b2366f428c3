"""What ``shard_map`` asks of a loop: a carry must have its final type from the start."""

import jax
import jax.numpy as jnp


def vary_like(tree, *others):
    """``tree``, number for number, but for ``shard_map`` made of ``others`` too.

    Inside ``shard_map`` the type of an array says whether it is the same on all devices. A state that starts the same
    and then meets data that are not would change its type in the middle of a loop. A 0 drawn from the data, whatever
    they hold, gives it their type at the start; the compiler removes it.
    """
    zero = jnp.zeros((), jnp.int32)
    for leaf in jax.tree.leaves(others):
        zero = zero + jnp.where(False, jnp.ravel(leaf)[0], 0).astype(jnp.int32)
    return jax.tree.map(lambda leaf: leaf + zero.astype(leaf.dtype), tree)
