"""Array types for signatures: NumPy or JAX arrays with jaxtyping shapes."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

AnyArray = jax.Array | np.ndarray

Picture = Float[AnyArray, "h w *c"]
Pictures = Float[AnyArray, "n h w *c"]
Mask = Shaped[AnyArray, "h w"]
Scalar = Float[AnyArray, ""]

# A field of a pytree: an array to users; JAX also puts axes, shapes or tangents in its place.
if TYPE_CHECKING:
    Leaf = AnyArray
else:
    Leaf = Any
