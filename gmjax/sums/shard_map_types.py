"""The types that ``shard_map`` asks of a loop: a carry must vary over the same mesh axes before and after."""

import jax
import jax.numpy as jnp


def vary_like(tree, *others):
    """``tree`` with the same values, which for ``shard_map`` vary over all mesh axes that ``others`` vary over.

    A loop state that is the same on all devices and then meets data that are not would change its type inside the
    loop. Adding a 0 made of the data gives it the final type at the start; the compiler removes the addition.
    Outside of ``shard_map`` there is nothing to do.
    """
    if not jax.sharding.get_abstract_mesh().manual_axes:
        return tree
    zero = jnp.zeros((), jnp.int32)
    for leaf in map(jnp.asarray, jax.tree.leaves(others)):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            zero = zero + jnp.where(False, jnp.ravel(leaf)[0], jnp.zeros((), leaf.dtype)).astype(jnp.int32)

    def add_zero(leaf):
        leaf = jnp.asarray(leaf)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = jax.random.key_data(leaf)
            return jax.random.wrap_key_data(data + zero.astype(data.dtype), impl=jax.random.key_impl(leaf))
        return leaf ^ zero.astype(bool) if leaf.dtype == bool else leaf + zero.astype(leaf.dtype)

    return jax.tree.map(add_zero, tree)
