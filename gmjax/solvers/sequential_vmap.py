"""What ``vmap`` means on a CPU."""

from collections.abc import Callable
from functools import partial

import jax
from jax.custom_batching import sequential_vmap


def in_turn_on_cpu(function: Callable) -> Callable:
    """``function``; on a CPU ``vmap`` calls it for one after the other: the arrays of a batch outgrow the caches.

    Derivatives take a batch at once.
    """
    in_turn = sequential_vmap(function)

    @jax.custom_jvp
    def called(*arguments):
        return (in_turn if jax.default_backend() == "cpu" else function)(*arguments)

    called.defjvp(partial(jax.jvp, function))
    return called
