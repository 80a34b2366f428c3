"""The arrays of the signatures: NumPy's or JAX's, with jaxtyping's shapes."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

AnyArray = jax.Array | np.ndarray

Picture = Float[AnyArray, "h w *c"]
Pictures = Float[AnyArray, "n h w *c"]
Mask = Shaped[AnyArray, "h w"]
Scalar = Float[AnyArray, ""]

# A field of a pytree: an array to its users, but JAX also puts axes, shapes and tangents in its place.
if TYPE_CHECKING:
    Leaf = AnyArray
else:
    Leaf = Any
