"""Arrays shared out over devices."""

from collections.abc import Sequence

import jax
import numpy as np

AXIS = "devices"


def local(devices: Sequence | None) -> tuple:
    """``devices``, or all of this process."""
    return tuple(jax.local_devices() if devices is None else devices)


def shares_of(array: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """``array`` (n, ...) as (count, ceil(n / count), ...) padded with zeros; and 1 for what is real, 0 for padding."""
    share = -(-len(array) // count)
    padding = share * count - len(array)
    padded = np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1)) if padding else array
    valid = np.pad(np.ones(len(array), np.float32), (0, padding))
    return padded.reshape(count, share, *array.shape[1:]), valid.reshape(count, share)
