"""The work of an experiment, shared by the processes of a distributed run."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from gmjax.parallel import processes


def share_of(total: int) -> np.ndarray:
    """The numbers below ``total`` that are this process's work; the last one repeats where the shares are uneven."""
    rows = -(-total // processes.count())
    return np.minimum(np.arange(rows) * processes.count() + processes.index(), total - 1)


def gathered(share: Any, total: int) -> Any:
    """The results of all processes for their ``share_of(total)``, on each of them: NumPy arrays (total, ...), in order.

    ``share``: a pytree of arrays (n, ...), of the same shapes on every process. All have as many devices.
    """
    every = multihost_utils.process_allgather(share)
    if processes.count() == 1:
        every = jax.tree.map(lambda leaf: np.asarray(leaf)[None], share)
    return jax.tree.map(lambda leaf: np.swapaxes(leaf, 0, 1).reshape(-1, *leaf.shape[2:])[:total], every)
