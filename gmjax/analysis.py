"""Which components of a model matter most: by weight, the paper's order (Fig. 9), or by the error without them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gmjax.gmface import GmFace, pixel_axes, require_gaussians
from gmjax.solvers.exact_weights import gaussian_equations, growth_without, without

# Relative to the mean diagonal of the Gram matrix: far below what a component contributes, far above float64 rounding.
_RIDGE = 1e-10


def order_by_weight(params: GmFace) -> Int[np.ndarray, " m"]:
    """Indices of the components by decreasing |weight|, for colour its norm over channels."""
    require_gaussians(params)
    weights = np.asarray(params.weights, np.float64)
    return np.argsort(-(np.abs(weights) if weights.ndim == 1 else np.linalg.norm(weights, axis=1)), kind="stable")


def order_by_error(params: GmFace, shape: tuple[int, int]) -> Int[np.ndarray, " m"]:
    """Indices of the components from the most important to the least, judged on the pixels of ``shape`` (H, W).

    Backward elimination: starting from all components, remove the one whose removal increases the mean squared error to
    the whole model least, after the weights of the others are solved for again; repeat until one is left. In float64.
    """
    require_gaussians(params)
    gram = _gram(params, shape)
    inverse = np.linalg.inv(gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    weights = np.asarray(params.weights, np.float64).reshape(len(gram), -1)
    left_out: list[int] = []
    for _ in range(len(gram)):
        with np.errstate(divide="ignore", invalid="ignore"):  # components that are left out already
            growth = growth_without(inverse, weights)
        growth[left_out] = np.inf
        left_out.append(int(np.nanargmin(growth)))
        inverse, weights = without(inverse, weights, left_out[-1])
    return np.array(left_out[::-1])


def take(params: GmFace, which: Int[Array, " k"] | Int[np.ndarray, " k"]) -> GmFace:
    """The model with only the components ``which`` (k,), their weights unchanged (see ``starts.solve_weights``)."""
    require_gaussians(params)
    return jax.tree.map(lambda leaf: leaf[which], params)


def _gram(params: GmFace, shape: tuple[int, int]) -> Float[np.ndarray, "m m"]:
    """The Gram matrix: the mean over pixels of the product of each pair of Gaussians."""
    with jax.enable_x64(True):
        means, chol = (jnp.asarray(part, jnp.float64) for part in (params.means, params.precision_chol))
        everywhere = jnp.full(shape, 1 / (shape[0] * shape[1]))
        axes = pixel_axes(shape, params.offset, jnp.float64)
        return np.asarray(jax.jit(gaussian_equations)(means, chol, everywhere, everywhere, *axes)[0])
